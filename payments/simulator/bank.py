"""The sandbox bank: an account per currency, and statements per closed day.

Closing a day settles everything that is not settled yet, whatever its own date, and dates the lines with the
closed day: first one line per payer (payers.py) with the net that it pays, then what others sent us
(rails/incoming.py), then a line per transfer. A second close of the same day adds only what is new, as the
next statement. A net of zero waits for the next.
"""

import sqlite3
import threading
from collections.abc import Sequence
from datetime import date

from payments.simulator.camt import Line, Statement, statement_xml
from payments.simulator.errors import Refused
from payments.simulator.payers import Payer
from payments.simulator.rails.incoming import Incoming
from payments.simulator.storage import Storage

HOLDER = "Everycent Sandbox Platform"
BANK_CODE = "70090100"


class Bank:
    """The bank's face over the network's storage, paid by the faces that hold money of ours."""

    def __init__(self, storage: Storage, payers: Sequence[Payer], incoming: Incoming | None = None) -> None:
        self._storage = storage
        self._payers = tuple(payers)
        self._incoming = incoming
        self._one_close = threading.Lock()

    def accounts(self) -> list[dict[str, object]]:
        """All accounts with their balances; an account opens with its currency's first line."""
        with self._storage.reading() as connection:
            rows = connection.execute("SELECT id, iban, currency, balance FROM account ORDER BY currency")
            return [dict(row) | {"holder": HOLDER} for row in rows]

    def close_day(self, day: str) -> list[dict[str, object]]:
        """Settle and execute all that waits; the statements made by this call, one per currency with lines.

        A statement that an earlier call began and did not live to write is finished first, as of its own day.

        :raises Refused: not an ISO date.
        """
        _check_date(day)
        with self._one_close:
            made = [self._finish(row) for row in self._begun()]
            for currency in self._currencies():
                self._begin(currency, day)
            made += [self._finish(row) for row in self._begun()]
        return [summary for summary in made if summary]

    def statements(self, day: str | None) -> list[dict[str, object]]:
        """The statements of a day, or all, oldest first."""
        with self._storage.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM statement WHERE ? IS NULL OR date = ? ORDER BY date, currency, sequence",
                (day, day),
            ).fetchall()
        return [_summary(row) for row in rows]

    def statement_xml(self, statement_id: str) -> str:
        """A statement as camt.053.001.08.

        :raises Refused: no such statement.
        """
        with self._storage.reading() as connection:
            row = connection.execute("SELECT xml FROM statement WHERE id = ?", (statement_id,)).fetchone()
        if row is None:
            raise Refused(404, "statement_not_found", "No such statement")
        return str(row["xml"])

    def _currencies(self) -> list[str]:
        with self._storage.reading() as connection:
            rows = connection.execute(
                "SELECT DISTINCT currency FROM operation WHERE settled_in IS NULL AND status = 'paid'"
                " AND kind = 'transfer'"
            ).fetchall()
        waiting = {row["currency"] for row in rows}
        waiting |= set(self._incoming.unbooked() if self._incoming else ())
        return sorted(waiting.union(*(payer.unsettled() for payer in self._payers)))

    def _begin(self, currency: str, day: str) -> None:
        """Write down which statement is about to be made, before any payer settles for it."""
        with self._storage.writing() as connection:
            account = connection.execute(
                "SELECT statements FROM account WHERE currency = ?", (currency,)
            ).fetchone()
            sequence = (account["statements"] if account else 0) + 1
            connection.execute(
                "INSERT INTO closing VALUES (?, ?, ?, ?)",
                (currency, f"st_{currency.lower()}_{day.replace('-', '')}_{sequence}", sequence, day),
            )

    def _begun(self) -> list[sqlite3.Row]:
        with self._storage.reading() as connection:
            return connection.execute("SELECT * FROM closing ORDER BY currency").fetchall()

    def _finish(self, closing: sqlite3.Row) -> dict[str, object] | None:
        """Let every payer settle, then write the statement; all of it repeats with the same result."""
        lines = []
        for payer in self._payers:
            paid = payer.settle(closing["currency"], closing["day"], closing["statement_id"])
            if paid:
                lines.append(Line(paid.net, paid.id, payer.payer_name, "", paid.remittance, paid.id))
        if self._incoming:
            lines += self._incoming.book(closing["currency"], closing["statement_id"])
        with self._storage.writing() as connection:
            connection.execute("DELETE FROM closing WHERE currency = ?", (closing["currency"],))
            return _write(connection, closing, lines)


def _check_date(day: str) -> None:
    try:
        date.fromisoformat(day)
    except ValueError:
        raise Refused(422, "bad_date", "A date is YYYY-MM-DD", param="date") from None


def _write(
    connection: sqlite3.Connection, closing: sqlite3.Row, funding: list[Line]
) -> dict[str, object] | None:
    currency, statement_id = closing["currency"], closing["statement_id"]
    lines = [*funding, *_transfer_lines(connection, currency, statement_id)]
    if not lines:
        return None
    account = _account(connection, currency)
    sequence, day, opening = closing["sequence"], closing["day"], account["balance"]
    balance = opening + sum(line.amount for line in lines)
    statement = Statement(
        statement_id, sequence, day, account["iban"], HOLDER, currency, opening, balance, tuple(lines)
    )
    connection.execute(
        "UPDATE account SET balance = ?, statements = ? WHERE currency = ?", (balance, sequence, currency)
    )
    row = connection.execute(
        "INSERT INTO statement (id, currency, date, sequence, opening, closing, lines, xml)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
        (statement_id, currency, day, sequence, opening, balance, len(lines), statement_xml(statement)),
    ).fetchone()
    return _summary(row)


def _account(connection: sqlite3.Connection, currency: str) -> sqlite3.Row:
    number = "".join(str(int(letter, 36)) for letter in currency).zfill(10)
    body = f"{BANK_CODE}{number}"
    check = 98 - int(f"{body}131400") % 97
    connection.execute(
        "INSERT OR IGNORE INTO account (currency, id, iban) VALUES (?, ?, ?)",
        (currency, f"acct_{currency.lower()}", f"DE{check:02d}{body}"),
    )
    return connection.execute("SELECT * FROM account WHERE currency = ?", (currency,)).fetchone()


def _transfer_lines(connection: sqlite3.Connection, currency: str, statement_id: str) -> list[Line]:
    rows = connection.execute(
        "UPDATE operation SET settled_in = ? WHERE settled_in IS NULL AND status = 'paid'"
        " AND kind = 'transfer' AND currency = ? RETURNING seq, id, amount, reference, destination",
        (statement_id, currency),
    ).fetchall()
    return [Line.of_transfer(row) for row in sorted(rows, key=lambda row: row["seq"])]


def _summary(row: sqlite3.Row) -> dict[str, object]:
    names = ("id", "currency", "date", "sequence", "opening", "closing", "lines")
    return {name: row[name] for name in names}
