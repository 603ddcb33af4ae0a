"""What a bank gets wrong when it tells of a booking, once for each entry that an operator names.

*told_twice*: a second notification repeats it. *wrong_amount*: it is told with a cent more.
*unknown_reference*: it is told under a name that is nobody's. The booking is right: only the telling errs.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from payments.simulator.rails.writing import Booking

TWICE: Final = "told_twice"
AMOUNT: Final = "wrong_amount"
REFERENCE: Final = "unknown_reference"
FAULTS: Final = (TWICE, AMOUNT, REFERENCE)
NOBODY: Final = "0" * 32 + "E"


def script(connection: sqlite3.Connection, end_to_end: str, fault: str) -> None:
    """Let the next telling of an entry's booking err."""
    connection.execute("INSERT OR REPLACE INTO misbooking VALUES (?, ?, 0)", (end_to_end, fault))


def fired(connection: sqlite3.Connection) -> dict[str, int]:
    """How often each fault was met."""
    rows = connection.execute("SELECT fault, sum(fired) FROM misbooking GROUP BY fault HAVING sum(fired) > 0")
    return dict(rows.fetchall())


def told(connection: sqlite3.Connection, bookings: Sequence[Booking]) -> tuple[list[Booking], list[Booking]]:
    """Return bookings as the bank tells them, and those that it tells again."""
    rows = connection.execute("SELECT end_to_end, fault FROM misbooking WHERE fired = 0").fetchall()
    faults: dict[str, str] = dict(rows)
    first, again = [], []
    for one in bookings:
        fault = faults.get(one.row["end_to_end"])
        first.append(_erring(one, fault))
        if fault == TWICE:
            again.append(one)
        if fault:
            connection.execute(
                "UPDATE misbooking SET fired = 1 WHERE end_to_end = ?", (one.row["end_to_end"],)
            )
    return first, again


def _erring(one: Booking, fault: str | None) -> Booking:
    if fault == AMOUNT:
        return replace(one, amount=one.amount + (1 if one.amount > 0 else -1))
    return replace(one, told_as=NOBODY) if fault == REFERENCE else one
