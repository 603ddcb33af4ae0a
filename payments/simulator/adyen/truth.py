"""What Adyen did, in the shape in which the sandbox's other faces tell it: one row an operation, by its key.

The key is the merchant's own within his reference (`capture.{key}`); what he did not ask for has Adyen's
reference. A modification is told once it was decided.
"""

import sqlite3

from payments.simulator import objects
from payments.simulator.adyen import amounts
from payments.simulator.objects import Body, Record

Row = dict[str, object]
KINDS = ("payment", "modification", "journal")
PAYMENTS = {"authorised": "authorized", "redirect": "pending", "pending": "pending"}
MODIFICATIONS = {"done": "succeeded", "failed": "failed", "received": "pending"}
MOVEMENTS = {
    "Chargeback": "withdrawal",
    "SecondChargeback": "withdrawal",
    "ChargebackReversed": "reinstatement",
}


def page(connection: sqlite3.Connection, after: int, size: int) -> Body:
    """The operations of the next objects, in the order in which these were made."""
    found = objects.since(connection, KINDS, after, size + 1)
    rows = [row for record in found[:size] if (row := _row(connection, record))]
    return {"data": rows, "has_more": len(found) > size, "after": found[:size][-1].seq if found else after}


def _row(connection: sqlite3.Connection, record: Record) -> Row | None:
    if record.kind == "payment":
        private = record.private
        status = PAYMENTS.get(private["status"], "declined")
        key = private["reference"].removeprefix("sale.")
        asked = private["value"] - private.get("added", 0)  # what raised it is told by itself
        return _told(record, record, "authorize", key, status, asked)
    payment_id = record.parent if record.kind == "modification" else record.body["payment"]
    payment = objects.get(connection, "payment", payment_id)
    if record.kind == "modification":
        private = record.private
        value = private.get("added") or private["value"] or payment.private["value"]
        status = MODIFICATIONS[private["status"]]
        row = _told(record, payment, private["kind"], _key(record), status, value)
        return row | {"fee": _fee(connection, record, payment)} if private["kind"] == "capture" else row
    if record.body["type"] not in MOVEMENTS:
        return None
    kind = MOVEMENTS[record.body["type"]]
    return _told(record, payment, kind, record.body["movement"], "succeeded", record.body["value"])


def _fee(connection: sqlite3.Connection, capture: Record, payment: Record) -> int:
    """What a capture cost, once a settlement report has told it: nothing tells it before."""
    line = objects.find(connection, "journal", f"{capture.id}:Settled")
    is_told = line is not None and line.parent.startswith("batch:")
    return amounts.to_iso(line.body["fee"], payment.private["currency"]) if line and is_told else 0


def _key(modification: Record) -> str:
    """The merchant's key of a modification; of a capture that a sale made, the sale's."""
    private = modification.private
    kind, _, rest = private["reference"].partition(".")
    if kind == "sale" and private["kind"] == "capture" and not modification.body.get("metadata"):
        return f"{rest}:capture"
    return rest.rpartition(".")[2] if kind == private["kind"] else f"adyen_{modification.id}"


def _told(record: Record, payment: Record, kind: str, key: str, status: str, value: int) -> Row:
    currency = payment.private["currency"]
    return {
        "seq": record.seq,
        "kind": kind,
        "idempotency_key": key,
        "status": status,
        "amount": amounts.to_iso(value, currency),
        "fee": 0,
        "currency": currency,
        "reference": payment.private["order"],
    }
