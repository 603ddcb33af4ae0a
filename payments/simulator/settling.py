"""VelocityPay's settlements: the net of captures (less fees), refunds and disputes, with its report."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from payments.simulator.errors import Refused
from payments.simulator.network import iso
from payments.simulator.payers import Settlement
from payments.simulator.storage import Storage

REPORT_PAGE = 1000
# What settles: what was done, also a refund that failed after that, whose money came back.
SETTLES = (
    "((status = 'succeeded'"
    " AND kind IN ('capture', 'refund', 'refund_returned', 'withdrawal', 'reinstatement'))"
    " OR (kind = 'refund' AND EXISTS (SELECT 1 FROM operation back"
    " WHERE back.idempotency_key = operation.idempotency_key || ':returned')))"
)
DISPUTED = "sum(CASE kind WHEN 'withdrawal' THEN amount WHEN 'reinstatement' THEN -amount ELSE 0 END)"


@dataclass(frozen=True, slots=True)
class _Net:
    """The sums of one currency's unsettled captures, refunds and disputes."""

    captured: int
    fees: int
    refunded: int
    disputed: int
    last_seq: int

    @property
    def net(self) -> int:
        return self.captured - self.fees - self.refunded - self.disputed


class Settlements:
    """The network as a payer, over its storage."""

    payer_name = "VelocityPay Network"

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def unsettled(self) -> Sequence[str]:
        """The currencies in which something succeeded and is in no report yet."""
        with self._storage.reading() as connection:
            rows = connection.execute(
                f"SELECT DISTINCT currency FROM operation WHERE settled_in IS NULL AND {SETTLES}"  # noqa: S608 - a constant
            ).fetchall()
        return [row["currency"] for row in rows]

    def settle(self, currency: str, day: str, statement_id: str) -> Settlement | None:
        """Put all that is unsettled into the report of a statement (see payers.Payer)."""
        report_id = f"sr_{statement_id.removeprefix('st_')}"
        with self._storage.writing() as connection:
            known = connection.execute(
                "SELECT net FROM settlement_report WHERE id = ?", (report_id,)
            ).fetchone()
            net = known["net"] if known else _report(connection, currency, day, statement_id, report_id)
        return Settlement(report_id, net, f"VELOCITYPAY SETTLEMENT {report_id}") if net else None

    def report(self, report_id: str, after: int, limit: int) -> dict[str, object]:
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


def _report(
    connection: sqlite3.Connection, currency: str, day: str, statement_id: str, report_id: str
) -> int:
    """Write a report over all that is unsettled, and return its net; nothing is written for zero."""
    total = _unsettled(connection, currency)
    if total is None or total.net == 0:
        return 0
    connection.execute(
        "INSERT INTO settlement_report VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (report_id, statement_id, currency, day, total.captured, total.fees, total.refunded, total.net),
    )
    connection.execute(
        f"UPDATE operation SET settled_in = ? WHERE settled_in IS NULL AND {SETTLES}"  # noqa: S608 - a constant
        " AND currency = ? AND seq <= ?",
        (report_id, currency, total.last_seq),
    )
    return total.net


def _unsettled(connection: sqlite3.Connection, currency: str) -> _Net | None:
    row = connection.execute(
        "SELECT sum(CASE kind WHEN 'capture' THEN amount ELSE 0 END) AS captured, sum(fee) AS fees,"  # noqa: S608
        " sum(CASE kind WHEN 'refund' THEN amount WHEN 'refund_returned' THEN -amount ELSE 0 END)"
        " AS refunded,"
        f" {DISPUTED} AS disputed, max(seq) AS last_seq"
        f" FROM operation WHERE settled_in IS NULL AND {SETTLES} AND currency = ?",
        (currency,),
    ).fetchone()
    return (
        None
        if row["last_seq"] is None
        else _Net(row["captured"], row["fees"], row["refunded"], row["disputed"], row["last_seq"])
    )
