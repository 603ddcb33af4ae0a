"""Between our minor units (ISO 4217) and PayPal's decimal texts (developer.paypal.com, "Currency codes").

PayPal writes HUF and TWD, which have two decimals by ISO, and JPY without any. What does not fit is not sent.
"""

import re
from collections.abc import Mapping
from typing import Final

from ledger.errors import Invalid
from ledger.money import Money, exponent

CARRIED: Final = frozenset(
    {
        "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY", "MXN",
        "MYR", "NOK", "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "USD",
    }
)  # fmt: skip
WITHOUT_DECIMALS: Final = frozenset({"HUF", "JPY", "TWD"})

_VALUE = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]{1,2}))?")


class NotCarried(Invalid):
    """PayPal cannot be asked for this amount."""

    code = "amount_not_carried"
    advice = "Choose another amount or provider; PayPal has no way to write this one."


def to_paypal(amount: Money) -> dict[str, str]:
    """Return an amount as PayPal writes it: {currency_code, value}.

    :raises NotCarried: the currency or the last decimals are not PayPal's.
    """
    currency, minor = amount.currency, amount.minor
    if currency not in CARRIED:
        raise NotCarried(f"PayPal does not carry {currency}", param="currency")
    unit = 10 ** exponent(currency)
    whole, part = divmod(minor, unit)
    if currency in WITHOUT_DECIMALS:
        if part:
            raise NotCarried(f"PayPal takes whole {currency} only", param="amount")
        return {"currency_code": currency, "value": str(whole)}
    return {"currency_code": currency, "value": f"{whole}.{part:02d}"}


def from_paypal(told: object) -> Money | None:
    """Return an amount of PayPal's as ours; None when it is not one, or below zero."""
    amount = signed(told)
    return amount if amount is not None and amount.minor >= 0 else None


def signed(told: object) -> Money | None:
    """Return an amount of PayPal's, which may be below zero, as ours; None when it is not one."""
    if not isinstance(told, Mapping):
        return None
    currency, value = told.get("currency_code"), told.get("value")
    if not isinstance(currency, str) or currency not in CARRIED or not isinstance(value, str):
        return None
    found = _VALUE.fullmatch(value)
    if found is None:
        return None
    sign, whole, part = found[1], int(found[2]), (found[3] or "").ljust(2, "0")
    places = exponent(currency)
    if places == 0 and int(part):
        return None
    minor = whole if places == 0 else whole * 100 + int(part)
    return Money(-minor if sign else minor, currency)
