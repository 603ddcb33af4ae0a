"""Adyen's amounts: {currency, value} with the decimals of its own table, which differs from ISO for four.

Inside the face all amounts are in Adyen's units; the bank and what people read have those of the standard.
"""

from typing import Any

from payments.simulator.adyen.errors import invalid
from payments.simulator.currencies import exponent, major
from payments.simulator.errors import Refused
from payments.simulator.fees import capture_fee

DECIMALS = {"CLP": 2, "CVE": 0, "IDR": 0, "ISK": 2}
VALUE_MAX = 99_999_999_999


def read(body: dict[str, Any], *, least: int = 1) -> tuple[int, str]:
    """The value and the currency of a request's amount.

    :raises AdyenRefused: it is none, or in a currency that Adyen does not carry.
    """
    amount = body.get("amount")
    value = amount.get("value") if isinstance(amount, dict) else None
    currency = amount.get("currency") if isinstance(amount, dict) else None
    if type(value) is not int or not isinstance(currency, str):
        raise invalid("100", "Required object 'amount' is not provided.")
    try:
        places = exponent(currency)
    except Refused:
        places = 9
    if places > 3:
        raise invalid("138", f"Unsupported currency specified: {currency[:10]}")
    if not least <= value <= VALUE_MAX:
        raise invalid("137", "Invalid amount specified")
    return value, currency


def of(value: int, currency: str) -> dict[str, Any]:
    """An amount as Adyen writes it."""
    return {"currency": currency, "value": value}


def to_iso(value: int, currency: str) -> int:
    """A value of Adyen's in the minor units of the standard."""
    return value * 10 ** exponent(currency) // 10 ** DECIMALS.get(currency, exponent(currency))


def from_iso(minor: int, currency: str) -> int:
    """Minor units of the standard as a value of Adyen's."""
    return minor * 10 ** DECIMALS.get(currency, exponent(currency)) // 10 ** exponent(currency)


def shown(value: int, currency: str) -> str:
    """An amount for people and reports: decimal, in the places of the standard."""
    return major(to_iso(value, currency), currency)


def fee_of(value: int, currency: str) -> int:
    """What the sandbox keeps of a capture, in Adyen's units; never above the amount."""
    return from_iso(capture_fee(to_iso(value, currency), currency, "card"), currency)
