"""What of PayPal's books is its own: what each key made, and what moved on the merchant's balance.

A movement is written in the transaction of its effect.
"""

import hashlib
import sqlite3
from dataclasses import dataclass

from payments.simulator import objects
from payments.simulator.objects import Record
from payments.simulator.paypal.errors import missing

FILE = "paypal.sqlite3"
SCHEMA = (
    objects.SCHEMA
    + """
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
)
TABLES = (*objects.TABLES, "answered", "movement")


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


def get(connection: sqlite3.Connection, kind: str, object_id: str) -> Record:
    """An object by its id.

    :raises PayPalRefused: none of this kind has it.
    """
    found = objects.find(connection, kind, object_id)
    if found is None:
        raise missing()
    return found


def move(connection: sqlite3.Connection, movement: Movement) -> None:
    """Write what moved; the same movement again is the same row. No two have the same millisecond."""
    last = connection.execute("SELECT coalesce(max(made_at), 0) FROM movement").fetchone()[0]
    connection.execute(
        "INSERT OR IGNORE INTO movement (id, code, about, invoice_id, custom_id, amount, fee, currency,"
        " made_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (movement.id, movement.code, movement.about, movement.invoice_id, movement.custom_id,
         movement.amount, movement.fee, movement.currency, max(movement.made_at, last + 0.001)),
    )  # fmt: skip


def keep_answer(
    connection: sqlite3.Connection, key: str, request_hash: str, kind: str, object_id: str
) -> None:
    """Keep what a key made, in the transaction of its effect."""
    connection.execute("INSERT INTO answered VALUES (?, ?, ?, ?)", (key, request_hash, kind, object_id))
