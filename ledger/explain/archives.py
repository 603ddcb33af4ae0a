"""Archives themselves: what was read from one ends at its file, which is sealed and outside the house."""

from collections.abc import Sequence
from typing import Final

from django.db.models import Q

from ledger.explain.registry import Scope, explains, numbers_of
from ledger.explain.types import Explanation, Link
from ledger.models import ArchivedStream, ArchiveFile, CarriedBalance

ARCHIVE: Final = "arc"
ENTRIES: Final = "ledger_entry"
POSTINGS: Final = "ledger_posting"


def archive_ref(number: int) -> str:
    """Return the id under which an archive is explained."""
    return f"{ARCHIVE}_{number}"


@explains(ARCHIVE)
def archives(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain archives: a sealed file outside the house, in which a history lies.

    A merchant is told of those in which something of its own is.
    """
    keys = numbers_of(tails)
    found = {}
    rows = ArchiveFile.objects.filter(pk__in=list(keys))
    if scope.merchant_id is not None:
        streams = ArchivedStream.objects.filter(merchant_id=scope.merchant_id).values("archive")
        months = CarriedBalance.objects.filter(merchant_id=scope.merchant_id).values("range_from")
        is_own = Q(number__in=streams) | Q(table__in=(ENTRIES, POSTINGS), range_from__in=months)
        rows = rows.filter(is_own)
    for row in rows:
        found[keys[row.number]] = Explanation(
            ref=archive_ref(row.number),
            kind="archive",
            title=f"{row.table} of {row.range_from:%Y-%m}, past its retention",
            causes=(Link("read it in", row.file_name, is_outside=True),),
            evidence=(("hash of the archive", bytes(row.archive_hash).hex()), ("key", row.key_id)),
            at=row.recorded_at,
            page=("ledger_archivefile", str(row.number)),
        )
    return found
