"""Rows as scheme 4 seals them: the text is PostgreSQL's binary image of every column, hashed here.

The image is what `record_send` writes, the format in which drivers take rows: the number of columns, and of
each its type, its length (-1: null) and its bytes, so that no two rows share one and no setting of a session
changes it. Texts are sent as `text` and whole numbers as `bigint`, so that a column may be widened. The text
of an entry is its image and, behind it, for each posting its image and that of the account posted to, which
stands there by what it is, not only by its id. The hint of a posting is the CRC-32 of these two.

The database only reads and sends the columns; every hash is computed here.
"""

import json
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from struct import Struct
from typing import Any, Final
from uuid import UUID
from zlib import crc32

from django.db import connection, transaction

from ledger.models import Event
from ledger.proof import rows
from ledger.proof.rows import AUDIT, ENTRY, EVENT, IN_SPAN

# The word in front has five letters for each kind of row, so that the id behind it has one place.
ENTRY_IMAGE: Final = """record_send(ROW('entry'::text, e.id, e.merchant_id, e.kind::text,
    e.source_type::text, e.source_id, e.step::text, e.reverses_id, e.occurred_at, e.recorded_at,
    e.content_hash, e.xid))"""
LINE_IMAGE: Final = """record_send(ROW(p.line::bigint, p.merchant_id, p.account_id, p.currency::text,
    p.amount, p.balance_after, p.purpose::text, p.recorded_at, p.xid))"""
ACCOUNT_IMAGE: Final = "record_send(ROW(a.merchant_id, a.id, a.code::text, a.owner::text))"
EVENT_IMAGE: Final = """record_send(ROW('event'::text, v.id, v.merchant_id, v.subject_type::text,
    v.subject_id, v.sequence::bigint, v.type::text, v.from_state::text, v.to_state::text, v.payload,
    v.changes, v.cause_type::text, v.cause_id::text, v.actor_kind::text, v.actor_id::text, v.entry_id,
    v.request_id::text, v.occurred_at, v.recorded_at, v.previous_hash, v.hash, v.key_id::text, v.xid))"""
AUDIT_IMAGE: Final = """record_send(ROW('audit'::text, r.id, r.merchant_id, r.at, r.actor_kind::text,
    r.actor_id::text, r.actor_label::text, r.role::text, r.action::text, r.object_type::text,
    r.object_id::text, r.outcome::text, r.reason::text, r.before, r.after, r.request_id::text, r.ip,
    r.user_agent::text, r.xid))"""
_ID: Final = slice(25, 41)
# Merchant and account, as they stand in the image of a posting and in that of its account.
_POSTED_TO: Final = slice(28, 60)
_ITSELF: Final = slice(12, 44)

_POSTINGS: Final = """FROM ledger_posting p
    WHERE p.entry_id = e.id AND p.entry_id BETWEEN %(low)s AND %(high)s"""
_LINES: Final = f"ARRAY(SELECT {LINE_IMAGE} {_POSTINGS} ORDER BY p.line, p.merchant_id)"
_IS_AS_WRITTEN: Final = rows.IS_AS_WRITTEN.format(
    f"(SELECT string_agg({rows.HASHED_LINE}, ',' ORDER BY p.line, p.merchant_id) {_POSTINGS})"
)
_ALIAS: Final = {ENTRY: "e", EVENT: "v", AUDIT: "r"}
# Of each row its image, and what its record has besides: of an event and an audit record where they lie.
_READ: Final = {
    ENTRY: f"{ENTRY_IMAGE}, {_LINES}",
    EVENT: f"{EVENT_IMAGE}, int4send(4) || uuid_send(v.subject_id)",
    AUDIT: f"{AUDIT_IMAGE}, int4send(2) || timestamptz_send(r.at)",
}
# The rows are put in order before anything is made of them: what is sorted stays narrow.
_FROM: Final = {
    ENTRY: "FROM (SELECT * FROM ledger_entry e WHERE {0} ORDER BY e.xid, e.id OFFSET 0) e",
    EVENT: "FROM (SELECT * FROM ledger_event v WHERE {0} ORDER BY v.xid, v.id OFFSET 0) v",
    AUDIT: "FROM (SELECT * FROM ledger_audit r WHERE {0} ORDER BY r.xid, r.id, r.at OFFSET 0) r",
}
_TRANSACTION: Final = ", {0}.xid::text::bigint"

# Rows as they were read, their texts, their records.
_Found = tuple[list[Any], list[bytes], list[bytes]]
_ACCOUNTS_KEPT: Final = 100_000
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)


def records(kind: bytes, start: int, end: int) -> Generator[list[bytes], None, None]:
    """Yield the records of a span's rows of a kind, some thousands at a time.

    A span is of transactions, the order theirs and then that of ids.
    """
    for _, _, made in _read(kind, "", IN_SPAN.format(_ALIAS[kind]), _span(kind, start, end)):
        yield made


def entry_records(start: int, end: int) -> Generator[tuple[int, bytes, bool], None, None]:
    """Yield (transaction, record, is as written by its content hash) of a span's entries, in order."""
    more = f"{_TRANSACTION.format('e')}, {_IS_AS_WRITTEN}"
    for chunk, _, made in _read(ENTRY, more, IN_SPAN.format("e"), _span(ENTRY, start, end)):
        for row, record in zip(chunk, made, strict=True):
            yield row[2], record, row[3]


def event_records(start: int, end: int) -> Generator[tuple[int, bytes, bytes], None, None]:
    """Yield (transaction, record, text) of the events of a span, in order."""
    for chunk, texts, made in _in_span(EVENT, start, end):
        for row, record, text in zip(chunk, made, texts, strict=True):
            yield row[2], record, text


def audit_records(start: int, end: int) -> Generator[tuple[int, bytes], None, None]:
    """Yield (transaction, record) of the audit records of a span, in order."""
    for chunk, _, made in _in_span(AUDIT, start, end):
        for row, record in zip(chunk, made, strict=True):
            yield row[2], record


def texts(
    kind: bytes, start: int, end: int, merchant: UUID | None
) -> Generator[tuple[bytes, bytes], None, None]:
    """Yield (record, text) of a span's rows of a kind, in order; with a merchant, its own only."""
    which = f"{IN_SPAN}{rows.OF_MERCHANT}".format(_ALIAS[kind])
    if kind == AUDIT:
        which += rows.BY_ITS_KEYS
    for _, found, made in _read(kind, "", which, {**_span(kind, start, end), "merchant": merchant}):
        yield from zip(made, found, strict=True)


def record_now(kind: bytes, row_id: UUID) -> tuple[int, bytes] | None:
    """Return (transaction, record) of a row as it stands now; None when it is gone."""
    alias = _ALIAS[kind]
    more, parameters = _TRANSACTION.format(alias), {"low": row_id, "high": row_id}
    with transaction.atomic():
        for chunk, _, made in list(_read(kind, more, f"{alias}.id = %(low)s", parameters)):
            return chunk[0][-1], made[0]
    return None


def event(image: bytes) -> Event | None:
    """Return the event that a text tells of; None when no event could be at that moment."""
    names = (
        "kind", "id", "merchant_id", "subject_type", "subject_id", "sequence", "type", "from_state",
        "to_state", "payload", "changes", "cause_type", "cause_id", "actor_kind", "actor_id", "entry_id",
        "request_id", "occurred_at", "recorded_at", "previous_hash", "hash", "key_id",
    )  # fmt: skip
    *values, _ = _columns(image)
    fields = dict(zip(names, values, strict=True))
    if fields["occurred_at"] is None:
        return None  # before our era, or at no end of time
    if fields["changes"] is None:
        del fields["changes"]
    else:
        fields["changes"] = fields["changes"][0]
    fields["payload"] = fields["payload"][0]
    del fields["kind"], fields["recorded_at"]
    return Event(**fields)


def told(text: bytes) -> bytes:
    """Return a text as it stands in a proof: its bytes in hexadecimal digits."""
    return b'"' + text.hex().encode() + b'"'


def _span(kind: bytes, start: int, end: int) -> dict[str, Any]:
    return rows.span(start, end) if kind == ENTRY else {"start": start, "end": end}


def _in_span(kind: bytes, start: int, end: int) -> Generator[_Found, None, None]:
    alias = _ALIAS[kind]
    return _read(kind, _TRANSACTION.format(alias), IN_SPAN.format(alias), _span(kind, start, end))


def _read(kind: bytes, more: str, which: str, parameters: dict[str, Any]) -> Generator[_Found, None, None]:
    """Yield rows of a kind as they were read, their texts, and their records, some thousands at a time."""
    # Texts are sent in the encoding of the client: what is sealed is UTF-8, whatever the database is set to.
    if connection.connection.info.encoding != "utf-8":
        raise RuntimeError("rows are sealed over a connection whose encoding is UTF-8")
    accounts: dict[bytes, bytes] = {}
    for chunk in rows.chunks(f"SELECT {_READ[kind]}{more} {_FROM[kind].format(which)}", parameters):
        if kind == ENTRY:
            yield chunk, *_entries(chunk, accounts)
        else:
            made = [kind + row[0][_ID] + sha256(row[0]).digest() + row[1] for row in chunk]
            yield chunk, [row[0] for row in chunk], made


def _entries(chunk: list[Any], accounts: dict[bytes, bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return the texts and records of entries; the accounts posted to are learned on the way.

    To join them to each posting in the statement took as long as all the rest of it.
    """
    found, made = [], []
    try:
        for row in chunk:
            lines = [line + accounts[line[_POSTED_TO]] for line in row[1]]
            text = b"".join((row[0], *lines))
            hints = _packing(len(lines))(len(lines), *map(crc32, lines))
            found.append(text)
            made.append(ENTRY + text[_ID] + sha256(text).digest() + hints)
    except KeyError:
        whose = {line[_POSTED_TO] for row in chunk for line in row[1]}
        if len(accounts) + len(whose) > _ACCOUNTS_KEPT:
            accounts.clear()
        accounts |= _accounts(whose - accounts.keys())
        return _entries(chunk, accounts)
    return found, made


@cache
def _packing(hints: int) -> Any:
    return Struct(f">{hints + 1}I").pack


def _accounts(whose: set[bytes]) -> dict[bytes, bytes]:
    """Return the images of accounts; of one that there is not, nothing."""
    found = dict.fromkeys(whose, b"")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {ACCOUNT_IMAGE} FROM ledger_account a WHERE a.id = ANY (%s::bigint[])",  # noqa: S608
            [[int.from_bytes(one[-8:], "big", signed=True) for one in whose]],
        )
        images = [bytes(image) for (image,) in cursor.fetchall()]
    found |= {image[_ITSELF]: image for image in images if image[_ITSELF] in found}
    return found


def _columns(image: bytes) -> Iterator[Any]:
    """Yield the columns of an image; what is jsonb in a list, for it may be null, and null is None."""
    at = 4
    while at < len(image):
        kind, length = _HEAD(image, at)
        at += 8 + max(length, 0)
        yield None if length < 0 else _SENT[kind](image[at - length : at])


def _number(sent: bytes) -> int:
    return int.from_bytes(sent, "big", signed=True)


def _moment(sent: bytes) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=_number(sent))
    except OverflowError:
        return None


_HEAD: Final = Struct(">Ii").unpack_from
# By the types in which the columns of an event are sent.
_SENT: Final[dict[int, Callable[[bytes], Any]]] = {
    17: bytes, 20: _number, 25: bytes.decode, 1184: _moment, 2950: lambda sent: UUID(bytes=sent),
    3802: lambda sent: [json.loads(sent[1:])], 5069: _number,
}  # fmt: skip
