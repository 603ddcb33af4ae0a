"""Between our minor units (ISO 4217) and Adyen's (docs.adyen.com, "Currency codes", read 2026-11-21).

Adyen's own table leads where it differs from the standard: CLP and ISK have two decimals there and none by
ISO, CVE and IDR have none there and two by ISO. What does not fit is not sent.
"""

from typing import Final

from ledger.errors import Invalid
from ledger.money import Money, exponent

HUNDREDFOLD: Final = frozenset({"CLP", "ISK"})
HUNDREDTH: Final = frozenset({"CVE", "IDR"})
DECIMALS_MAX: Final = 3


class NotCarried(Invalid):
    """Adyen cannot be asked for this amount."""

    code = "amount_not_carried"
    advice = "Choose another amount or provider; Adyen has no way to write this one."


def to_adyen(amount: Money) -> dict[str, object]:
    """Return an amount as Adyen's {currency, value}.

    :raises NotCarried: the currency or the last decimals are not Adyen's.
    """
    currency, minor = amount.currency, amount.minor
    if exponent(currency) > DECIMALS_MAX:
        raise NotCarried(f"Adyen does not carry {currency}", param="currency")
    if currency in HUNDREDFOLD:
        return {"currency": currency, "value": minor * 100}
    if currency in HUNDREDTH:
        if minor % 100:
            raise NotCarried(f"Adyen takes {currency} without decimals", param="amount")
        return {"currency": currency, "value": minor // 100}
    return {"currency": currency, "value": minor}


def from_adyen(told: object) -> Money | None:
    """Return Adyen's {currency, value} as ours; None when it is none, or not a whole number of our units."""
    if not isinstance(told, dict):
        return None
    value, currency = told.get("value"), told.get("currency")
    if type(value) is not int or not isinstance(currency, str) or value < 0:
        return None
    if currency in HUNDREDFOLD:
        if value % 100:
            return None
        value //= 100
    elif currency in HUNDREDTH:
        value *= 100
    try:
        return Money(value, currency)
    except Invalid:
        return None
