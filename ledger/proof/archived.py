"""Months of the books that went to archive files: their rows are no longer here, their records still are.

The archive is sealed by itself (its own chain of files). Here a row of such a month is counted, not
missed; its record stays a leaf of its block, so that a row read back from the file can be proven.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from ledger.models import ArchiveFile
from ledger.proof.rows import AUDIT, ENTRY, EVENT, Record, first_id

# An entry without its postings cannot be recomputed either.
_TABLES_OF: Final = {
    ENTRY: ("ledger_entry", "ledger_posting"),
    EVENT: ("ledger_event",),
    AUDIT: ("ledger_audit",),
}


@dataclass(frozen=True, slots=True)
class Archive:
    """The archived months of each table, as half-open ranges of version 7 UUIDs."""

    months: dict[str, list[tuple[UUID, UUID]]]

    @classmethod
    def read(cls) -> "Archive":
        """Return what has been archived; nothing in a house that never archived."""
        months: dict[str, list[tuple[UUID, UUID]]] = {}
        found = ArchiveFile.objects.order_by("table", "range_from")
        for name, low, high in found.values_list("table", "range_from", "range_to"):
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
