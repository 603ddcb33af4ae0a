"""Rows as schemes 2 and 3 sealed them: the text is a JSON array in a fixed order, so that no two rows share
one, and any byte of any column changes it. Nothing is sealed so any more; it is verified and exported.

A posting's account stands in it by what it is, not only by its id; the hint of a posting is the beginning of
its text's SHA-256, that of an audit record its month.
"""

import json
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from ledger.models import Event
from ledger.proof.rows import (
    AUDIT,
    BY_ITS_KEYS,
    ENTRY,
    EVENT,
    HASHED_LINE,
    IN_SPAN,
    IS_AS_WRITTEN,
    OF_MERCHANT,
    span,
    stream,
)

# The postings of an entry, in order (sorted below the aggregate: one sort less an entry).
_LINES: Final = f"""
    SELECT count(*)::int AS postings, coalesce(string_agg(x.line_text, ', '), '') AS lines,
           coalesce(string_agg(substr(sha256(convert_to(x.line_text, 'UTF8')), 1, 4), ''), '') AS hints,
           string_agg(x.hashed, ',') AS hashed
    FROM (SELECT json_build_array(
                     p.line, p.merchant_id, p.account_id, a.code, a.owner, p.currency, p.amount,
                     p.balance_after, p.purpose, p.recorded_at AT TIME ZONE 'UTC', p.xid)::text AS line_text,
                 {HASHED_LINE} AS hashed
          FROM ledger_posting p
          LEFT JOIN ledger_account a ON a.id = p.account_id AND a.merchant_id = p.merchant_id
          WHERE p.entry_id = e.id AND p.entry_id BETWEEN %(low)s AND %(high)s
          ORDER BY p.line, p.merchant_id) x"""  # noqa: S608  (constants)

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

_IS_AS_WRITTEN: Final = IS_AS_WRITTEN.format("l.hashed")

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


def records(kind: bytes, start: int, end: int) -> Generator[list[bytes], None, None]:
    """Yield the records of a span's rows of a kind, one by one: nothing is sealed so any more."""
    of: dict[bytes, Callable[[int, int], Generator[Any, None, None]]]
    of = {ENTRY: entry_records, EVENT: event_records, AUDIT: audit_records}
    for row in of[kind](start, end):
        yield [bytes(row[1])]


def entry_records(start: int, end: int) -> Generator[tuple[int, bytes, bool], None, None]:
    """Yield (transaction, record, is as written by its content hash) of a span's entries.

    A span is of transactions, the order theirs and then that of ids.
    """
    columns = f"e.xid::text::bigint, {_ENTRY_RECORD}, {_IS_AS_WRITTEN}"
    found = span(start, end)
    return stream(f"SELECT {columns} {_ENTRIES}{IN_SPAN.format('e')} ORDER BY e.xid, e.id", found)


def entry_hashes(start: int, end: int) -> Generator[tuple[int, bytes, bytes, bool], None, None]:
    """Yield (transaction, content hash, record, is as written) of a span's entries, in order."""
    columns = f"e.xid::text::bigint, e.content_hash, {_ENTRY_RECORD}, {_IS_AS_WRITTEN}"
    sql = f"SELECT {columns} {_ENTRIES}{IN_SPAN.format('e')} ORDER BY e.xid, e.id"
    return stream(sql, span(start, end))


def event_records(start: int, end: int) -> Generator[tuple[int, bytes, str], None, None]:
    """Yield (transaction, record, text) of the events of a span, in the order of transaction and id."""
    columns = f"v.xid::text::bigint, {_EVENT_RECORD}, t.text"
    found = {"start": start, "end": end}
    return stream(f"SELECT {columns} {_EVENTS}{IN_SPAN.format('v')} ORDER BY v.xid, v.id", found)


def audit_records(start: int, end: int) -> Generator[tuple[int, bytes], None, None]:
    """Yield (transaction, record) of the audit records of a span, in the order of transaction and id."""
    sql = f"SELECT r.xid::text::bigint, {_AUDIT_RECORD} {_AUDITS}{IN_SPAN.format('r')}"
    return stream(f"{sql} ORDER BY r.xid, r.id, r.at", {"start": start, "end": end})


def texts(
    kind: bytes, start: int, end: int, merchant: UUID | None
) -> Generator[tuple[bytes, str], None, None]:
    """Yield (record, text) of a span's rows of a kind, in order; with a merchant, its own only."""
    if kind == ENTRY:
        of = IN_SPAN.format("e") + OF_MERCHANT.format("e")
        sql = f"SELECT {_ENTRY_RECORD}, {_ENTRY_TEXT} {_ENTRIES}{of}"
        return stream(f"{sql} ORDER BY e.xid, e.id", {**span(start, end), "merchant": merchant})
    if kind == AUDIT:
        sql = f"SELECT {_AUDIT_RECORD}, t.text {_AUDITS}{IN_SPAN.format('r')}{OF_MERCHANT.format('r')}"
        ordered = f"{sql}{BY_ITS_KEYS} ORDER BY r.xid, r.id, r.at"
        return stream(ordered, {"start": start, "end": end, "merchant": merchant})
    sql = f"SELECT {_EVENT_RECORD}, t.text {_EVENTS}{IN_SPAN.format('v')}{OF_MERCHANT.format('v')}"
    return stream(f"{sql} ORDER BY v.xid, v.id", {"start": start, "end": end, "merchant": merchant})


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


def event(text: str) -> Event | None:
    """Return the event that a text tells of; None when no event could be at that moment."""
    names = (
        "id", "merchant_id", "subject_type", "subject_id", "sequence", "type", "from_state", "to_state",
        "payload", "changes", "cause_type", "cause_id", "actor_kind", "actor_id", "entry_id", "request_id",
        "occurred_at", "recorded_at", "previous_hash", "hash", "key_id",
    )  # fmt: skip
    fields = dict(zip(names, json.loads(text)[1:-1], strict=True))
    try:
        fields["occurred_at"] = datetime.fromisoformat(fields["occurred_at"]).replace(tzinfo=UTC)
    except ValueError:
        return None  # before our era, or at no end of time
    fields["previous_hash"] = bytes.fromhex(fields["previous_hash"])
    fields["hash"] = bytes.fromhex(fields["hash"])
    changes = fields.pop("changes")
    if changes is not None:
        fields["changes"] = changes[0]
    return Event(**fields)


def told(text: str) -> bytes:
    """Return a text as it stands in a proof."""
    return text.encode()
