"""The seals of entries and events, with their content recomputed: a row that was changed says so."""

import hmac
from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import connection

from ledger import events
from ledger.explain.types import Seal, SealState
from ledger.models import Event

_BLOCKS = """
    SELECT r.id, s.number FROM (
        SELECT id, xid::text::bigint AS xid FROM ledger_entry WHERE id = ANY (%(ids)s::uuid[])
        UNION ALL
        SELECT id, xid::text::bigint FROM ledger_event WHERE id = ANY (%(ids)s::uuid[])
    ) r
    CROSS JOIN LATERAL (
        SELECT b.number, b.transaction_from FROM ledger_seal b
        WHERE b.transaction_to > r.xid ORDER BY b.transaction_to LIMIT 1
    ) s
    WHERE s.transaction_from <= r.xid"""


def of_entries(ids: Sequence[UUID]) -> dict[UUID, SealState]:
    """Return the seals of entries; one whose content is not what was written is broken."""
    changed: set[UUID] = set()
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT id FROM ledger_entry WHERE id = ANY (%s::uuid[])
                   AND content_hash IS DISTINCT FROM ledger_entry_hash(id)""",
                [list(ids)],
            )
            changed = {row[0] for row in cursor.fetchall()}
    return _states(ids, changed)


def of_events(found: Sequence[Event]) -> dict[UUID, SealState]:
    """Return the seals of events; one whose signature does not fit is broken."""
    changed = {
        event.pk for event in found if not hmac.compare_digest(bytes(event.hash), events.signature(event))
    }
    return _states([event.pk for event in found], changed)


def _states(ids: Iterable[UUID], changed: set[UUID]) -> dict[UUID, SealState]:
    wanted = list(ids)
    blocks: dict[UUID, int] = {}
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute(_BLOCKS, {"ids": wanted})
            blocks = dict(cursor.fetchall())
    return {
        key: SealState(
            Seal.BROKEN if key in changed else Seal.SEALED if key in blocks else Seal.WAITING,
            blocks.get(key),
        )
        for key in wanted
    }
