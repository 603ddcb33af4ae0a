"""Disputes at the network: opened by a card or an operator, answered by the merchant, decided by scenario.

A dispute's money moves by operations of their own (`withdrawal`, `reinstatement`), which the next settlement
takes in. Every change raises the version and tells the whole dispute in a callback. A challenge decides
nothing by itself: evidence whose text holds `winning_evidence` or `losing_evidence` is decided so after
--pending-seconds; else an operator decides. A date that passes decides nothing either.
"""

import hashlib
import json
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from payments.simulator import callbacks
from payments.simulator.errors import Refused
from payments.simulator.storage import Storage

FEE_MINOR = 1_500
"""What a withdrawal costs, in minor units of whatever currency; never above its amount."""

DAYS = {"inquiry": 14, "chargeback": 21, "pre_arbitration": 14}
OPEN = ("needs_response", "under_review")
STAGES = ("inquiry", "chargeback", "pre_arbitration")
REASONS = {"visa": "10.4", "mastercard": "4837", "amex": "F29", "discover": "UA02"}
MOVES = {
    "chargeback": (("inquiry",), ("needs_response", "under_review", "closed")),
    "pre_arbitration": (
        ("inquiry", "chargeback"),
        ("needs_response", "under_review", "won", "lost", "closed"),
    ),
    "won": (STAGES, (*OPEN, "lost")),
    "lost": (STAGES, (*OPEN, "won")),
    "accepted": (STAGES, OPEN),
    "closed": (STAGES, OPEN),
}
"""What may become of a dispute: from which stages and statuses."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How a dispute begins."""

    stage: str = "chargeback"
    reason_code: str = ""
    amount: int | None = None

    @classmethod
    def of(cls, text: str) -> "Opening":
        """Read it as a scenario writes it: `stage:code`."""
        stage, _, code = text.partition(":")
        return cls(stage, code)

    @classmethod
    def of_body(cls, body: dict[str, Any]) -> "Opening":
        """Read it as an operator sends it."""
        amount = body.get("amount")
        stage, code = str(body.get("stage", "chargeback")), str(body.get("reason_code", ""))
        return cls(stage, code, amount if type(amount) is int else None)


def read_evidence(body: dict[str, Any]) -> list[dict[str, str]]:
    """What is kept of the evidence that was sent: the texts, and how large the files were.

    :raises Refused: there is none, or it is no list of objects.
    """
    items = body.get("evidence")
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise Refused(422, "bad_evidence", "A challenge has a list of evidence", param="evidence")
    return [
        {"kind": str(item.get("kind", "")), "text": str(item.get("text", ""))[:500]}
        | ({"bytes": str(len(str(item["content"])) * 3 // 4)} if item.get("content") else {})
        for item in items
    ]


class Disputes:
    """The disputes' face over the network's storage."""

    def __init__(self, storage: Storage, *, pending_seconds: float, sends_callbacks: bool) -> None:
        self._storage = storage
        self._pending_seconds = pending_seconds
        self._sends_callbacks = sends_callbacks

    def open_by_operator(self, authorization_id: str, opening: Opening) -> dict[str, object]:
        """Open a dispute of an authorization.

        :raises Refused: no such authorization, nothing captured, or more than was authorized.
        """
        with self._storage.writing() as connection:
            return self.open(connection, authorization_id, opening)

    def open(
        self, connection: sqlite3.Connection, authorization_id: str, opening: Opening
    ) -> dict[str, object]:
        """Open a dispute of an authorization, in the caller's transaction.

        :raises Refused: no such authorization, nothing captured, or more than was authorized.
        """
        parent = connection.execute(
            "SELECT * FROM operation WHERE id = ? AND kind = 'authorize'", (authorization_id,)
        ).fetchone()
        if parent is None:
            raise Refused(404, "authorization_not_found", "No such authorization")
        amount = parent["captured"] if opening.amount is None else opening.amount
        if opening.stage not in STAGES or not 0 < amount <= parent["amount"]:
            raise Refused(422, "bad_dispute", "A dispute has a stage and at most the authorized amount")
        method = connection.execute("SELECT brand FROM token WHERE token = ?", (parent["token"],)).fetchone()
        number = connection.execute(
            "SELECT count(*) FROM dispute WHERE authorization_id = ?", (authorization_id,)
        ).fetchone()[0]
        now = time.time()
        row = connection.execute(
            "INSERT INTO dispute (id, authorization_id, network, reason_code, stage, status, amount,"
            " currency, version, opened_at, due_at)"
            " VALUES (?, ?, ?, ?, ?, 'needs_response', ?, ?, 1, ?, ?) RETURNING *",
            (_digest("dp", authorization_id, str(number)), authorization_id, method["brand"],
             opening.reason_code or REASONS.get(method["brand"], ""), opening.stage, amount,
             parent["currency"], now, now + DAYS[opening.stage] * 86_400),
        ).fetchone()  # fmt: skip
        if opening.stage != "inquiry":
            self._move_money(connection, row, "withdrawal")
        return self._tell(connection, row)

    def become(self, dispute_id: str, to: str) -> dict[str, object]:
        """Let a dispute become what an operator says.

        :raises Refused: no such dispute, or it cannot become that.
        """
        with self._storage.writing() as connection:
            return self._become(connection, _find(connection, dispute_id), to)

    def answer(self, connection: sqlite3.Connection, dispute_id: str, kind: str, evidence: str) -> None:
        """Take the merchant's answer, in the transaction of its operation."""
        row = _find(connection, dispute_id)
        if kind == "accept":
            self._become(connection, row, "accepted")
            return
        verdict = next((name for name in ("winning", "losing") if f"{name}_evidence" in evidence), "")
        to = {"winning": "closed" if row["stage"] == "inquiry" else "won", "losing": "lost"}.get(verdict)
        due = time.time() + self._pending_seconds if to else None
        changed = connection.execute(
            "UPDATE dispute SET status = 'under_review', version = version + 1, evidence = ?, decided_at = ?,"
            " decision = ? WHERE id = ? RETURNING *",
            (evidence, due, to, dispute_id),
        ).fetchone()
        self._tell(connection, changed)

    def decide_due(self) -> bool:
        """Decide what is due to be decided; say whether anything was."""
        now = time.time()
        with self._storage.reading() as connection:
            due = connection.execute("SELECT 1 FROM dispute WHERE decided_at <= ?", (now,)).fetchone()
        if due is None:
            return False
        with self._storage.writing() as connection:
            rows = connection.execute("SELECT * FROM dispute WHERE decided_at <= ?", (now,)).fetchall()
            for row in rows:
                self._become(connection, row, row["decision"])
        return True

    def all(self) -> list[dict[str, object]]:
        """Every dispute as it stands, oldest first."""
        with self._storage.reading() as connection:
            rows = connection.execute("SELECT * FROM dispute ORDER BY rowid").fetchall()
            return [_shown(connection, row) for row in rows]

    def _become(self, connection: sqlite3.Connection, row: sqlite3.Row, to: str) -> dict[str, object]:
        stages, statuses = MOVES.get(to, ((), ()))
        if row["stage"] not in stages or row["status"] not in statuses:
            raise Refused(422, "invalid_state", f"A {row['stage']} that is {row['status']} cannot be {to}")
        stage = to if to in STAGES else row["stage"]
        status = "needs_response" if to in STAGES else to
        due = time.time() + DAYS[stage] * 86_400 if to in STAGES else row["due_at"]
        changed = connection.execute(
            "UPDATE dispute SET stage = ?, status = ?, due_at = ?, version = version + 1, decided_at = NULL"
            " WHERE id = ? RETURNING *",
            (stage, status, due, row["id"]),
        ).fetchone()
        withheld = _withheld(connection, row["id"])
        if to in ("won", "closed") and withheld:
            self._move_money(connection, changed, "reinstatement")
        elif to not in ("won", "closed") and not withheld and stage != "inquiry":
            self._move_money(connection, changed, "withdrawal")
        return self._tell(connection, changed)

    def _move_money(self, connection: sqlite3.Connection, row: sqlite3.Row, kind: str) -> None:
        number = len(_movements(connection, row["id"])) + 1
        key = _digest("mv", row["id"], str(number))
        fee = min(FEE_MINOR, row["amount"]) if kind == "withdrawal" and number == 1 else 0
        connection.execute(
            "INSERT INTO operation (id, kind, idempotency_key, request_hash, authorization_id, dispute_id,"
            " reference, amount, currency, fee, status, made_at)"
            " VALUES (?, ?, ?, '', ?, ?, '', ?, ?, ?, 'succeeded', ?)",
            (key, kind, key, row["authorization_id"], row["id"], row["amount"], row["currency"], fee,
             time.time()),
        )  # fmt: skip

    def _tell(self, connection: sqlite3.Connection, row: sqlite3.Row) -> dict[str, object]:
        shown = _shown(connection, row)
        if self._sends_callbacks:
            callbacks.enqueue_event(
                connection, f"dispute.{row['status']}", f"{row['id']}|{row['version']}", {"dispute": shown}
            )
        return shown


def answerable(connection: sqlite3.Connection, dispute_id: str) -> sqlite3.Row:
    """The dispute that is to be answered.

    :raises Refused: no such dispute, or it needs no answer.
    """
    row = _find(connection, dispute_id)
    if row["status"] != "needs_response":
        raise Refused(422, "invalid_state", f"The dispute is {row['status']}")
    return row


def _find(connection: sqlite3.Connection, dispute_id: str) -> sqlite3.Row:
    found: sqlite3.Row | None = connection.execute(
        "SELECT * FROM dispute WHERE id = ?", (dispute_id,)
    ).fetchone()
    if found is None:
        raise Refused(404, "dispute_not_found", "No such dispute")
    return found


def withheld_of(connection: sqlite3.Connection, authorization_id: str) -> int:
    """What disputes have taken of an authorization and not given back."""
    return _sum(connection, "authorization_id", authorization_id)


def _withheld(connection: sqlite3.Connection, dispute_id: str) -> int:
    return _sum(connection, "dispute_id", dispute_id)


_WITHHELD = "SELECT coalesce(sum(CASE kind WHEN 'withdrawal' THEN amount ELSE -amount END), 0) FROM operation"
_BY = {
    column: f"{_WITHHELD} WHERE {column} = ? AND kind IN ('withdrawal', 'reinstatement')"
    for column in ("authorization_id", "dispute_id")
}


def _sum(connection: sqlite3.Connection, column: str, value: str) -> int:
    return int(connection.execute(_BY[column], (value,)).fetchone()[0])


def _movements(connection: sqlite3.Connection, dispute_id: str) -> list[sqlite3.Row]:
    return connection.execute(
        "SELECT id, kind, amount, fee FROM operation WHERE dispute_id = ? ORDER BY seq", (dispute_id,)
    ).fetchall()


def _shown(connection: sqlite3.Connection, row: sqlite3.Row) -> dict[str, object]:
    return {
        "id": row["id"],
        "object": "dispute",
        "authorization": row["authorization_id"],
        "version": row["version"],
        "stage": row["stage"],
        "status": row["status"],
        "network": row["network"],
        "reason_code": row["reason_code"],
        "amount": row["amount"],
        "currency": row["currency"],
        "opened": _iso(row["opened_at"]),
        "due": None if row["due_at"] is None else _iso(row["due_at"]),
        "movements": [dict(movement) for movement in _movements(connection, row["id"])],
        "evidence": [item["kind"] for item in json.loads(row["evidence"] or "[]")],
    }


def _iso(epoch_seconds: float) -> str:
    moment = datetime.fromtimestamp(epoch_seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _digest(prefix: str, *parts: str) -> str:
    return f"{prefix}_{hashlib.sha256('|'.join((prefix, *parts)).encode()).hexdigest()[:24]}"
