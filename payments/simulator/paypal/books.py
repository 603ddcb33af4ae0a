"""The face's own memory: every PayPal object as a row, every key, and what moved on the merchant's balance.

A row keeps the object as PayPal shows it (`body`), what only the sandbox knows of it (`private`) and, while
something is still to come of it, when (`due_at`). A movement is written in the transaction of its effect.
"""

import hashlib
import json
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from payments.simulator.paypal.errors import missing

FILE = "paypal.sqlite3"
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
CREATE INDEX IF NOT EXISTS object_of_parent ON object (parent, kind, seq);
CREATE INDEX IF NOT EXISTS object_due ON object (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS answered (
    key TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS movement (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    code TEXT NOT NULL,
    about TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    custom_id TEXT NOT NULL,
    amount INTEGER NOT NULL,
    fee INTEGER NOT NULL,
    currency TEXT NOT NULL,
    made_at REAL NOT NULL,
    settled_in TEXT
);
CREATE INDEX IF NOT EXISTS movement_unsettled ON movement (currency, seq) WHERE settled_in IS NULL;
CREATE INDEX IF NOT EXISTS movement_by_time ON movement (made_at, seq);
"""
TABLES = ("object", "answered", "movement")
Body = dict[str, Any]


@dataclass(slots=True)
class Record:
    """One object of PayPal's; `parent` is what it belongs to (an order, for parts of it)."""

    id: str
    kind: str
    parent: str
    made_at: float
    body: Body
    private: Body = field(default_factory=dict)
    due_at: float | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """What moved on the merchant's balance: `amount` signed in minor units, `fee` what PayPal kept of it."""

    id: str
    code: str
    about: str
    amount: int
    fee: int
    currency: str
    made_at: float
    invoice_id: str = ""
    custom_id: str = ""


def digest(*parts: str, length: int = 17) -> str:
    """An id that follows from its parts, as PayPal's look: the same input gives the same run."""
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:length].upper()


def put(connection: sqlite3.Connection, record: Record) -> None:
    """Write an object as it stands now."""
    connection.execute(
        "INSERT INTO object (id, kind, parent, made_at, due_at, body, private) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET due_at = excluded.due_at, body = excluded.body,"
        " private = excluded.private",
        (record.id, record.kind, record.parent, record.made_at, record.due_at, _text(record.body),
         _text(record.private)),
    )  # fmt: skip


def get(connection: sqlite3.Connection, kind: str, object_id: str) -> Record:
    """An object by its id.

    :raises PayPalRefused: none of this kind has it.
    """
    row = connection.execute("SELECT * FROM object WHERE id = ? AND kind = ?", (object_id, kind)).fetchone()
    if row is None:
        raise missing()
    return _record(row)


def of_parent(connection: sqlite3.Connection, kind: str, parent: str) -> list[Record]:
    """The objects that belong to another, oldest first."""
    rows = connection.execute(
        "SELECT * FROM object WHERE parent = ? AND kind = ? ORDER BY seq", (parent, kind)
    ).fetchall()
    return [_record(row) for row in rows]


def due(connection: sqlite3.Connection, now: float) -> list[Record]:
    """The objects of which something is to come now."""
    rows = connection.execute("SELECT * FROM object WHERE due_at <= ? ORDER BY due_at", (now,)).fetchall()
    return [_record(row) for row in rows]


def move(connection: sqlite3.Connection, movement: Movement) -> None:
    """Write what moved; the same movement again is the same row. No two have the same millisecond."""
    last = connection.execute("SELECT coalesce(max(made_at), 0) FROM movement").fetchone()[0]
    connection.execute(
        "INSERT OR IGNORE INTO movement (id, code, about, invoice_id, custom_id, amount, fee, currency,"
        " made_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (movement.id, movement.code, movement.about, movement.invoice_id, movement.custom_id,
         movement.amount, movement.fee, movement.currency, max(movement.made_at, last + 0.001)),
    )  # fmt: skip


def answer_of(connection: sqlite3.Connection, key: str) -> sqlite3.Row | None:
    """What stands under a key: hash, kind, object_id."""
    row: sqlite3.Row | None = connection.execute("SELECT * FROM answered WHERE key = ?", (key,)).fetchone()
    return row


def keep_answer(
    connection: sqlite3.Connection, key: str, request_hash: str, kind: str, object_id: str
) -> None:
    """Keep what a key made, in the transaction of its effect."""
    connection.execute("INSERT INTO answered VALUES (?, ?, ?, ?)", (key, request_hash, kind, object_id))


def _text(value: Body) -> str:
    return json.dumps(value, separators=(",", ":"))


def _record(row: sqlite3.Row) -> Record:
    return Record(
        row["id"], row["kind"], row["parent"], row["made_at"], json.loads(row["body"]),
        json.loads(row["private"]), row["due_at"],
    )  # fmt: skip
