"""What PayPal did, in the shape in which the sandbox's other faces tell it: one row an operation, by its key.

The key is that of the merchant's request; what the merchant did not ask for has the id of its object.
"""

import sqlite3
from collections.abc import Iterator

from payments.simulator import objects
from payments.simulator.objects import Body, Record
from payments.simulator.paypal import amounts, books

Row = dict[str, object]
KINDS = ("order", "authorization", "capture", "refund", "dispute")
AUTHORIZED = {"CREATED": "authorized", "CAPTURED": "authorized", "PARTIALLY_CAPTURED": "authorized",
              "VOIDED": "authorized", "PENDING": "pending"}  # fmt: skip
CAPTURED = {"COMPLETED": "succeeded", "PARTIALLY_REFUNDED": "succeeded", "REFUNDED": "succeeded",
            "PENDING": "pending"}  # fmt: skip
REFUNDED = {"COMPLETED": "succeeded", "PENDING": "pending"}
MARK = "refund."


def page(connection: sqlite3.Connection, after: int, size: int) -> Body:
    """The operations of the next objects, in the order in which these were made."""
    marks = ", ".join("?" * len(KINDS))
    found = connection.execute(
        f"SELECT seq, kind, id FROM object WHERE seq > ? AND kind IN ({marks}) ORDER BY seq LIMIT ?",  # noqa: S608 - marks only
        (after, *KINDS, size + 1),
    ).fetchall()
    rows = [
        {"seq": row["seq"], **told}
        for row in found[:size]
        for told in _operations(connection, books.get(connection, row["kind"], row["id"]))
    ]
    last = found[:size][-1]["seq"] if found else after
    return {"data": rows, "has_more": len(found) > size, "after": last}


def _operations(connection: sqlite3.Connection, record: Record) -> Iterator[Row]:
    body = record.body
    match record.kind:
        case "order":
            yield _order(connection, record)
        case "authorization" if body["status"] == "VOIDED":
            yield _row(record, "void", record.id, "succeeded")
        case "capture":
            is_own = str(body["invoice_id"]).startswith("op_")
            key = body["invoice_id"] if is_own else f"{body['custom_id']}:capture"
            row = _row(record, "capture", key, CAPTURED.get(body["status"], "failed"))
            breakdown = body.get("seller_receivable_breakdown")
            yield row | ({"fee": amounts.read(breakdown["paypal_fee"])[0]} if breakdown else {})
        case "refund":
            is_own = str(body["custom_id"]).startswith(MARK)
            key = str(body["custom_id"]).removeprefix(MARK).partition(".")[0] if is_own else record.id
            yield _row(record, "refund", key, REFUNDED.get(body["status"], "failed"))
        case "dispute":
            for number, moved in enumerate(body["money_movements"]):
                kind = "withdrawal" if moved["type"] == "DEBIT" else "reinstatement"
                yield _row(record, kind, f"{record.id}.{number}", "succeeded", moved["amount"])


def _order(connection: sqlite3.Connection, order: Record) -> Row:
    """An order is the authorization, whatever its intent; it stands as what it brought."""
    unit = order.body["purchase_units"][0]
    status = "pending"
    for kind, meaning in (("authorization", AUTHORIZED), ("capture", dict.fromkeys(CAPTURED, "authorized"))):
        parts = objects.of_parent(connection, kind, order.id)
        if parts and (kind == "authorization" or order.body["intent"] == "CAPTURE"):
            status = meaning.get(parts[0].body["status"], "declined")
    return _row(order, "authorize", str(unit.get("custom_id", order.id)), status, unit["amount"])


def _row(record: Record, kind: str, key: str, status: str, amount: Body | None = None) -> Row:
    minor, currency = amounts.read(amount or record.body["amount"])
    unit = record.body.get("purchase_units", [record.body])[0]
    return {
        "kind": kind,
        "idempotency_key": key,
        "status": status,
        "amount": minor,
        "fee": 0,
        "currency": currency,
        "reference": unit.get("invoice_id", ""),
    }
