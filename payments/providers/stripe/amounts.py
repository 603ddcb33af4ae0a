"""Between our minor units (ISO 4217) and Stripe's (docs.stripe.com/currencies, read 2026-11-21).

UGX and ISK have no decimals, but Stripe writes them with two that are always 00; MGA has two by ISO and none
at Stripe; currencies of three decimals must end in 0. What does not fit is not sent.
"""

from typing import Final

from ledger.errors import Invalid
from ledger.money import Money, exponent

HUNDREDFOLD: Final = frozenset({"UGX", "ISK"})
HUNDREDTH: Final = frozenset({"MGA"})
NOT_CARRIED: Final = frozenset({"IQD", "LYD"})
DECIMALS_MAX: Final = 3


class NotCarried(Invalid):
    """Stripe cannot be asked for this amount."""

    code = "amount_not_carried"
    advice = "Choose another amount or provider; Stripe has no way to write this one."


def to_stripe(amount: Money) -> int:
    """Return an amount in Stripe's units.

    :raises NotCarried: the currency or the last decimals are not Stripe's.
    """
    currency, minor = amount.currency, amount.minor
    if currency in NOT_CARRIED or exponent(currency) > DECIMALS_MAX:
        raise NotCarried(f"Stripe does not carry {currency}", param="currency")
    if currency in HUNDREDFOLD:
        return minor * 100
    step = 100 if currency in HUNDREDTH else 10 if exponent(currency) == DECIMALS_MAX else 1
    if minor % step:
        raise NotCarried(f"Stripe takes {currency} in steps of {step} minor units", param="amount")
    return minor // 100 if currency in HUNDREDTH else minor


def from_stripe(units: object, currency: object) -> Money | None:
    """Return an amount of Stripe's as ours; None when it is not one, or not a whole number of our units."""
    if type(units) is not int or not isinstance(currency, str) or units < 0:
        return None
    code = currency.upper()
    if code in HUNDREDFOLD:
        if units % 100:
            return None
        units //= 100
    elif code in HUNDREDTH:
        units *= 100
    try:
        return Money(units, code)
    except Invalid:
        return None
