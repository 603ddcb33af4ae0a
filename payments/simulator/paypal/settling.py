"""PayPal as a payer: the whole balance of a currency goes to the bank, as a transfer with an id of its own.

A transfer is a movement like the others, so the next one begins where it ended; a balance of zero, or below,
waits.
"""

import time
from collections.abc import Sequence

from payments.simulator.payers import Settlement
from payments.simulator.paypal import books
from payments.simulator.paypal.books import Movement
from payments.simulator.storage import Storage

TRANSFER_CODE = "T0400"  # a transfer to the bank account


class Transfers:
    """The face as a payer, over its storage (see payers.Payer)."""

    payer_name = "PayPal (Sandbox)"

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def unsettled(self) -> Sequence[str]:
        """The currencies in which something moved and is in no transfer yet."""
        with self._storage.reading() as connection:
            rows = connection.execute("SELECT DISTINCT currency FROM movement WHERE settled_in IS NULL")
            return [row["currency"] for row in rows.fetchall()]

    def settle(self, currency: str, day: str, statement_id: str) -> Settlement | None:
        """Transfer all that is there, for a statement, once."""
        transfer_id = books.digest("transfer", statement_id)
        with self._storage.writing() as connection:
            known = connection.execute("SELECT amount FROM movement WHERE id = ?", (transfer_id,)).fetchone()
            net = -known["amount"] if known else 0
            if known is None:
                net = connection.execute(
                    "SELECT coalesce(sum(amount - fee), 0) FROM movement WHERE settled_in IS NULL"
                    " AND currency = ?",
                    (currency,),
                ).fetchone()[0]
                if net <= 0:
                    return None
                moved = Movement(transfer_id, TRANSFER_CODE, "", -net, 0, currency, time.time())
                books.move(connection, moved)
                connection.execute(
                    "UPDATE movement SET settled_in = ? WHERE settled_in IS NULL AND currency = ?",
                    (transfer_id, currency),
                )
        return Settlement(transfer_id, net, f"PAYPAL TRANSFER {transfer_id}")
