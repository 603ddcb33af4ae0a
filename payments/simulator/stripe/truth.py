"""What Stripe did, in the shape in which the sandbox's other faces tell it: one row an operation, by its key.

The key is that of the merchant's request, which stands in the metadata; what the merchant did not ask for
has the id of its object. Read from the objects themselves, so that nothing that moved money is left out.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace

from payments.simulator import objects
from payments.simulator.objects import Body, Record
from payments.simulator.stripe import amounts, books

Row = dict[str, object]
KINDS = ("payment_intent", "setup_intent", "balance_transaction", "refund")
WAITING = ("requires_action", "processing", "requires_confirmation")
SETUPS = {"succeeded": "authorized", "processing": "pending"}
REFUNDS = {"succeeded": "succeeded", "pending": "pending"}


def page(connection: sqlite3.Connection, after: int, size: int) -> Body:
    """The operations of the next objects, in the order in which these were made."""
    found = objects.since(connection, KINDS, after, size + 1)
    rows = [row for record in found[:size] for row in _operations(connection, record)]
    last = found[:size][-1].seq if found else after
    return {"data": rows, "has_more": len(found) > size, "after": last}


def _operations(connection: sqlite3.Connection, record: Record) -> Iterator[Row]:
    key = str((record.body.get("metadata") or {}).get("operation") or record.id)
    if record.kind == "refund":
        yield _row(record, "refund", key, REFUNDS.get(record.body["status"], "failed"))
    elif record.kind == "setup_intent":  # as an authorization of nothing, in whatever currency
        nothing = replace(record, body={**record.body, "amount": 0, "currency": "usd"})
        yield _row(nothing, "authorize", key, SETUPS.get(record.body["status"], "declined"))
    elif record.kind == "payment_intent":
        yield _row(record, "authorize", key, _authorized(connection, record.body))
        if record.private.get("voided_by"):
            yield _row(record, "void", str(record.private["voided_by"]), "succeeded")
    elif record.body["type"] in ("charge", "payment"):
        charge = books.get(connection, "charge", record.parent)
        if charge.body["status"] == "failed":
            return  # a debit that was counted and came back: nothing moved
        intent = books.get(connection, "payment_intent", charge.parent)
        yield _row(record, "capture", _capture_key(record, intent), "succeeded", intent)
    elif record.body["type"] == "adjustment":
        kind = "withdrawal" if record.body["amount"] <= 0 else "reinstatement"
        yield _row(record, kind, record.id, "succeeded")


def _row(record: Record, kind: str, key: str, status: str, of: Record | None = None) -> Row:
    body, metadata = record.body, (of or record).body.get("metadata") or {}
    return {
        "seq": record.seq,
        "kind": kind,
        "idempotency_key": key,
        "status": status,
        "amount": amounts.to_iso(abs(body["amount"]), body["currency"]),
        "fee": amounts.to_iso(body.get("fee", 0), body["currency"]),
        "currency": body["currency"].upper(),
        "reference": metadata.get("reference", ""),
    }


def _authorized(connection: sqlite3.Connection, intent: Body) -> str:
    charge_id = intent["latest_charge"]
    if charge_id and books.get(connection, "charge", charge_id).body["status"] == "succeeded":
        return "authorized"
    return "pending" if intent["status"] in WAITING else "declined"


def _capture_key(movement: Record, intent: Record) -> str:
    """The key of a capture: its own, or of the sale that made it, as VelocityPay names such a capture too."""
    if intent.body["capture_method"] == "manual":
        return str(movement.private["key"])
    return f"{intent.body['metadata'].get('operation') or intent.id}:capture"
