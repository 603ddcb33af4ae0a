"""The months of the books: made ahead by the timetable and after each migrate, never in the way of a posting.

Which tables are kept in months is the table `ledger_partitioned`; `ledger_make_partitions` makes what is
missing beside its table and attaches it, which nobody waits for, and takes in what has waited in a default
partition for its month. It runs with the owner's rights, daily, and is safe to repeat.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections

from ledger.invariants import invariant, rows

MONTHS_AHEAD: Final = 13
MONTHS_AHEAD_MIN: Final = 3


def make_ahead(*, since: datetime | None = None, using: str = DEFAULT_DB_ALIAS, **_: Any) -> int:
    """Make the months from `since` (now) to `MONTHS_AHEAD` after it; return how many partitions were missing.

    Also heard after each migrate: before the tables are there is nothing to make.
    """
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT to_regprocedure('ledger_make_partitions(int, timestamptz)') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(
            "SELECT ledger_make_partitions(%s, coalesce(%s::timestamptz, now()))", [MONTHS_AHEAD, since]
        )
        return int(cursor.fetchone()[0])


@invariant("I-80", "The months ahead have their partitions.")
def months_are_ahead() -> Iterable[str]:
    return rows(
        f"SELECT name, months FROM ledger_partitions_ahead() WHERE months <= {MONTHS_AHEAD_MIN}",  # noqa: S608
        "{0} has partitions for {1} months only",
    )


@invariant("I-81", "Every record lies in its month: none waits in a default partition.")
def nothing_waits_for_its_month() -> Iterable[str]:
    return rows(
        """SELECT t.name, m FROM ledger_partitioned t, ledger_months_waiting(t.name, t.by_uuid) m""",
        "{0} keeps records of {1} in its default partition",
    )
