"""Strays: rows that belong to no entry, and entries whose fact is registered otherwise.

A posting of an entry is sealed with it; a fact is what its entry says, so that neither needs a seal of its own:
what remains is to find those that no entry answers for.
"""

from typing import Final

from django.db import connection


class Stray(Exception):
    """A posting or fact without its entry, or an entry without its fact; the message names it."""


_POSTINGS: Final = """
    SELECT p.entry_id, p.line FROM ledger_posting p
    LEFT JOIN ledger_entry e ON e.id = p.entry_id WHERE e.id IS NULL ORDER BY p.entry_id, p.line LIMIT 1"""


def refuse() -> None:
    """Look at all rows.

    :raises Stray: naming the first.
    """
    with connection.cursor() as cursor:
        cursor.execute(_POSTINGS)
        for entry_id, line in cursor.fetchall():
            raise Stray(f"posting {line} of entry {entry_id} stands without its entry")
