"""Which amounts Stripe takes, in its own units (docs.stripe.com/currencies, "special cases").

UGX and ISK are written with two decimals that are always 00; currencies of three decimals end in 0; MGA has
no decimals. The bounds are those of cards.
"""

from payments.simulator.currencies import exponent
from payments.simulator.errors import Refused
from payments.simulator.fees import capture_fee
from payments.simulator.stripe.errors import StripeRefused

AMOUNT_MAX = 99_999_999
AMOUNT_MIN = {"usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "cad": 50, "aud": 50, "chf": 50, "huf": 17500}
WHOLE_ONLY = frozenset({"ugx", "isk"})
HUNDREDTH = frozenset({"mga"})
NOT_CARRIED = frozenset({"iqd", "lyd", "clf", "uyw", "irr", "kpw", "syp", "cup", "sdg"})


def check_currency(currency: str) -> str:
    """The currency in small letters.

    :raises StripeRefused: Stripe does not carry it.
    """
    code = currency.lower()
    try:
        exponent(code.upper())
    except Refused:
        code = ""
    if not code or code in NOT_CARRIED:
        raise StripeRefused(400, "", f"Invalid currency: {currency[:10]}", param="currency")
    return code


def check_amount(amount: int, currency: str, param: str = "amount", *, minimum: bool = True) -> int:
    """The amount, when Stripe takes it in this currency.

    :raises StripeRefused: too small, too large, or with decimals that the currency does not have.
    """
    least = AMOUNT_MIN.get(currency, 1) if minimum else 1
    if amount < least:
        raise StripeRefused(
            400, "amount_too_small", f"Amount must be at least {least} {currency}", param=param
        )
    if amount > AMOUNT_MAX:
        raise StripeRefused(400, "amount_too_large", "Amount must be no more than 999,999.99", param=param)
    step = 100 if currency in WHOLE_ONLY else 10 if exponent(currency.upper()) == 3 else 1
    if amount % step:
        raise StripeRefused(
            400,
            "invalid_charge_amount_no_decimal_compatible" if step == 100 else "parameter_invalid_integer",
            f"Invalid amount: {currency} amounts must be evenly divisible by {step}",
            param=param,
        )
    return amount


def to_iso(units: int, currency: str) -> int:
    """An amount of Stripe's, of either sign, in the ISO minor units in which a bank keeps accounts."""
    if currency in WHOLE_ONLY:
        return units // 100
    return units * 100 if currency in HUNDREDTH else units


def fee_of(amount: int, currency: str) -> int:
    """What the sandbox keeps of a capture, in Stripe's units; never above the amount."""
    fee = capture_fee(amount, currency.upper(), "card")
    return fee // 100 * 100 if currency in WHOLE_ONLY else fee
