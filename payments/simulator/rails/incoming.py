"""What payers send to us by themselves: wires and checks, each a line of its own on the next statement."""

from collections.abc import Sequence

from payments.simulator.camt import Line
from payments.simulator.currencies import exponent
from payments.simulator.errors import Refused
from payments.simulator.storage import Storage

SCHEMA = """
CREATE TABLE IF NOT EXISTS incoming (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    currency TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    holder TEXT NOT NULL,
    purpose TEXT NOT NULL,
    booked_on TEXT
);
"""
TABLE = "incoming"


class Incoming:
    """Money on its way to our accounts."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def send(self, currency: str, amount: int, holder: str, purpose: str) -> dict[str, object]:
        """Let a payer send money, with what he writes as its purpose.

        :raises Refused: no such currency, or not more than nothing.
        """
        exponent(currency)
        if amount <= 0:
            raise Refused(422, "amount_invalid", "An amount is above zero", param="amount")
        with self._storage.writing() as connection:
            cursor = connection.execute(
                "INSERT INTO incoming (currency, amount, holder, purpose) VALUES (?, ?, ?, ?)",
                (currency, amount, holder, purpose),
            )
        return {"id": f"in{cursor.lastrowid:013}", "status": "sent"}

    def unbooked(self) -> Sequence[str]:
        """The currencies in which money is on its way."""
        with self._storage.reading() as connection:
            rows = connection.execute("SELECT DISTINCT currency FROM incoming WHERE booked_on IS NULL")
            return [row["currency"] for row in rows]

    def book(self, currency: str, statement_id: str) -> list[Line]:
        """The lines of a statement; asked again for the same one it gives the same."""
        with self._storage.writing() as connection:
            connection.execute(
                "UPDATE incoming SET booked_on = ? WHERE booked_on IS NULL AND currency = ? AND NOT EXISTS"
                " (SELECT 1 FROM incoming WHERE booked_on = ?)",
                (statement_id, currency, statement_id),
            )
            rows = connection.execute(
                "SELECT * FROM incoming WHERE booked_on = ? ORDER BY seq", (statement_id,)
            ).fetchall()
        return [
            Line(row["amount"], "NOTPROVIDED", row["holder"], "", row["purpose"], f"in{row['seq']:013}")
            for row in rows
        ]
