"""Transaction search: what moved on the merchant's balance, by time, as PayPal's reporting API shows it."""

import sqlite3
from datetime import UTC, datetime, timedelta

from payments.simulator.objects import Body
from payments.simulator.paypal import amounts
from payments.simulator.paypal.desk import Desk, Done, iso
from payments.simulator.paypal.errors import PayPalRefused

RANGE_MAX = timedelta(days=31)
PAGE_MAX = 500


def search(desk: Desk, params: Body) -> Done:
    """GET /v1/reporting/transactions: balance movements of at most 31 days, oldest first, by pages."""
    start, end = _moment(params, "start_date"), _moment(params, "end_date")
    if not start <= end <= start + RANGE_MAX:
        raise PayPalRefused(400, "INVALID_REQUEST", "Date range is greater than 31 days")
    page, size = _number(params, "page", 1), min(_number(params, "page_size", 100), PAGE_MAX)
    rows = desk.connection.execute(
        "SELECT * FROM movement WHERE made_at >= ? AND made_at < ? AND (? = '' OR id = ?)"
        " AND (? = '' OR code = ?) AND (? = '' OR currency = ?) ORDER BY made_at, seq",
        (start.timestamp(), end.timestamp() + 0.001, *_twice(params, "transaction_id"),
         *_twice(params, "transaction_type"), *_twice(params, "transaction_currency")),
    ).fetchall()  # fmt: skip
    shown = rows[(page - 1) * size : page * size]
    body: Body = {
        "transaction_details": [{"transaction_info": _shown(row)} for row in shown],
        "account_number": "SANDBOXMERCHANT",
        "page": page,
        "total_items": len(rows),
        "total_pages": -(-len(rows) // size),
        "links": [],
    }
    return Done(200, body)


def _shown(row: sqlite3.Row) -> Body:
    told: Body = {
        "transaction_id": row["id"],
        "transaction_event_code": row["code"],
        "transaction_initiation_date": iso(row["made_at"]),
        "transaction_updated_date": iso(row["made_at"]),
        "transaction_amount": amounts.money(row["amount"], row["currency"]),
        "transaction_status": "S",
    }
    if row["fee"]:
        told["fee_amount"] = amounts.money(-row["fee"], row["currency"])
    if row["about"]:
        told |= {"paypal_reference_id": row["about"], "paypal_reference_id_type": "TXN"}
    named = {"invoice_id": row["invoice_id"], "custom_field": row["custom_id"]}
    return told | {name: text for name, text in named.items() if text}


def _moment(params: Body, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(str(params.get(name, "")))
    except ValueError as error:
        raise PayPalRefused(400, "INVALID_REQUEST", f"{name} is a date and time") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _number(params: Body, name: str, default: int) -> int:
    text = str(params.get(name, default))
    if not text.isdigit() or len(text) > 6 or int(text) < 1:
        raise PayPalRefused(400, "INVALID_REQUEST", f"{name} is a number above zero")
    return int(text)


def _twice(params: Body, name: str) -> tuple[str, str]:
    return str(params.get(name, "")), str(params.get(name, ""))
