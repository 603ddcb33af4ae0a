"""The objects that a face of the sandbox keeps, each a row, whatever provider's shape they have.

A row keeps the object as the provider shows it (`body`), what only the sandbox knows of it (`private`) and,
while something is still to come of it, when (`due_at`). What stands in its metadata is found by name and
value. ANSWERED is for faces that keep the first answer of every idempotency key.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

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
"""
ANSWERED = """
CREATE TABLE IF NOT EXISTS answered (
    key TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    request_id TEXT NOT NULL
) WITHOUT ROWID;
"""
TABLES = ("object", "label")
Body = dict[str, Any]


@dataclass(slots=True)
class Record:
    """One object; `parent` is what it belongs to."""

    id: str
    kind: str
    parent: str
    made_at: float
    body: Body
    private: Body = field(default_factory=dict)
    due_at: float | None = None
    seq: int = 0


def put(connection: sqlite3.Connection, record: Record) -> None:
    """Write an object as it stands now."""
    connection.execute(
        "INSERT INTO object (id, kind, parent, made_at, due_at, body, private) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET parent = excluded.parent, due_at = excluded.due_at,"
        " body = excluded.body, private = excluded.private",
        (record.id, record.kind, record.parent, record.made_at, record.due_at, text(record.body),
         text(record.private)),
    )  # fmt: skip
    connection.executemany(
        "INSERT OR IGNORE INTO label VALUES (?, ?, ?)",
        [(name, value, record.id) for name, value in (record.body.get("metadata") or {}).items()],
    )


def find(connection: sqlite3.Connection, kind: str, object_id: str) -> Record | None:
    """An object by its id; None when none of this kind has it."""
    row = connection.execute("SELECT * FROM object WHERE id = ? AND kind = ?", (object_id, kind)).fetchone()
    return read(row) if row else None


def get(connection: sqlite3.Connection, kind: str, object_id: str) -> Record:
    """An object that is there.

    :raises LookupError: it is not.
    """
    found = find(connection, kind, object_id)
    if found is None:
        raise LookupError(f"no {kind} {object_id}")
    return found


def of_parent(connection: sqlite3.Connection, kind: str, parent: str) -> list[Record]:
    """The objects that belong to another, oldest first."""
    rows = connection.execute(
        "SELECT * FROM object WHERE parent = ? AND kind = ? ORDER BY seq", (parent, kind)
    ).fetchall()
    return [read(row) for row in rows]


def since(connection: sqlite3.Connection, kinds: Sequence[str], after: int, limit: int) -> list[Record]:
    """The next objects of some kinds, oldest first."""
    marks = ", ".join("?" * len(kinds))
    rows = connection.execute(
        f"SELECT * FROM object WHERE seq > ? AND kind IN ({marks}) ORDER BY seq LIMIT ?",  # noqa: S608 - marks only
        (after, *kinds, limit),
    ).fetchall()
    return [read(row) for row in rows]


def due(connection: sqlite3.Connection, now: float) -> list[Record]:
    """The objects of which something is to come now."""
    rows = connection.execute("SELECT * FROM object WHERE due_at <= ? ORDER BY due_at", (now,)).fetchall()
    return [read(row) for row in rows]


def labelled(connection: sqlite3.Connection, kind: str, name: str, value: str, until: float) -> list[Record]:
    """The objects whose metadata has this value and that the search knows by now, newest first."""
    rows = connection.execute(
        "SELECT object.* FROM label JOIN object USING (id)"
        " WHERE name = ? AND value = ? AND kind = ? AND made_at <= ? ORDER BY seq DESC LIMIT 100",
        (name, value, kind, until),
    ).fetchall()
    return [record for record in map(read, rows) if record.body["metadata"].get(name) == value]


def answer_of(connection: sqlite3.Connection, key: str) -> sqlite3.Row | None:
    """What stands under an idempotency key, as the face keeps it."""
    row: sqlite3.Row | None = connection.execute("SELECT * FROM answered WHERE key = ?", (key,)).fetchone()
    return row


def keep_answer(
    connection: sqlite3.Connection, key: str, request_hash: str, status: int, body: Body, request_id: str
) -> None:
    """Keep the first answer of a key, in the transaction of its effect."""
    connection.execute(
        "INSERT INTO answered VALUES (?, ?, ?, ?, ?)", (key, request_hash, status, text(body), request_id)
    )


def text(value: Body) -> str:
    """A value as it is kept."""
    return json.dumps(value, separators=(",", ":"))


def read(row: sqlite3.Row) -> Record:
    """An object out of its row."""
    return Record(
        row["id"], row["kind"], row["parent"], row["made_at"], json.loads(row["body"]),
        json.loads(row["private"]), row["due_at"], row["seq"],
    )  # fmt: skip
