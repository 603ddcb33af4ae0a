"""Open ends: what somebody still has to do with a month's records, so that it may not leave.

Every floor says in its `unfinished.py` what it knows to be unfinished: subjects (an open dispute, a payout on
its way), all of whose entries and events stay meanwhile, or single entries (a posting in no batch). The
journal's month is refused, naming each; a stream of events simply stays with the others that go on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from ledger import ids
from ledger.errors import Conflict

NAMED_MAX: Final = 3
_ENTRIES_OF: Final = """
    SELECT DISTINCT o.prefix, o.key FROM ({query}) o (subject_id, prefix, key)
    JOIN ledger_fact f ON f.source_id = o.subject_id
    WHERE f.entry_id >= ledger_uuid_at(%(begins)s) AND f.entry_id < ledger_uuid_at(%(ends)s)"""
_ENTRIES: Final = "SELECT DISTINCT 'jnl' AS prefix, o.entry_id AS key FROM ({query}) o (entry_id)"
_FIRST: Final = "SELECT prefix, key, count(*) OVER () FROM ({query}) n ORDER BY key LIMIT {most}"


class StillOpen(Conflict):
    """Somebody still has to do with records of the month: nothing of it leaves."""

    code = "archive_still_open"
    advice = "Settle, reconcile, decide or deliver what is named; the month leaves with the next run."


@dataclass(frozen=True, slots=True)
class _Kind:
    what: str
    query: str
    is_of_subjects: bool


@dataclass(frozen=True, slots=True)
class OpenEnd:
    """One kind of unfinished business in a month: how many of it, and the public ids of the first."""

    what: str
    number: int
    first: tuple[str, ...]

    def __str__(self) -> str:
        more = ", …" if self.number > len(self.first) else ""
        return f"{self.what}: {self.number} ({', '.join(self.first)}{more})"


_kinds: Final[list[_Kind]] = []


def subjects(what: str, query: str) -> None:
    """Declare unfinished subjects: a query of (subject's id, prefix and key of what keeps it open).

    It names its columns `subject_id`, `prefix`, `key`; the months' bounds are not its concern.
    """
    _kinds.append(_Kind(what, query, True))


def entries(what: str, query: str) -> None:
    """Declare unfinished entries: a query of the ids of those between `%(begins)s` and `%(ends)s`."""
    _kinds.append(_Kind(what, query, False))


def of_month(begins: datetime, ends: datetime) -> list[OpenEnd]:
    """Return what keeps the entries of a month in the journal."""
    found = []
    with connection.cursor() as cursor:
        for kind in _kinds:
            query = (_ENTRIES_OF if kind.is_of_subjects else _ENTRIES).format(query=kind.query)
            cursor.execute(_FIRST.format(query=query, most=NAMED_MAX), {"begins": begins, "ends": ends})
            named: Sequence[tuple[str, UUID, int]] = cursor.fetchall()
            if named:
                first = tuple(ids.show(prefix, key) for prefix, key, _ in named)
                found.append(OpenEnd(kind.what, named[0][2], first))
    return found


def refuse(begins: datetime, ends: datetime) -> None:
    """See that nobody has still to do with the entries of a month.

    :raises StillOpen: naming what is unfinished.
    """
    found = of_month(begins, ends)
    if found:
        raise StillOpen(f"the journal of {begins:%Y-%m} stays: {'; '.join(map(str, found))}")


def unfinished_subjects() -> str:
    """Return the query of all subjects that are unfinished, `subject_id` among its columns."""
    return " UNION ALL ".join(f"({kind.query})" for kind in _kinds if kind.is_of_subjects)
