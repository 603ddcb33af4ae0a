"""What lies in an archive explains nothing here: the explanation says in which file it lies."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.db import connection

from ledger import ids
from ledger.explain.registry import Scope, explains, numbers_of
from ledger.explain.types import Explanation, Link
from ledger.models import ArchiveFile

ARCHIVE: Final = "arc"
_TABLES: Final = {"jnl": "ledger_entry"}


def archive_ref(number: int) -> str:
    """Return the id under which an archive is explained."""
    return f"{ARCHIVE}_{number}"


def where(ref: str) -> str:
    """Return in which archive an entry lies that is not here; nothing when in none."""
    prefix, _, tail = ref.partition("_")
    if prefix not in _TABLES:
        return ""
    try:
        key: UUID = ids.parse(prefix, f"{prefix}_{tail.partition('.')[0]}")
    except ids.BadId:
        return ""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT number, file_name FROM ledger_archive
               WHERE "table" = %s AND %s >= ledger_uuid_at(range_from) AND %s < ledger_uuid_at(range_to)
               ORDER BY number LIMIT 1""",
            [_TABLES[prefix], key, key],
        )
        row = cursor.fetchone()
    return f"archive {row[0]}, {row[1]}" if row else ""


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
