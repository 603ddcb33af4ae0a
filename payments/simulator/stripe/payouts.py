"""Payouts: Stripe as a payer of the sandbox bank. A payout takes all movements of a currency that none took.

Its own movement is a balance transaction too, which brings the balance to zero. The bank line's remittance
names the payout, as a statement descriptor of the merchant's own would.
"""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from payments.simulator.objects import Body, Record
from payments.simulator.payers import Settlement
from payments.simulator.storage import Storage
from payments.simulator.stripe import amounts, books, charges
from payments.simulator.stripe.books import digest
from payments.simulator.stripe.desk import Desk, Rules

DESCRIPTOR = "STRIPE PAYOUT"


class Payouts:
    """The face as a payer, over its storage; `told` is called when there are events to deliver."""

    payer_name = "Stripe Payments"

    def __init__(self, storage: Storage, rules: Rules, told: Callable[[], None]) -> None:
        self._storage = storage
        self._rules = rules
        self._told = told

    def unsettled(self) -> Sequence[str]:
        """The currencies of balance transactions that no payout took."""
        with self._storage.reading() as connection:
            rows = connection.execute("SELECT DISTINCT currency FROM movement WHERE payout IS NULL")
            return [row["currency"].upper() for row in rows]

    def settle(self, currency: str, day: str, statement_id: str) -> Settlement | None:
        """Pay out the balance of a currency for a bank statement (see payers.Payer)."""
        payout_id = digest("po", statement_id)
        with self._storage.writing() as connection:
            known = connection.execute("SELECT body FROM object WHERE id = ?", (payout_id,)).fetchone()
            if known is None and not _pay(self._desk(connection, payout_id), currency.lower(), day):
                return None
            payout = books.get(connection, "payout", payout_id)
        self._told()
        net = amounts.to_iso(payout.body["amount"], payout.body["currency"])
        return Settlement(payout_id, net, f"{DESCRIPTOR} {payout_id}")

    def _desk(self, connection: sqlite3.Connection, payout_id: str) -> Desk:
        return Desk(connection, self._rules, payout_id, f"req_{payout_id[-14:]}")


def _pay(desk: Desk, currency: str, day: str) -> bool:
    """Make the payout whose id is the desk's key; False, and nothing done, when the balance is zero."""
    amount = desk.connection.execute(
        "SELECT sum(net) FROM movement WHERE payout IS NULL AND currency = ?", (currency,)
    ).fetchone()[0]
    if not amount:
        return False
    payout = Record(desk.key, "payout", "", desk.now, _body(desk, currency, day, amount))
    desk.connection.execute(
        "UPDATE object SET body = json_set(body, '$.status', 'available')"
        " WHERE id IN (SELECT id FROM movement WHERE payout IS NULL AND currency = ?)",
        (currency,),
    )
    balance = charges.balance_transaction(desk, payout, "payout", -amount, 0)
    payout.body["balance_transaction"] = balance.id
    desk.save(payout)
    desk.connection.execute(
        "UPDATE movement SET payout = ? WHERE payout IS NULL AND currency = ?", (payout.id, currency)
    )
    desk.tell("payout.paid", payout.body)
    return True


def _body(desk: Desk, currency: str, day: str, amount: int) -> Body:
    arrives = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return {
        "id": desk.key,
        "object": "payout",
        "amount": amount,
        "arrival_date": int(arrives.timestamp()),
        "automatic": True,
        "created": int(desk.now),
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "reconciliation_status": "completed",
        "source_type": "card",
        "statement_descriptor": DESCRIPTOR,
        "status": "paid",
        "type": "bank_account",
    }
