"""Rows as they are sealed: a text for an entry with its postings, an event, an audit record, every column.

The text is a JSON array in a fixed order, so that no two rows share one, and any byte of any column
changes it. A posting's account stands in it by what it is, not only by its id. The record of a row (kind,
id, SHA-256 of its text, and what helps to find it: of an entry four bytes of each posting's hash, of an
event its subject, of an audit record its month) is a leaf of the block's Merkle tree. The statements use
functions of PostgreSQL only: ours in the database could be replaced by whoever changed the rows. A new column
needs a new scheme; `tests/services/ledger/test_sealed_columns.py` finds one that was forgotten.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

ENTRY: Final = b"E"
EVENT: Final = b"V"
AUDIT: Final = b"A"
TABLE_OF: Final = {ENTRY: "ledger_entry", EVENT: "ledger_event", AUDIT: "ledger_audit"}
NAME_OF: Final = {ENTRY: "entry", EVENT: "event", AUDIT: "audit record"}

_HEAD_BYTES: Final = 53  # kind, id, SHA-256, number of hints
_HINT_BYTES: Final = 4
_CHUNK: Final = 2_000

# The postings of an entry, in order (sorted below the aggregate: one sort less an entry). Their range of ids
# lets the planner see in which months they lie.
_LINES: Final = """
    SELECT count(*)::int AS postings, coalesce(string_agg(x.line_text, ', '), '') AS lines,
           coalesce(string_agg(substr(sha256(convert_to(x.line_text, 'UTF8')), 1, 4), ''), '') AS hints,
           string_agg(x.hashed, ',') AS hashed
    FROM (SELECT json_build_array(
                     p.line, p.merchant_id, p.account_id, a.code, a.owner, p.currency, p.amount,
                     p.balance_after, p.purpose, p.recorded_at AT TIME ZONE 'UTC', p.xid)::text AS line_text,
                 concat_ws(':', p.line, p.account_id, p.currency, p.amount, p.purpose,
                     coalesce(p.balance_after::text, '')) AS hashed
          FROM ledger_posting p
          LEFT JOIN ledger_account a ON a.id = p.account_id AND a.merchant_id = p.merchant_id
          WHERE p.entry_id = e.id AND p.entry_id BETWEEN %(low)s AND %(high)s
          ORDER BY p.line, p.merchant_id) x"""

_ENTRY_TEXT: Final = """concat('[', json_build_array(
    'entry', e.id, e.merchant_id, e.kind, e.source_type, e.source_id, e.step, e.reverses_id,
    e.occurred_at AT TIME ZONE 'UTC', e.recorded_at AT TIME ZONE 'UTC', encode(e.content_hash, 'hex'),
    e.xid), ', [', l.lines, ']]')"""

_EVENT_TEXT: Final = """json_build_array(
    'event', v.id, v.merchant_id, v.subject_type, v.subject_id, v.sequence, v.type, v.from_state, v.to_state,
    v.payload, CASE WHEN v.changes IS NOT NULL THEN json_build_array(v.changes) END, v.cause_type, v.cause_id,
    v.actor_kind, v.actor_id, v.entry_id, v.request_id, v.occurred_at AT TIME ZONE 'UTC',
    v.recorded_at AT TIME ZONE 'UTC', encode(v.previous_hash, 'hex'), encode(v.hash, 'hex'), v.key_id,
    v.xid)::text"""

_AUDIT_TEXT: Final = """json_build_array(
    'audit', r.id, r.merchant_id, r.at AT TIME ZONE 'UTC', r.actor_kind, r.actor_id, r.actor_label, r.role,
    r.action, r.object_type, r.object_id, r.outcome, r.reason, r.before, r.after, r.request_id, r.ip,
    r.user_agent, r.xid)::text"""

# The content hash of 0002_law.sql, computed here again. What is no moment at all was never hashed.
_IS_AS_WRITTEN: Final = """coalesce(CASE WHEN isfinite(e.occurred_at) THEN
    e.content_hash = sha256(convert_to(concat_ws('|', e.id, e.merchant_id, e.kind, e.source_type, e.source_id,
        e.step, extract(epoch FROM e.occurred_at)::numeric(20, 6), coalesce(e.reverses_id::text, ''),
        l.hashed), 'UTF8')) END, false)"""

_IN_SPAN: Final = "{0}.xid >= %(start)s::text::xid8 AND {0}.xid < %(end)s::text::xid8"
_ENTRY_RECORD: Final = f"""convert_to('E', 'UTF8') || uuid_send(e.id)
    || sha256(convert_to({_ENTRY_TEXT}, 'UTF8')) || int4send(l.postings) || l.hints"""
_EVENT_RECORD: Final = """convert_to('V', 'UTF8') || uuid_send(v.id)
    || sha256(convert_to(t.text, 'UTF8')) || int4send(4) || uuid_send(v.subject_id)"""
# An audit record lies in the month of its moment (counted from year 0), which its id does not tell.
_AUDIT_RECORD: Final = """convert_to('A', 'UTF8') || uuid_send(r.id)
    || sha256(convert_to(t.text, 'UTF8')) || int4send(1) || int4send(CASE WHEN isfinite(r.at) THEN
        extract(year FROM r.at AT TIME ZONE 'UTC')::int * 12
        + extract(month FROM r.at AT TIME ZONE 'UTC')::int - 1 ELSE 0 END)"""
_ENTRIES: Final = f"FROM ledger_entry e CROSS JOIN LATERAL ({_LINES}) l WHERE "
_EVENTS: Final = f"FROM ledger_event v CROSS JOIN LATERAL (SELECT {_EVENT_TEXT} AS text OFFSET 0) t WHERE "
_AUDITS: Final = f"FROM ledger_audit r CROSS JOIN LATERAL (SELECT {_AUDIT_TEXT} AS text OFFSET 0) t WHERE "
# A merchant is shown what its own keys did: not who of the house acted, nor the house's view of risk.
_BY_ITS_KEYS: Final = (
    " AND (%(merchant)s::uuid IS NULL OR r.actor_kind = 'api_key' AND left(r.object_type, 6) <> 'fraud.')"
)
_OF_MERCHANT: Final = " AND (%(merchant)s::uuid IS NULL OR {0}.merchant_id = %(merchant)s::uuid)"


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of a sealed row."""

    kind: bytes
    id: UUID
    hints: tuple[bytes, ...]  # of an entry's postings, in order
    lies_by: UUID  # what its partition goes by: an entry's own id, an event's subject, a moment as an id

    @classmethod
    def parse(cls, record: bytes) -> "Record":
        """Return what a record says."""
        kind, row_id, tail = record[:1], UUID(bytes=record[1:17]), record[_HEAD_BYTES:]
        if kind == EVENT:
            return cls(kind, row_id, (), UUID(bytes=tail))
        if kind == AUDIT:
            return cls(kind, row_id, (), first_id(*divmod(int.from_bytes(tail, "big", signed=True), 12)))
        hints = (tail[at : at + _HINT_BYTES] for at in range(0, len(tail), _HINT_BYTES))
        return cls(kind, row_id, tuple(hints), row_id)


def first_id(year: int, month: int) -> UUID:
    """Return the smallest version 7 UUID of a month (0 to 11), the least of all of one before 1970."""
    try:
        milliseconds = int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        return UUID(int=0)
    return UUID(int=milliseconds << 80) if milliseconds > 0 else UUID(int=0)


def split(records: bytes) -> Iterator[bytes]:
    """Yield the records that stand one behind the other.

    :raises ValueError: they are not records.
    """
    begin = 0
    while begin < len(records):
        hints = int.from_bytes(records[begin + _HEAD_BYTES - 4 : begin + _HEAD_BYTES], "big")
        end = begin + _HEAD_BYTES + _HINT_BYTES * hints
        if end > len(records):
            raise ValueError("a record is cut off")
        yield records[begin:end]
        begin = end


def entry_records(
    start: int, end: int, *, checked: bool = False
) -> Generator[tuple[int, bytes, int, bool], None, None]:
    """Yield (transaction, record, number of postings, is as written) of a span's entries.

    A span is of transactions, the order theirs and then that of ids. Whether an entry is as written, by its
    content hash, is looked at when `checked`.
    """
    columns = f"e.xid::text::bigint, {_ENTRY_RECORD}, l.postings, {_IS_AS_WRITTEN if checked else 'true'}"
    found = _span(start, end)
    return _stream(f"SELECT {columns} {_ENTRIES}{_IN_SPAN.format('e')} ORDER BY e.xid, e.id", found)


def entry_hashes(start: int, end: int) -> Generator[tuple[int, bytes, bytes, bool], None, None]:
    """Yield (transaction, content hash, record, is as written) of a span's entries, in order."""
    columns = f"e.xid::text::bigint, e.content_hash, {_ENTRY_RECORD}, {_IS_AS_WRITTEN}"
    sql = f"SELECT {columns} {_ENTRIES}{_IN_SPAN.format('e')} ORDER BY e.xid, e.id"
    return _stream(sql, _span(start, end))


def event_records(
    start: int, end: int, *, with_text: bool = False
) -> Generator[tuple[int, bytes, str], None, None]:
    """Yield (transaction, record, text) of the events of a span, in the order of transaction and id."""
    columns = f"v.xid::text::bigint, {_EVENT_RECORD}, {'t.text' if with_text else 'NULL'}"
    found = {"start": start, "end": end}
    return _stream(f"SELECT {columns} {_EVENTS}{_IN_SPAN.format('v')} ORDER BY v.xid, v.id", found)


def audit_records(start: int, end: int) -> Generator[tuple[int, bytes], None, None]:
    """Yield (transaction, record) of the audit records of a span, in the order of transaction and id."""
    sql = f"SELECT r.xid::text::bigint, {_AUDIT_RECORD} {_AUDITS}{_IN_SPAN.format('r')}"
    return _stream(f"{sql} ORDER BY r.xid, r.id, r.at", {"start": start, "end": end})


def texts(
    kind: bytes, start: int, end: int, merchant: UUID | None
) -> Generator[tuple[bytes, str], None, None]:
    """Yield (record, text) of a span's rows of a kind, in order; with a merchant, its own only."""
    if kind == ENTRY:
        of = _IN_SPAN.format("e") + _OF_MERCHANT.format("e")
        sql = f"SELECT {_ENTRY_RECORD}, {_ENTRY_TEXT} {_ENTRIES}{of}"
        return _stream(f"{sql} ORDER BY e.xid, e.id", {**_span(start, end), "merchant": merchant})
    if kind == AUDIT:
        sql = f"SELECT {_AUDIT_RECORD}, t.text {_AUDITS}{_IN_SPAN.format('r')}{_OF_MERCHANT.format('r')}"
        ordered = f"{sql}{_BY_ITS_KEYS} ORDER BY r.xid, r.id, r.at"
        return _stream(ordered, {"start": start, "end": end, "merchant": merchant})
    sql = f"SELECT {_EVENT_RECORD}, t.text {_EVENTS}{_IN_SPAN.format('v')}{_OF_MERCHANT.format('v')}"
    return _stream(f"{sql} ORDER BY v.xid, v.id", {"start": start, "end": end, "merchant": merchant})


def record_now(kind: bytes, row_id: UUID) -> tuple[int, bytes] | None:
    """Return (transaction, record) of a row as it stands now; None when it is gone."""
    if kind == ENTRY:
        sql = f"SELECT e.xid::text::bigint, {_ENTRY_RECORD} {_ENTRIES} e.id = %(low)s"
    elif kind == EVENT:
        sql = f"SELECT v.xid::text::bigint, {_EVENT_RECORD} {_EVENTS} v.id = %(low)s"
    else:
        sql = f"SELECT r.xid::text::bigint, {_AUDIT_RECORD} {_AUDITS} r.id = %(low)s"
    with connection.cursor() as cursor:
        cursor.execute(sql, {"low": row_id, "high": row_id})
        row = cursor.fetchone()
    return (row[0], bytes(row[1])) if row else None


def _span(start: int, end: int) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT min(r.id::text COLLATE "C")::uuid, max(r.id::text COLLATE "C")::uuid
                FROM ledger_entry r WHERE {_IN_SPAN.format("r")}""",  # noqa: S608  (constants)
            {"start": start, "end": end},
        )
        low, high = cursor.fetchone()
    return {"start": start, "end": end, "low": low, "high": high}


def _stream(sql: str, parameters: dict[str, Any]) -> Generator[Any, None, None]:
    """Yield rows as the server finds them. Outside a transaction it would find them all first."""
    assert connection.in_atomic_block, "rows are streamed inside a transaction"
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, parameters)
        while found := cursor.fetchmany(_CHUNK):
            yield from found
