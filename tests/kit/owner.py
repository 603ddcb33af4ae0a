"""The owner of the tables, for tests: whoever tampers, makes tables, or attacks past the grants.

Tests run as the application. A test that asks for `as_owner` runs as the owner instead, all of it, so that
it sees its own rows; mark it `django_db(databases=OWNERS)`. What the owner does in it is undone with it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from config import grants

OWNERS = ("default", "owner")


@pytest.fixture
def as_owner() -> Iterator[None]:
    """The whole test goes by the owner's connection."""
    with grants.as_owner():
        yield


@contextmanager
def unguarded(*tables: str) -> Iterator[None]:
    """Switch the triggers of tables off, as somebody with the whole database in hands could; owner only.

    Foreign keys stay: only a superuser can switch those off.
    """
    always = triggers_always(tables)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        for table, trigger in always:
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")


def triggers_always(tables: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the triggers of the tables that fire in every session."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger
               WHERE tgrelid = ANY (%s::regclass[]) AND tgenabled = 'A'""",
            [list(tables)],
        )
        return cursor.fetchall()
