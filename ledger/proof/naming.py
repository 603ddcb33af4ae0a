"""Naming what is wrong with a row that is not as it was sealed: which row it is, and what became of it."""

import hmac

from django.conf import settings
from django.db import connection

from ledger import events
from ledger.models import Event, SealBlock
from ledger.proof import readers, rows
from ledger.proof.rows import Record


def bad_row(block: SealBlock, sealed: bytes | None, stands: bytes | None, wrong: str) -> str:
    """Return what is wrong where `sealed` was recorded and `stands` is there now.

    The sealed row is looked for by its id. One that is unchanged makes the row in its place the intruder.
    """
    if sealed is not None:
        was = Record.parse(sealed)
        found = readers.of(block.scheme).record_now(was.kind, was.id)
        if found is None:
            return f"{_name(was)} was sealed here and is gone"
        transaction, record = found
        begins = block.audits_from if was.kind == rows.AUDIT else block.transaction_from
        if not begins <= transaction < block.transaction_to:
            return f"{_name(was)} was moved to another transaction"
        if record != sealed:
            return _changed(was, Record.parse(record))
        if stands == sealed:
            return f"{_name(was)} {wrong}"
    if stands is None:
        return f"{_name(Record.parse(sealed or b''))} does not stand where it was sealed"
    return f"{_name(Record.parse(stands))} was not sealed here"


def wrong_signature(event: Event | None) -> str:
    """Return what is wrong with the signature of an event as its text tells it; nothing when it is right."""
    if event is None:
        return "is not as it was written"
    if event.key_id not in settings.EVENT_SIGNING_KEYS:
        return f"was signed with key {event.key_id!r}, which is not configured here"
    is_right = hmac.compare_digest(bytes(event.hash), events.signature(event))
    return "" if is_right else "is not as it was written"


def _changed(was: Record, now: Record) -> str:
    if was.hints == now.hints:
        return f"{_name(was)} is not as it was sealed"
    if len(was.hints) != len(now.hints):
        sealed, stand = len(was.hints), len(now.hints)
        return f"{_name(was)}: {stand} postings stand where {sealed} were sealed"
    at = next(index for index, hint in enumerate(was.hints) if hint != now.hints[index])
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT line FROM ledger_posting WHERE entry_id = %s
               ORDER BY line, merchant_id OFFSET %s LIMIT 1""",
            [was.id, at],
        )
        line = cursor.fetchone()[0]
    return f"{_name(was)}: posting {line} is not as it was sealed"


def _name(record: Record) -> str:
    return f"{rows.NAME_OF[record.kind]} {record.id}"
