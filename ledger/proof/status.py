"""Whether a row is sealed: in which block, since when, and whether the block's head stands outside too."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from ledger.models import AuditRecord, Event, JournalEntry
from ledger.proof import blocks, heads


@dataclass(frozen=True, slots=True)
class SealStatus:
    """The seal of a row. `block` is None while it waits for the sealer (seconds).

    `verified_at` is when the block and its rows were last found unbroken; `is_anchored` says that
    the head of this block, or of a later one, is kept outside the database.
    """

    block: int | None
    sealed_at: datetime | None
    verified_at: datetime | None
    is_anchored: bool


UNSEALED: Final = SealStatus(None, None, None, False)

_TOLD: Final = """
    SELECT id, xid::text::bigint AS xid, false AS is_act FROM ledger_entry WHERE id = ANY (%(ids)s::uuid[])
    UNION ALL
    SELECT id, xid::text::bigint, false FROM ledger_event WHERE id = ANY (%(ids)s::uuid[])"""
_ACTS: Final = """
    SELECT id, xid::text::bigint AS xid, true AS is_act FROM ledger_audit
    WHERE id = ANY (%(ids)s::uuid[]) AND at = ANY (%(moments)s::timestamptz[])"""
_READ_BACK: Final = """
    SELECT id, xid, false AS is_act FROM unnest(%(ids)s::uuid[], %(transactions)s::bigint[]) AS r (id, xid)"""
_SEALS: Final = """
    SELECT r.id, s.number, s.sealed_at,
           (SELECT max(c.finished_at) FROM ledger_seal_check c
            WHERE c.fault = '' AND s.number BETWEEN c.first_block AND c.last_block)
    FROM ({rows}) r
    CROSS JOIN LATERAL (
        SELECT b.number, b.sealed_at,
               CASE WHEN r.is_act THEN b.audits_from ELSE b.transaction_from END AS begins
        FROM ledger_seal b WHERE b.transaction_to > r.xid AND (NOT r.is_act OR b.scheme >= %(with_audit)s)
        ORDER BY b.transaction_to LIMIT 1
    ) s
    WHERE s.begins <= r.xid"""


def seal_of(row: JournalEntry | Event) -> SealStatus:
    """Return the seal of an entry or an event."""
    return seals_of([row.pk])[row.pk]


def seals_of(ids: Iterable[UUID]) -> dict[UUID, SealStatus]:
    """Return the seals of entries and events by their ids, in one query; an unknown id is unsealed."""
    return _seals(_TOLD, list(ids), [])


def seals_of_archived(transactions: Mapping[UUID, int]) -> dict[UUID, SealStatus]:
    """Return the seals of entries and events that were read back from archives, by what wrote them."""
    return _seals(_READ_BACK, list(transactions), [], list(transactions.values()))


def seals_of_acts(records: Sequence[AuditRecord]) -> dict[UUID, SealStatus]:
    """Return the seals of audit records by their ids, in one query that reads only their months."""
    return _seals(_ACTS, [record.pk for record in records], [record.at for record in records])


def _seals(
    rows: str, wanted: list[UUID], moments: list[datetime], transactions: Sequence[int] = ()
) -> dict[UUID, SealStatus]:
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            _SEALS.format(rows=rows),
            {
                "ids": wanted,
                "moments": moments,
                "transactions": list(transactions),
                "with_audit": blocks.WITH_AUDIT,
            },
        )
        found = cursor.fetchall()
    noted = _noted() if found else 0
    sealed = {row[0]: SealStatus(row[1], row[2], row[3], row[1] <= noted) for row in found}
    return {wanted_id: sealed.get(wanted_id, UNSEALED) for wanted_id in wanted}


def _noted() -> int:
    try:
        head = heads.last()
    except heads.HeadUnreadable:
        return 0
    return head.number if head else 0
