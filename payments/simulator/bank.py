"""The sandbox bank: an account per currency, statements per closed day, reports behind their credits.

Closing a day settles everything that is not settled yet, whatever its own date, and dates the lines with the
closed day: first one line with the net of the captures (less fees) and refunds, then a line per transfer. A
second close of the same day adds only what is new, as the next statement. A net of zero waits for the next.
"""

import sqlite3
from dataclasses import dataclass
from datetime import date

from payments.simulator.camt import Line, Statement, statement_xml
from payments.simulator.errors import Refused
from payments.simulator.network import iso
from payments.simulator.storage import Storage

HOLDER = "Everycent Sandbox Platform"
NETWORK_NAME = "VelocityPay Network"
BANK_CODE = "70090100"
REPORT_PAGE = 1000
DISPUTED = "sum(CASE kind WHEN 'withdrawal' THEN amount WHEN 'reinstatement' THEN -amount ELSE 0 END)"


@dataclass(frozen=True, slots=True)
class _Net:
    """The sums of one currency's unsettled captures and refunds."""

    captured: int
    fees: int
    refunded: int
    disputed: int
    last_seq: int

    @property
    def net(self) -> int:
        return self.captured - self.fees - self.refunded - self.disputed


class Bank:
    """The bank's face over the network's storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def accounts(self) -> list[dict[str, object]]:
        """All accounts with their balances; an account opens with its currency's first line."""
        with self._storage.reading() as connection:
            rows = connection.execute("SELECT id, iban, currency, balance FROM account ORDER BY currency")
            return [dict(row) | {"holder": HOLDER} for row in rows]

    def close_day(self, day: str) -> list[dict[str, object]]:
        """Settle and execute all that waits; the statements made by this call, one per currency with lines.

        :raises Refused: not an ISO date.
        """
        _check_date(day)
        with self._storage.writing() as connection:
            currencies = connection.execute(
                "SELECT DISTINCT currency FROM operation WHERE settled_in IS NULL"
                " AND status IN ('succeeded', 'paid')"
                " AND kind IN ('capture', 'refund', 'transfer', 'withdrawal', 'reinstatement')"
                " ORDER BY currency"
            ).fetchall()
            made = [_close_currency(connection, row["currency"], day) for row in currencies]
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

    def settlement_report(self, report_id: str, after: int, limit: int) -> dict[str, object]:
        """The operations behind one funding line, paged by `after` (seq); fees and refunds lower the net.

        :raises Refused: no such report.
        """
        size = max(1, min(limit, REPORT_PAGE))
        with self._storage.reading() as connection:
            report = connection.execute(
                "SELECT * FROM settlement_report WHERE id = ?", (report_id,)
            ).fetchone()
            if report is None:
                raise Refused(404, "settlement_report_not_found", "No such settlement report")
            rows = connection.execute(
                "SELECT seq, id, kind, idempotency_key, authorization_id, reference, amount, fee, currency,"
                " made_at FROM operation WHERE settled_in = ? AND seq > ? ORDER BY seq LIMIT ?",
                (report_id, after, size + 1),
            ).fetchall()
            disputed = connection.execute(
                f"SELECT {DISPUTED} FROM operation WHERE settled_in = ?",  # noqa: S608 - a constant
                (report_id,),
            ).fetchone()[0]
        data = [dict(row) | {"made_at": iso(row["made_at"])} for row in rows[:size]]
        return dict(report) | {"disputed": disputed or 0, "operations": data, "has_more": len(rows) > size}


def _check_date(day: str) -> None:
    try:
        date.fromisoformat(day)
    except ValueError:
        raise Refused(422, "bad_date", "A date is YYYY-MM-DD", param="date") from None


def _close_currency(connection: sqlite3.Connection, currency: str, day: str) -> dict[str, object] | None:
    account = _account(connection, currency)
    sequence = account["statements"] + 1
    statement_id = f"st_{currency.lower()}_{day.replace('-', '')}_{sequence}"
    lines = _funding_line(connection, currency, day, statement_id, sequence)
    lines += _transfer_lines(connection, currency, statement_id)
    if not lines:
        return None
    opening = account["balance"]
    closing = opening + sum(line.amount for line in lines)
    statement = Statement(
        statement_id, sequence, day, account["iban"], HOLDER, currency, opening, closing, tuple(lines)
    )
    connection.execute(
        "UPDATE account SET balance = ?, statements = ? WHERE currency = ?", (closing, sequence, currency)
    )
    row = connection.execute(
        "INSERT INTO statement (id, currency, date, sequence, opening, closing, lines, xml)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
        (statement_id, currency, day, sequence, opening, closing, len(lines), statement_xml(statement)),
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


def _funding_line(
    connection: sqlite3.Connection, currency: str, day: str, statement_id: str, sequence: int
) -> list[Line]:
    total = _unsettled(connection, currency)
    if total is None or total.net == 0:
        return []
    report_id = f"sr_{currency.lower()}_{day.replace('-', '')}_{sequence}"
    connection.execute(
        "INSERT INTO settlement_report VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (report_id, statement_id, currency, day, total.captured, total.fees, total.refunded, total.net),
    )
    connection.execute(
        "UPDATE operation SET settled_in = ? WHERE settled_in IS NULL AND status = 'succeeded'"
        " AND kind IN ('capture', 'refund', 'withdrawal', 'reinstatement') AND currency = ? AND seq <= ?",
        (report_id, currency, total.last_seq),
    )
    return [Line(total.net, report_id, NETWORK_NAME, "", f"VELOCITYPAY SETTLEMENT {report_id}", report_id)]


def _unsettled(connection: sqlite3.Connection, currency: str) -> _Net | None:
    row = connection.execute(
        "SELECT sum(CASE kind WHEN 'capture' THEN amount ELSE 0 END) AS captured, sum(fee) AS fees,"  # noqa: S608
        " sum(CASE kind WHEN 'refund' THEN amount ELSE 0 END) AS refunded,"
        f" {DISPUTED} AS disputed, max(seq) AS last_seq"
        " FROM operation WHERE settled_in IS NULL AND status = 'succeeded'"
        " AND kind IN ('capture', 'refund', 'withdrawal', 'reinstatement') AND currency = ?",
        (currency,),
    ).fetchone()
    return (
        None
        if row["last_seq"] is None
        else _Net(row["captured"], row["fees"], row["refunded"], row["disputed"], row["last_seq"])
    )


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
