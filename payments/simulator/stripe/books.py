"""What of Stripe's books is its own: balance movements, which payout took each, and pages of lists."""

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from payments.simulator import objects
from payments.simulator.objects import Record
from payments.simulator.stripe.errors import missing

FILE = "stripe.sqlite3"
SCHEMA = (
    objects.SCHEMA
    + objects.ANSWERED
    + """
CREATE TABLE IF NOT EXISTS movement (
    id TEXT PRIMARY KEY,
    currency TEXT NOT NULL,
    net INTEGER NOT NULL,
    payout TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS movement_unsettled ON movement (currency) WHERE payout IS NULL;
CREATE INDEX IF NOT EXISTS movement_of_payout ON movement (payout) WHERE payout IS NOT NULL;
"""
)
TABLES = (*objects.TABLES, "movement", "answered")
PAGE_MAX = 100


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


def get(connection: sqlite3.Connection, kind: str, object_id: str, param: str = "id") -> Record:
    """An object by its id.

    :raises StripeRefused: none of this kind has it.
    """
    found = objects.find(connection, kind, object_id)
    if found is None:
        raise missing(kind, object_id, param)
    return found


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
    return [objects.read(row) for row in rows[: wanted.limit]], len(rows) > wanted.limit
