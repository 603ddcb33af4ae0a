"""The months of the books: made ahead by the timetable and after each migrate, never in the way of a posting.

Which tables are kept in months is the table `ledger_partitioned`; how a month is made is the SQL function
`ledger_make_partitions`.
"""

from collections.abc import Iterable
from typing import Any, Final

from django.db import connection

from ledger.invariants import invariant, rows

MONTHS_AHEAD: Final = 13
MONTHS_AHEAD_MIN: Final = 3


def make_ahead(**_: Any) -> int:
    """Make the partitions of this month and the next `MONTHS_AHEAD`; return how many were missing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_make_partitions(%s)", [MONTHS_AHEAD])
        return int(cursor.fetchone()[0])


@invariant("I-85", "The months ahead have their partitions.")
def months_are_ahead() -> Iterable[str]:
    return rows(
        f"""SELECT p.name, month FROM ledger_partitioned p, generate_series(0, {MONTHS_AHEAD_MIN}) AS month
            WHERE to_regclass(p.name || to_char(now() AT TIME ZONE 'UTC' + make_interval(months => month),
                                                '_YYYY_MM')) IS NULL""",  # noqa: S608 - our own number
        "{0} has no partition for the month {1} from now",
    )
