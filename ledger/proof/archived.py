"""Months of the books that went to archive files: their rows are no longer here, their records still are.

The archive is sealed by itself (its own chain of files). Here a row of such a month is counted, not
missed; its record stays a leaf of its block, so that a row read back from the file can be proven.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection

from ledger.archives import files as archive_files
from ledger.models import ArchiveFile
from ledger.proof.blocks import UnknownKey
from ledger.proof.rows import AUDIT, ENTRY, EVENT, Record, first_id

# An entry without its postings cannot be recomputed either.
_TABLES_OF: Final = {
    ENTRY: ("ledger_entry", "ledger_posting"),
    EVENT: ("ledger_event",),
    AUDIT: ("ledger_audit",),
}

_GONE: Final = "events of subject {0} were sealed and are gone"


def _without(row: ArchiveFile) -> str:
    return "" if row.columns is not None else f", or its file {row.file_name} is not in ARCHIVE_DIR"


class NotArchived(Exception):
    """What is gone was not archived, or what says so is not as it was sealed; the message names it."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The archived months of each table, as half-open ranges of version 7 UUIDs."""

    months: dict[str, list[tuple[UUID, UUID]]]

    @classmethod
    def read(cls) -> "Archive":
        """Return what has been archived; nothing in a house that never archived.

        :raises NotArchived: a row does not say what was sealed with its file.
        """
        months: dict[str, list[tuple[UUID, UUID]]] = {}
        for row in ArchiveFile.objects.order_by("table", "range_from"):
            if row.key_id not in settings.EVENT_SIGNING_KEYS:
                raise NotArchived(f"archive {row.number} cannot be verified: {UnknownKey(row.key_id)}")
            if not archive_files.is_genuine(row):
                raise NotArchived(f"archive {row.number} is not as it was sealed{_without(row)}")
            name, low, high = row.table, row.range_from, row.range_to
            months.setdefault(name, []).append(
                (first_id(low.year, low.month - 1), first_id(high.year, high.month - 1))
            )
        return cls(months)

    def holds(self, record: bytes) -> bool:
        """Say whether the row of a record lies in an archived month; a record that is none lies nowhere."""
        if not self.months:
            return False
        try:
            found = Record.parse(record)
        except ValueError:
            return False  # its bytes were changed, which the root of its block shows
        return any(
            low <= found.lies_by < high
            for table in _TABLES_OF.get(found.kind, ())
            for low, high in self.months.get(table, ())
        )

    @staticmethod
    def refuse_missing(subject_ids: set[UUID]) -> None:
        """See that the streams of these subjects, whose events are not here, were archived.

        :raises NotArchived: naming the first that was not.
        """
        if not subject_ids:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT s FROM unnest(%s::uuid[]) AS s
                   WHERE NOT EXISTS (SELECT FROM ledger_archived_stream a WHERE a.subject_id = s)
                   ORDER BY s LIMIT 1""",
                [list(subject_ids)],
            )
            for (subject_id,) in cursor.fetchall():
                raise NotArchived(f"{_GONE.format(subject_id)}; no archive has them")
