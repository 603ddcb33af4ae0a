"""What is kept of a sealed row, whichever scheme sealed it, and how sealed rows are read from their tables.

The record of a row is its kind, its id, the SHA-256 of a text with every column, and what helps to find it:
of an entry four bytes of each posting's text, of an event its subject, of an audit record its moment. It is a
leaf of the block's Merkle tree. The text is made by the scheme of the block: `row_images` is what blocks are
sealed by now, `json_rows` what those of schemes 2 and 3 were. Both use functions of PostgreSQL only: ours in
the database could be replaced by whoever changed the rows. A new column needs a new scheme;
`tests/services/ledger/proof/test_sealed_columns.py` finds one that was forgotten.
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

IN_SPAN: Final = "{0}.xid >= %(start)s::text::xid8 AND {0}.xid < %(end)s::text::xid8"
# A merchant is shown what its own keys did: not who of the house acted, nor the house's view of risk.
BY_ITS_KEYS: Final = (
    " AND (%(merchant)s::uuid IS NULL OR r.actor_kind = 'api_key' AND left(r.object_type, 6) <> 'fraud.')"
)
OF_MERCHANT: Final = " AND (%(merchant)s::uuid IS NULL OR {0}.merchant_id = %(merchant)s::uuid)"
# The content hash of 0002_law.sql, computed here again; `{0}` is what it has of the postings. What is no
# moment at all was never hashed.
IS_AS_WRITTEN: Final = """coalesce(CASE WHEN isfinite(e.occurred_at) THEN
    e.content_hash = sha256(convert_to(concat_ws('|', e.id, e.merchant_id, e.kind, e.source_type, e.source_id,
        e.step, extract(epoch FROM e.occurred_at)::numeric(20, 6), coalesce(e.reverses_id::text, ''),
        {0}), 'UTF8')) END, false)"""
HASHED_LINE: Final = """concat_ws(':', p.line, p.account_id, p.currency, p.amount, p.purpose,
    coalesce(p.balance_after::text, ''))"""

_HEAD_BYTES: Final = 53  # kind, id, SHA-256, number of hints
_HINT_BYTES: Final = 4
_MOMENT_BYTES: Final = 8
_TO_2000: Final = 946_684_800_000  # milliseconds from 1970, where ids count from, to where moments do
_CHUNK: Final = 1_000


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
            number = int.from_bytes(tail, "big", signed=True)
            is_moment = len(tail) == _MOMENT_BYTES  # before scheme 4 it is the month, counted from year 0
            return cls(kind, row_id, (), _id_at(number) if is_moment else first_id(*divmod(number, 12)))
        hints = (tail[at : at + _HINT_BYTES] for at in range(0, len(tail), _HINT_BYTES))
        return cls(kind, row_id, tuple(hints), row_id)


def first_id(year: int, month: int) -> UUID:
    """Return the smallest version 7 UUID of a month (0 to 11), the least of all of one before 1970."""
    try:
        milliseconds = int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        return UUID(int=0)
    return UUID(int=milliseconds << 80) if milliseconds > 0 else UUID(int=0)


def _id_at(microseconds: int) -> UUID:
    """Return the smallest version 7 UUID of a moment, in microseconds since 2000; of one that has none, 0."""
    milliseconds = microseconds // 1000 + _TO_2000
    return UUID(int=milliseconds << 80 if 0 < milliseconds < 1 << 48 else 0)


def hints_in(record: bytes) -> int:
    """Return how many hints a record has: of an entry, one for each of its postings."""
    return (len(record) - _HEAD_BYTES) // _HINT_BYTES


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


def span(start: int, end: int) -> dict[str, Any]:
    """Return the parameters of a span of transactions, with the range of its entries' ids: by it the planner
    sees in which months their postings lie."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT min(r.id::text COLLATE "C")::uuid, max(r.id::text COLLATE "C")::uuid
                FROM ledger_entry r WHERE {IN_SPAN.format("r")}""",  # noqa: S608  (constants)
            {"start": start, "end": end},
        )
        low, high = cursor.fetchone()
    return {"start": start, "end": end, "low": low, "high": high}


def chunks(sql: str, parameters: dict[str, Any]) -> Generator[list[Any], None, None]:
    """Yield rows as the server finds them, some thousands at a time, in PostgreSQL's binary format.

    Outside a transaction it would find them all first.
    """
    assert connection.in_atomic_block, "rows are streamed inside a transaction"
    with connection.chunked_cursor() as wrapped, connection.wrap_database_errors:
        cursor = wrapped.cursor
        cursor.execute(sql, parameters, binary=True)
        while found := cursor.fetchmany(_CHUNK):
            yield found


def stream(sql: str, parameters: dict[str, Any]) -> Generator[Any, None, None]:
    """Yield rows one by one, as `chunks` finds them."""
    for chunk in chunks(sql, parameters):
        yield from chunk
