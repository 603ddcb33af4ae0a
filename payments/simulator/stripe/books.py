"""The face's own memory: every Stripe object as a row, and every answered idempotency key.

A row keeps the object as Stripe shows it (`body`), what only the sandbox knows of it (`private`) and, while
something is still to come of it, when (`due_at`). `movement` says of each balance transaction which payout
took it.
"""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from payments.simulator.stripe.errors import missing

FILE = "stripe.sqlite3"
SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    parent TEXT NOT NULL,
    made_at REAL NOT NULL,
    due_at REAL,
    body TEXT NOT NULL,
    private TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS object_of_kind ON object (kind, seq);
CREATE INDEX IF NOT EXISTS object_of_parent ON object (parent, kind, seq);
CREATE INDEX IF NOT EXISTS object_due ON object (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS label (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (name, value, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS movement (
    id TEXT PRIMARY KEY,
    currency TEXT NOT NULL,
    net INTEGER NOT NULL,
    payout TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS movement_unsettled ON movement (currency) WHERE payout IS NULL;
CREATE INDEX IF NOT EXISTS movement_of_payout ON movement (payout) WHERE payout IS NOT NULL;
CREATE TABLE IF NOT EXISTS answered (
    key TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    request_id TEXT NOT NULL
) WITHOUT ROWID;
"""
TABLES = ("object", "label", "movement", "answered")
PAGE_MAX = 100
Body = dict[str, Any]


@dataclass(slots=True)
class Record:
    """One object of Stripe's."""

    id: str
    kind: str
    parent: str
    made_at: float
    body: Body
    private: Body = field(default_factory=dict)
    due_at: float | None = None
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """What a list request asks for."""

    limit: int = 10
    after: str = ""
    since: float | None = None
    until: float | None = None


def digest(prefix: str, *parts: str) -> str:
    """An id that follows from its parts: the same input gives the same run."""
    return f"{prefix}_{hashlib.sha256('|'.join((prefix, *parts)).encode()).hexdigest()[:24]}"


def put(connection: sqlite3.Connection, record: Record) -> None:
    """Write an object as it stands now."""
    connection.execute(
        "INSERT INTO object (id, kind, parent, made_at, due_at, body, private) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET parent = excluded.parent, due_at = excluded.due_at,"
        " body = excluded.body, private = excluded.private",
        (record.id, record.kind, record.parent, record.made_at, record.due_at, _text(record.body),
         _text(record.private)),
    )  # fmt: skip
    connection.executemany(
        "INSERT OR IGNORE INTO label VALUES (?, ?, ?)",
        [(name, value, record.id) for name, value in (record.body.get("metadata") or {}).items()],
    )


def get(connection: sqlite3.Connection, kind: str, object_id: str, param: str = "id") -> Record:
    """An object by its id.

    :raises StripeRefused: none of this kind has it.
    """
    row = connection.execute("SELECT * FROM object WHERE id = ? AND kind = ?", (object_id, kind)).fetchone()
    if row is None:
        raise missing(kind, object_id, param)
    return _record(row)


def of_parent(connection: sqlite3.Connection, kind: str, parent: str) -> list[Record]:
    """The objects that belong to another, oldest first."""
    rows = connection.execute(
        "SELECT * FROM object WHERE parent = ? AND kind = ? ORDER BY seq", (parent, kind)
    ).fetchall()
    return [_record(row) for row in rows]


def since(connection: sqlite3.Connection, kinds: Sequence[str], after: int, limit: int) -> list[Record]:
    """The next objects of some kinds, oldest first."""
    marks = ", ".join("?" * len(kinds))
    rows = connection.execute(
        f"SELECT * FROM object WHERE seq > ? AND kind IN ({marks}) ORDER BY seq LIMIT ?",  # noqa: S608 - marks only
        (after, *kinds, limit),
    ).fetchall()
    return [_record(row) for row in rows]


def due(connection: sqlite3.Connection, now: float) -> list[Record]:
    """The objects of which something is to come now."""
    rows = connection.execute("SELECT * FROM object WHERE due_at <= ? ORDER BY due_at", (now,)).fetchall()
    return [_record(row) for row in rows]


def page(
    connection: sqlite3.Connection, kind: str, wanted: Page, parents: Sequence[str] = (), payout: str = ""
) -> tuple[list[Record], bool]:
    """A page of objects, newest first, and whether there are more; `payout` keeps to its movements.

    :raises StripeRefused: `after` is not one of them.
    """
    before = get(connection, kind, wanted.after, "starting_after").seq if wanted.after else 1 << 60
    marks = ", ".join("?" * len(parents))
    rows = connection.execute(
        f"SELECT * FROM object WHERE kind = ? AND seq < ? AND made_at >= ? AND made_at <= ?"  # noqa: S608 - marks only
        f" {f'AND parent IN ({marks})' if parents else ''}"
        f" {'AND id IN (SELECT id FROM movement WHERE payout = ?)' if payout else ''}"
        " ORDER BY seq DESC LIMIT ?",
        (kind, before, wanted.since or 0, wanted.until or 1e12, *parents, *([payout] if payout else []),
         wanted.limit + 1),
    ).fetchall()  # fmt: skip
    return [_record(row) for row in rows[: wanted.limit]], len(rows) > wanted.limit


def labelled(connection: sqlite3.Connection, kind: str, name: str, value: str, until: float) -> list[Record]:
    """The objects whose metadata has this value and that the search knows by now, newest first."""
    rows = connection.execute(
        "SELECT object.* FROM label JOIN object USING (id)"
        " WHERE name = ? AND value = ? AND kind = ? AND made_at <= ? ORDER BY seq DESC LIMIT 100",
        (name, value, kind, until),
    ).fetchall()
    return [record for record in map(_record, rows) if record.body["metadata"].get(name) == value]


def answer_of(connection: sqlite3.Connection, key: str) -> sqlite3.Row | None:
    """What was answered under a key: hash, status, body, request_id."""
    row: sqlite3.Row | None = connection.execute("SELECT * FROM answered WHERE key = ?", (key,)).fetchone()
    return row


def keep_answer(
    connection: sqlite3.Connection, key: str, request_hash: str, status: int, body: Body, request_id: str
) -> None:
    """Keep the first answer of a key, in the transaction of its effect."""
    connection.execute(
        "INSERT INTO answered VALUES (?, ?, ?, ?, ?)", (key, request_hash, status, _text(body), request_id)
    )


def _text(value: Body) -> str:
    return json.dumps(value, separators=(",", ":"))


def _record(row: sqlite3.Row) -> Record:
    return Record(
        row["id"], row["kind"], row["parent"], row["made_at"], json.loads(row["body"]),
        json.loads(row["private"]), row["due_at"], row["seq"],
    )  # fmt: skip
