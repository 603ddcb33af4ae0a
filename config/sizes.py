"""How much disk each table takes for each payment: what `docs/scaling.md` computes a year from."""

from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.db.backends.utils import CursorWrapper

_TABLES: Final = """
    SELECT coalesce(parent.relname, c.relname),
           sum(pg_relation_size(c.oid) + coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0)),
           sum(pg_indexes_size(c.oid))
    FROM pg_class c
    LEFT JOIN pg_class parent ON parent.oid = pg_partition_root(c.oid)
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.reltuples > 0
    GROUP BY 1"""


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table with all its partitions that hold rows; bytes of rows (and what they keep outside) and of
    indexes."""

    name: str
    rows: int
    heap_bytes: int
    index_bytes: int

    @property
    def bytes(self) -> int:
        """All that the table takes on disk."""
        return self.heap_bytes + self.index_bytes


def table_sizes() -> list[TableSize]:
    """Return the tables that hold rows, the largest first, with fresh statistics."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute(_TABLES)
        found = [
            TableSize(name, _count(cursor, name), int(heap), int(indexes))
            for name, heap, indexes in cursor.fetchall()
        ]
    return sorted(found, key=lambda size: -size.bytes)


def _count(cursor: CursorWrapper, table: str) -> int:
    cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608 - of the catalogue
    return int(cursor.fetchone()[0])
