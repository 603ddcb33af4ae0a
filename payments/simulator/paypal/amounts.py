"""PayPal's decimal amounts and ISO minor units; the currencies that PayPal carries."""

import re
from typing import Any

from payments.simulator.currencies import exponent
from payments.simulator.paypal.errors import PayPalRefused

CARRIED = (
    "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY", "MXN", "MYR",
    "NOK", "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "USD",
)  # fmt: skip
WITHOUT_DECIMALS = ("HUF", "JPY", "TWD")
AMOUNT_MAX = 10**14

_VALUE = re.compile(r"([0-9]{1,14})(?:\.([0-9]{1,2}))?")


def smallest(currency: str) -> int:
    """The ISO minor units of the smallest amount that PayPal writes."""
    return 10 ** exponent(currency) if currency in WITHOUT_DECIMALS else 1


def money(minor: int, currency: str) -> dict[str, str]:
    """An amount as PayPal writes it; below zero with a sign."""
    sign, unit = "-" if minor < 0 else "", 10 ** exponent(currency)
    whole, part = divmod(abs(minor), unit)
    decimals = "" if currency in WITHOUT_DECIMALS else f".{part:02d}"
    return {"currency_code": currency, "value": f"{sign}{whole}{decimals}"}


def read(told: Any) -> tuple[int, str]:
    """The ISO minor units and the currency of an amount above zero.

    :raises PayPalRefused: it is none, or not one that PayPal carries.
    """
    if not isinstance(told, dict):
        raise PayPalRefused(400, "MISSING_REQUIRED_PARAMETER", "An amount is needed.")
    currency, found = told.get("currency_code"), _VALUE.fullmatch(str(told.get("value", "")))
    if currency not in CARRIED:
        raise PayPalRefused(422, "INVALID_CURRENCY_CODE", "Currency code is not supported.")
    if found is None:
        raise PayPalRefused(422, "DECIMAL_PRECISION", "At most two decimals are supported.")
    whole, part = int(found[1]), (found[2] or "").ljust(2, "0")
    if currency in WITHOUT_DECIMALS and int(part):
        raise PayPalRefused(422, "DECIMALS_NOT_SUPPORTED", "Currency does not support decimals.")
    minor = whole * 10 ** exponent(currency) + (int(part) if exponent(currency) else 0)
    if not 0 < minor <= AMOUNT_MAX:
        raise PayPalRefused(422, "CANNOT_BE_ZERO_OR_NEGATIVE", "Must be greater than zero.")
    return minor, str(currency)
