"""An order of PayPal's, read with care: what a body must have to be believed, and its parts.

Everything of a payment hangs on its order: authorization, captures, refunds. Its `reference_id` is the
intent with which we made it, so that one whose intent was turned since (given up) can be told; `custom_id`
is the key of the operation that made it, `invoice_id` our reference of the payment.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.money import Money
from payments.providers.paypal.amounts import from_paypal

Body = Mapping[str, Any]

AUTHORIZE: Final = "AUTHORIZE"
CAPTURE: Final = "CAPTURE"
OTHER_INTENT: Final = {AUTHORIZE: CAPTURE, CAPTURE: AUTHORIZE}
NOT_TAKEN: Final = frozenset({"DECLINED", "FAILED"})  # captures that took nothing
NOT_GIVEN: Final = frozenset({"FAILED", "CANCELLED"})  # refunds that gave nothing
REFUND_MARK: Final = "refund."

_REFERENCE = re.compile(r"[A-Za-z0-9-]{1,64}")
_UP = re.compile(r".*/captures/([A-Za-z0-9-]{1,64})")


@dataclass(frozen=True, slots=True)
class Part:
    """An authorization, a capture or a refund."""

    id: str
    status: str
    amount: Money
    body: Body

    @property
    def invoice_id(self) -> str:
        """What its request named itself by."""
        return text(self.body, "invoice_id")

    @property
    def custom_id(self) -> str:
        """The other name that its request, or its order, gave it."""
        return text(self.body, "custom_id")


@dataclass(frozen=True, slots=True)
class Order:
    """An order that is shaped like one of ours."""

    id: str
    status: str
    intent: str
    key: str
    reference: str
    amount: Money
    made_as: str
    authorizations: tuple[Part, ...]
    captures: tuple[Part, ...]
    refunds: tuple[Part, ...]
    body: Body

    @property
    def is_sale(self) -> bool:
        """Whether it was made to be captured at once."""
        return self.made_as == CAPTURE

    @property
    def is_given_up(self) -> bool:
        """Whether its intent was turned, so that what it was made for cannot happen any more."""
        return self.intent != self.made_as

    @property
    def is_mixed(self) -> bool:
        """Whether parts of it are in other currencies, which no order of ours is."""
        parts = (*self.authorizations, *self.captures, *self.refunds)
        return any(one.amount.currency != self.amount.currency for one in parts)

    @property
    def captured(self) -> Money:
        """What was taken, or will be when it is decided."""
        amounts = (capture.amount for capture in self.captures if capture.status not in NOT_TAKEN)
        return sum(amounts, Money.zero(self.amount.currency))

    def refunds_of(self, key: str) -> list[Part]:
        """The refunds that were made under one of our keys."""
        mark = f"{REFUND_MARK}{key}"
        return [one for one in self.refunds if one.custom_id == mark or one.custom_id.startswith(f"{mark}.")]

    def left_of(self, capture: Part) -> Money:
        """What of a capture is neither refunded nor being refunded."""
        back = [one for one in self.refunds if capture_of(one.body) == capture.id]
        amounts = (one.amount for one in back if one.status not in NOT_GIVEN)
        return capture.amount - sum(amounts, Money.zero(capture.amount.currency))


def read(body: Body | None) -> Order | None:
    """Read an order; None when it is not shaped like one of ours."""
    if body is None or not all(isinstance(body.get(name), str) for name in ("id", "status", "intent")):
        return None
    units = body.get("purchase_units")
    if not isinstance(units, list) or len(units) != 1 or not isinstance(units[0], dict):
        return None
    unit = units[0]
    amount, payments = from_paypal(unit.get("amount")), unit.get("payments", {})
    made_as = text(unit, "reference_id")
    if amount is None or made_as not in OTHER_INTENT or not isinstance(payments, dict):
        return None
    parts = [_parts(payments.get(name, [])) for name in ("authorizations", "captures", "refunds")]
    authorizations, captures, refunds = parts
    if authorizations is None or captures is None or refunds is None or not is_reference(body["id"]):
        return None
    return Order(
        body["id"], body["status"], body["intent"], text(unit, "custom_id"), text(unit, "invoice_id"), amount,
        made_as, authorizations, captures, refunds, body,
    )  # fmt: skip


def part(body: object) -> Part | None:
    """Read an authorization, a capture or a refund; None when it is not shaped like one."""
    if not isinstance(body, Mapping):
        return None
    amount = from_paypal(body.get("amount"))
    names = all(isinstance(body.get(name), str) for name in ("id", "status"))
    if amount is None or not names or not is_reference(body["id"]):
        return None
    return Part(body["id"], body["status"], amount, body)


def capture_of(body: Body) -> str:
    """The capture that a refund is of, by its link upwards; empty when it has none."""
    found = _UP.fullmatch(link(body, "up"))
    return found[1] if found else ""


def link(body: Body, *rels: str) -> str:
    """The address of the first link of these relations; empty when there is none."""
    links = body.get("links")
    for one in links if isinstance(links, list) else []:
        if isinstance(one, dict) and one.get("rel") in rels and isinstance(one.get("href"), str):
            return str(one["href"])
    return ""


def is_reference(name: str) -> bool:
    """Say whether a provider reference may be put into a path."""
    return _REFERENCE.fullmatch(name) is not None


def text(body: Body, name: str) -> str:
    """A text field; empty when it is none."""
    value = body.get(name)
    return value if isinstance(value, str) else ""


def mapping(body: Body, *names: str) -> Body:
    """An object inside an object; empty when there is none."""
    for name in names:
        inner = body.get(name)
        body = inner if isinstance(inner, dict) else {}
    return body


def _parts(rows: object) -> tuple[Part, ...] | None:
    read_rows = [part(row) for row in rows] if isinstance(rows, list) else [None]
    found = tuple(row for row in read_rows if row is not None)
    return found if len(found) == len(read_rows) else None
