"""What the file desk remembers: files taken, their entries, files to be fetched, settlements; and how test
accounts behave.

Test accounts: an ACH account number that ends in `77` and two digits is returned with that R-code (7701:
R01, 7710: R10); an IBAN that ends in `77` and two digits by the table SEPA_BY_DIGITS. Everything else
settles. Codes by which a payer takes money back come with the bank day after the settlement; others instead.
"""

import re
import sqlite3
from dataclasses import dataclass
from typing import Final

FILE: Final = "rails.sqlite3"
TABLES: Final = ("taken", "entry", "outfile", "settlement", "script", "kept", "misbooking", "calendar")
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS taken (
    key TEXT PRIMARY KEY,
    rail TEXT NOT NULL,
    digest TEXT NOT NULL,
    reference TEXT NOT NULL,
    entries INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    rail TEXT NOT NULL,
    taken TEXT NOT NULL,
    end_to_end TEXT NOT NULL,
    trace TEXT NOT NULL,
    sec TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('debit', 'credit')),
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    due TEXT NOT NULL,
    routing TEXT NOT NULL,
    account TEXT NOT NULL,
    holder TEXT NOT NULL,
    code TEXT NOT NULL DEFAULT '',
    settled_in TEXT,
    returned_in TEXT,
    return_reference TEXT
);
CREATE INDEX IF NOT EXISTS entry_waiting ON entry (currency, due) WHERE returned_in IS NULL;
CREATE TABLE IF NOT EXISTS outfile (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    rail TEXT NOT NULL,
    format TEXT NOT NULL,
    content BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS settlement (
    statement_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    net INTEGER NOT NULL,
    PRIMARY KEY (statement_id, currency)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS script (
    end_to_end TEXT PRIMARY KEY,
    code TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (
    end_to_end TEXT PRIMARY KEY,
    amount INTEGER NOT NULL CHECK (amount > 0)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS misbooking (
    end_to_end TEXT PRIMARY KEY,
    fault TEXT NOT NULL,
    fired INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calendar (
    come TEXT PRIMARY KEY
) WITHOUT ROWID;
"""

RAILS: Final = {"USD": "ach", "EUR": "sepa"}  # other currencies: credit transfers alone (`rail_of`)
SEPA_BY_DIGITS: Final = {
    "01": "AM04", "02": "AC04", "03": "MD01", "04": "MD06", "05": "AC06", "06": "MS02", "07": "AC01",
    "08": "MS03",
}  # fmt: skip
TAKEN_BACK: Final = frozenset({"R05", "R07", "R08", "R10", "R11", "R29", "MD01", "MD06"})
RETURN_FEES: Final = {"ach": 250, "sepa": 300}
"""Cents for each return, nothing elsewhere: the price list that the house has in its settings, too."""


def rail_of(currency: str) -> str:
    """The rail on which a currency moves."""
    return RAILS.get(currency, f"credit_{currency.lower()}")


@dataclass(frozen=True, slots=True)
class Handed:
    """One entry as it was read from a file."""

    end_to_end: str
    trace: str
    direction: str
    amount: int
    currency: str
    due: str
    account: str
    holder: str
    routing: str = ""
    sec: str = ""

    @property
    def code(self) -> str:
        """With which code the test account returns it; empty when it is good."""
        found = re.search(r"77(\d\d)$", self.account)
        if found is None or self.direction == "credit":
            return ""
        return f"R{found[1]}" if self.routing else SEPA_BY_DIGITS.get(found[1], "")


def keep_entry(connection: sqlite3.Connection, rail: str, key: str, entry: Handed) -> None:
    """Take an entry in."""
    connection.execute(
        "INSERT INTO entry (rail, taken, end_to_end, trace, sec, direction, amount, currency, due, routing,"
        " account, holder, code) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            rail, key, entry.end_to_end, entry.trace, entry.sec, entry.direction, entry.amount,
            entry.currency, entry.due, entry.routing, entry.account, entry.holder, entry.code,
        ),
    )  # fmt: skip


def let_come(connection: sqlite3.Connection, day: str) -> None:
    """Let a bank day come early: what is due by then settles when any day is closed next."""
    connection.execute("INSERT OR IGNORE INTO calendar VALUES (?)", (day,))


def waiting(connection: sqlite3.Connection, currency: str, day: str) -> list[sqlite3.Row]:
    """Entries that are due by a day (or one that came early), neither settled nor returned, in order."""
    (come,) = connection.execute("SELECT max(come) FROM calendar").fetchone()
    return connection.execute(
        "SELECT * FROM entry WHERE currency = ? AND due <= ? AND settled_in IS NULL AND returned_in IS NULL"
        " ORDER BY seq",
        (currency, max(day, come or "")),
    ).fetchall()


def kept(connection: sqlite3.Connection) -> dict[str, int]:
    """What correspondents keep of each credit that comes back, by its end-to-end id."""
    return dict(connection.execute("SELECT end_to_end, amount FROM kept").fetchall())


def taken_back(connection: sqlite3.Connection, currency: str) -> list[sqlite3.Row]:
    """Settled entries that come back now: by their account, or by an operator's script (its code first)."""
    return connection.execute(
        "SELECT e.*, coalesce(s.code, e.code) AS because FROM entry e"
        " LEFT JOIN script s ON s.end_to_end = e.end_to_end"
        " WHERE e.currency = ? AND e.settled_in IS NOT NULL"
        " AND e.returned_in IS NULL AND coalesce(s.code, e.code) <> '' ORDER BY e.seq",
        (currency,),
    ).fetchall()


def keep_file(connection: sqlite3.Connection, name: str, rail: str, kind: str, content: bytes) -> None:
    """Lay a file out to be fetched."""
    connection.execute(
        "INSERT INTO outfile (id, rail, format, content) VALUES (?, ?, ?, ?)", (name, rail, kind, content)
    )
