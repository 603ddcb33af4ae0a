"""Attacks on the books in SQL: the statement is refused with a SQLSTATE, and nothing was written."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

NOT_ALLOWED = "42501"  # insufficient_privilege: the grants
RESTRICTED = "23001"  # restrict_violation: ledger_refuse_change, ledger_account_identity
BROKEN_LAW = "23514"  # check_violation: a constraint, or a law in a trigger
BOOKS = ("ledger_entry", "ledger_posting", "ledger_fact", "ledger_event", "ledger_account")


def fetch(query: str, *parameters: object) -> list[tuple]:
    """Return the rows of one query."""
    with connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchall()


def state_of(merchant: UUID) -> list[tuple]:
    """Return all that the books say of a merchant, every column of every row."""
    return [
        (table, *row)
        for table in BOOKS
        for row in fetch(f"SELECT t::text FROM public.{table} t WHERE merchant_id = %s ORDER BY 1", merchant)
    ]


@contextmanager
def refused(merchant: UUID, sqlstate: str, naming: str = "") -> Iterator[None]:
    """Expect the block to be refused by PostgreSQL, and the merchant's books to stay as they are."""
    before = state_of(merchant)
    assert before, "an attack on empty books proves nothing"
    with pytest.raises((DatabaseError, psycopg.Error)) as caught, transaction.atomic():
        yield
    said: Any = caught.value.__cause__ or caught.value  # a COPY is not under Django's wrapper
    assert said.sqlstate == sqlstate, said
    assert not naming or said.diag.constraint_name == naming, said.diag.constraint_name
    assert state_of(merchant) == before


def attack(merchant: UUID, sqlstate: str, statement: str, naming: str = "") -> None:
    """Run one hostile statement; `%(merchant)s` in it is the merchant."""
    with refused(merchant, sqlstate, naming), connection.cursor() as cursor:
        cursor.execute(statement, {"merchant": merchant} if "%(" in statement else None)


def key_of(table: str) -> list[str]:
    """Return the columns of a table's primary key, as the database has it."""
    return [
        name
        for (name,) in fetch(
            """SELECT a.attname FROM pg_constraint c CROSS JOIN unnest(c.conkey) k
               JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k
               WHERE c.conrelid = %s::regclass AND c.contype = 'p'""",
            table,
        )
    ]


def rewrites(table: str) -> dict[str, str]:
    """Return every kind of statement that would change or remove rows of a table, by its name."""
    ((column,),) = fetch(
        "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum = 1", table
    )
    ((key,),) = fetch(
        "SELECT quote_ident(conname) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'",
        table,
    )
    again = f"INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ON CONSTRAINT {key}"
    return {
        "UPDATE": f"UPDATE {table} SET {column} = {column}",
        "UPDATE of nothing": f"UPDATE {table} SET {column} = {column} WHERE false",
        "DELETE": f"DELETE FROM {table}",
        "DELETE in a query": f"WITH gone AS (DELETE FROM {table} RETURNING 1) SELECT count(*) FROM gone",
        "TRUNCATE": f"TRUNCATE {table} CASCADE",
        "ON CONFLICT": f"{again} DO UPDATE SET {column} = EXCLUDED.{column}",
        "MERGE, delete": f"MERGE INTO {table} t USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
        "MERGE, update": f"MERGE INTO {table} t USING (SELECT 1) s ON true "
        f"WHEN MATCHED THEN UPDATE SET {column} = t.{column}",
    }
