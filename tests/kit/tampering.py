"""Damage that no code of ours can do: done as the database owner, with the law's triggers switched off.

Each tamperer puts its table's triggers back before it ends, in the same transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from config import grants
from tests.kit.owner import triggers_always


@contextmanager
def law_off(*tables: str) -> Iterator[Any]:
    """Give a cursor for which the triggers of these tables do not exist."""
    with grants.as_owner(), transaction.atomic(), connection.cursor() as cursor:
        always = triggers_always(tables)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks still to come is not altered
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield cursor
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        for table, trigger in always:
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")


def change(table: str, assignment: str, where: str, values: list[Any]) -> None:
    """Change rows of a table as its owner, whatever its law says."""
    with law_off(table) as cursor:
        cursor.execute(f"UPDATE {table} SET {assignment} WHERE {where}", values)
        assert cursor.rowcount


def remove(table: str, where: str, values: list[Any]) -> None:
    """Delete rows of a table as its owner."""
    with law_off(table) as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE {where}", values)
        assert cursor.rowcount
