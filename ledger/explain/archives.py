"""Archives themselves: what was read from one ends at its file, which is sealed and outside the house."""

from collections.abc import Sequence
from typing import Final

from ledger.explain.registry import Scope, explains, numbers_of
from ledger.explain.types import Explanation, Link
from ledger.models import ArchiveFile

ARCHIVE: Final = "arc"


def archive_ref(number: int) -> str:
    """Return the id under which an archive is explained."""
    return f"{ARCHIVE}_{number}"


@explains(ARCHIVE)
def archives(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain archives: a sealed file outside the house, in which a history lies."""
    keys = numbers_of(tails)
    found = {}
    for row in ArchiveFile.objects.filter(pk__in=list(keys)):
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
