"""One line of an orders file: read strictly, or refused with a reason. Pure; knows no other line.

A line that is worth nothing (no price, no quantity, wholly discounted) is left out alone. Any other fault
makes it unknown what the customer owes, so it spoils the whole order: a part of an order is never charged.
"""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from config.day.money_math import line_minor
from ledger.money import AMOUNT_MAX, BadCurrency, exponent

COLUMNS = (
    "order_id",
    "ordered_on",
    "customer_id",
    "country",
    "currency",
    "line_no",
    "sku",
    "description",
    "category",
    "vendor_id",
    "vendor_name",
    "quantity",
    "unit_price",
    "discount_rate",
)
REFERENCE_MAX_CHARACTERS = 64
TEXT_MAX_CHARACTERS = 200
NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
REFERENCE_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\udc80-\udcff]")


@dataclass(eq=False)
class Refusal(Exception):
    """Why a line cannot be paid; `spoils` says whether the rest of its order can."""

    code: str
    reason: str
    spoils: bool = True


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A line that can be paid; `amount_minor` is already rounded."""

    order_id: str
    ordered_on: str
    customer_id: str
    country: str
    currency: str
    line_no: str
    sku: str
    description: str
    category: str
    vendor_id: str
    vendor_name: str
    amount_minor: int


def read_line(row: dict[str, str]) -> OrderLine:
    """Return the line as a payable position.

    :raises Refusal: it cannot be paid as it stands.
    """
    order_id = _reference(row, "order_id")
    customer_id = _reference(row, "customer_id")
    ordered_on = _day(row["ordered_on"])
    currency = _currency(row["currency"])
    line_no = _reference(row, "line_no")
    vendor_id = _reference(row, "vendor_id")
    amount_minor = _amount(row, currency)
    return OrderLine(
        order_id=order_id,
        ordered_on=ordered_on,
        customer_id=customer_id,
        country=_text(row["country"]),
        currency=currency,
        line_no=line_no,
        sku=_text(row["sku"]),
        description=_text(row["description"]),
        category=_text(row["category"]),
        vendor_id=vendor_id,
        vendor_name=_text(row["vendor_name"]) or vendor_id,
        amount_minor=amount_minor,
    )


def _reference(row: dict[str, str], column: str) -> str:
    value = row[column].strip()
    if not value:
        raise Refusal(f"{column}_missing", f"{column} is missing")
    if len(value) > REFERENCE_MAX_CHARACTERS:
        raise Refusal(f"{column}_too_long", f"{column} is longer than {REFERENCE_MAX_CHARACTERS} characters")
    if REFERENCE_FORBIDDEN.search(value):
        raise Refusal(f"{column}_unreadable", f"{column} has characters that are not text in UTF-8")
    return value


def _text(value: str) -> str:
    # Names and descriptions decide nothing about money: what is unreadable in them is shown as such.
    readable = REFERENCE_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", value.strip())
    return readable[:TEXT_MAX_CHARACTERS]


def _day(raw: str) -> str:
    value = raw.strip()
    try:
        if not DAY.fullmatch(value):
            raise ValueError
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise Refusal("date_bad", f"ordered_on {_quoted(raw)} is not a date like 1996-07-04") from None


def _currency(raw: str) -> str:
    value = raw.strip()
    try:
        exponent(value)
    except BadCurrency:
        raise Refusal("currency_unknown", f"currency {_quoted(raw)} is not one that can be paid in") from None
    return value


def _amount(row: dict[str, str], currency: str) -> int:
    quantity = _number(row, "quantity")
    unit_price = _number(row, "unit_price")
    discount_rate = _number(row, "discount_rate")
    if quantity < 0:
        raise Refusal("cancelled", f"quantity {quantity} is negative: a cancellation, not a payment")
    if unit_price < 0:
        raise Refusal("price_negative", f"unit_price {unit_price} is negative")
    if not 0 <= discount_rate <= 1:
        raise Refusal("discount_bad", f"discount_rate {discount_rate} is not between 0 and 1")
    if quantity == 0:
        raise Refusal("quantity_zero", "quantity is 0: nothing to pay", spoils=False)
    if unit_price == 0:
        raise Refusal("price_zero", "unit_price is 0: nothing to pay", spoils=False)
    amount = line_minor(quantity, unit_price, discount_rate, exponent(currency))
    if amount == 0:
        raise Refusal("amount_zero", f"the line comes to 0 {currency}: nothing to pay", spoils=False)
    if amount > AMOUNT_MAX:
        raise Refusal("amount_too_large", f"the line comes to more than {AMOUNT_MAX} minor units")
    return amount


def _number(row: dict[str, str], column: str) -> Decimal:
    value = row[column].strip()
    if not value:
        raise Refusal(f"{column}_missing", f"{column} is missing")
    if not NUMBER.fullmatch(value):
        raise Refusal(f"{column}_bad", f"{column} {_quoted(value)} is not a plain decimal number")
    return Decimal(value)


def _quoted(raw: str) -> str:
    return ascii(raw if len(raw) <= 40 else raw[:37] + "...")
