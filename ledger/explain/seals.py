"""The seals of entries, events and audit records; the content of the first two is recomputed on the way."""

import hmac
from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import connection

from ledger import events
from ledger.explain.archived import Found
from ledger.explain.types import Seal, SealState
from ledger.models import AuditRecord, Event
from ledger.proof import status
from ledger.proof.status import SealStatus


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
    return _states([event.pk for event in found], _unsigned(found))


def of_archived(read: Found, keys: Sequence[UUID]) -> dict[UUID, SealState]:
    """Return the seals of entries and events that were read from archives, whose content is looked at too."""
    changed = read.changed(key for key in keys if key in read.entries)
    changed |= _unsigned([read.events[key] for key in keys if key in read.events])
    found = status.seals_of_archived({key: read.transactions[key] for key in keys})
    return {key: _state(seal, is_changed=key in changed) for key, seal in found.items()}


def of_acts(records: Sequence[AuditRecord]) -> dict[UUID, SealState]:
    """Return the seals of audit records; that one is as it was sealed, only a verification can say."""
    return {key: _state(found, is_changed=False) for key, found in status.seals_of_acts(records).items()}


def _unsigned(found: Iterable[Event]) -> set[UUID]:
    return {
        event.pk for event in found if not hmac.compare_digest(bytes(event.hash), events.signature(event))
    }


def _states(ids: Iterable[UUID], changed: set[UUID]) -> dict[UUID, SealState]:
    return {key: _state(found, is_changed=key in changed) for key, found in status.seals_of(ids).items()}


def _state(found: SealStatus, *, is_changed: bool) -> SealState:
    if is_changed:
        return SealState(Seal.BROKEN, found.block, found.is_anchored)
    seal = Seal.WAITING if found.block is None else Seal.SEALED
    return SealState(seal, found.block, found.is_anchored)
