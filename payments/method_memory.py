"""What is remembered of a customer's payment methods, for showing: those that were not removed.

Paying, verifying and every other step reads the rows themselves, under their locks.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from ledger import remembering
from payments import method_selectors
from payments.models import PaymentMethod

METHODS_MOST: Final = 100  # a customer with more is read page by page
_FIELDS: Final = tuple(field for field in PaymentMethod._meta.concrete_fields if field.name != "event_hash")


class TooMany(Exception):
    """The customer has more methods than are remembered."""


def of_customer(merchant_id: UUID, customer_ref: str) -> Sequence[PaymentMethod] | None:
    """Return a customer's methods, the newest first; None when they are too many. They are for showing."""
    try:
        return memory.recall(
            _scope(merchant_id, customer_ref), "methods", lambda: _read(merchant_id, customer_ref)
        )
    except TooMany:
        return None


def _read(merchant_id: UUID, customer_ref: str) -> list[PaymentMethod]:
    rows = method_selectors.of_customer(merchant_id, customer_ref).order_by("-pk")
    found = list(rows[: METHODS_MOST + 1])
    if len(found) > METHODS_MOST:
        raise TooMany
    return found


@remembering.hears(PaymentMethod.SUBJECT)
def _changed(row: PaymentMethod) -> None:
    memory.forget(_scope(row.merchant_id, row.customer_ref))


def _scope(merchant_id: UUID, customer_ref: str) -> str:
    return f"{merchant_id}|{customer_ref}"


def _pack(rows: list[PaymentMethod]) -> list[list[Any]]:
    return [[_plain(getattr(row, field.attname)) for field in _FIELDS] for row in rows]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, dict, list)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _unpack(packed: list[list[Any]]) -> list[PaymentMethod]:
    return [
        PaymentMethod.from_db(
            "default",
            [field.attname for field in _FIELDS],
            [
                value if value is None else field.to_python(value)
                for field, value in zip(_FIELDS, row, strict=True)
            ],
        )
        for row in packed
    ]


memory: Final = remembering.Memory("payment_methods.2", seconds=60, pack=_pack, unpack=_unpack)
