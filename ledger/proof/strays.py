"""Strays: postings and facts that no entry answers for, and entries whose fact is registered otherwise.

A posting is sealed with its entry. A fact says what its entry says, so it needs no seal of its own: each must
be the one that follows from a sealed entry, and none may be missing. Rows of archived months are not missed.
"""

from typing import Final

from django.db import connection

from ledger.proof.archived import Archive


class Stray(Exception):
    """A posting or fact without its entry, or an entry without its fact; the message names it."""


# What must find nothing; by which column, and of which table, an archived month explains it; the words.
_ALL: Final = (
    (
        """SELECT p.line, p.entry_id FROM ledger_posting p LEFT JOIN ledger_entry e ON e.id = p.entry_id
           WHERE e.id IS NULL""",
        "p.entry_id",
        "ledger_entry",
        "posting {0} of entry {1} stands without its entry",
    ),
    (
        """SELECT e.id FROM ledger_entry e
           LEFT JOIN ledger_fact f ON f.source_id = e.source_id AND f.source_type = e.source_type
                                      AND f.step = e.step AND f.merchant_id = e.merchant_id
           WHERE f.entry_id IS DISTINCT FROM e.id""",
        "e.source_id",
        "ledger_fact",
        "the fact of entry {0} is not registered as it was",
    ),
    (
        """SELECT e.id FROM ledger_entry e
           LEFT JOIN ledger_fact f ON f.source_id = e.reverses_id AND f.source_type = 'reversal'
                                      AND f.step = '' AND f.merchant_id = e.merchant_id
           WHERE e.reverses_id IS NOT NULL AND f.entry_id IS DISTINCT FROM e.id""",
        "e.reverses_id",
        "ledger_fact",
        "the reversal of entry {0} is not registered as it was",
    ),
    (
        """SELECT f.source_type, f.source_id, f.step, f.entry_id FROM ledger_fact f
           LEFT JOIN ledger_entry e ON e.id = f.entry_id AND e.merchant_id = f.merchant_id
           WHERE ((e.source_id, e.source_type, e.step) = (f.source_id, f.source_type, f.step)
                  OR (e.reverses_id, 'reversal', '') = (f.source_id, f.source_type, f.step)) IS NOT TRUE""",
        "f.entry_id",
        "ledger_entry",
        "fact {0} {1} {2!r} is not what entry {3} tells",
    ),
)


def refuse(archive: Archive) -> None:
    """Look at all rows.

    :raises Stray: naming the first.
    """
    with connection.cursor() as cursor:
        for sql, column, table, message in _ALL:
            months = archive.months.get(table, ())
            apart = "".join(f" AND NOT ({column} >= %s AND {column} < %s)" for _ in months)
            cursor.execute(f"{sql}{apart} LIMIT 1", [bound for month in months for bound in month])
            for row in cursor.fetchall():
                raise Stray(message.format(*row))
