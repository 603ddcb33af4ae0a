"""Verifying: every sealed row and block is computed again, in constant memory; the first bad row is named.

Three streams are read in step, in the order in which the rows were sealed: the rows as they stand, the
records that were taken of them, and the heads kept outside the database. Blocks are taken together until
they hold enough rows, so that a thousand small ones cost little more than one large one.
"""

import hmac
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from ledger import clock
from ledger.models import SealBlock, SealRecords
from ledger.proof import blocks, heads, naming, readers, rows, scheme1, strays
from ledger.proof.archived import Archive, NotArchived
from ledger.proof.merkle import Tree

ROWS_TOGETHER: Final = 50_000
HEAD_LATE_SECONDS: Final = 60  # between a block and its line outside, when the sealer is at work


class Fault(Exception):
    """Something is not as it was sealed; the message names it."""


@dataclass(slots=True)
class Verdict:
    """What a verification found; `fault` is empty when every row is as it was sealed."""

    first: int = 1
    last: int = 0
    blocks: int = 0
    entries: int = 0
    postings: int = 0
    events: int = 0
    audits: int = 0
    archived: int = 0
    unsealed: int = 0
    is_last: bool = False
    fault: str = ""

    @property
    def holds(self) -> bool:
        return not self.fault


@dataclass(slots=True)
class _Chain:
    """How far the chain has been followed."""

    number: int = 0
    block_hash: bytes = b""
    transaction: int = 0
    kept: Iterator[heads.Head] = field(default_factory=lambda: iter(()))
    head: heads.Head | None = None
    archive: Archive = field(default_factory=Archive.read)


def verify(after: int = 0, until: float | None = None) -> Verdict:
    """Recompute the blocks after number `after`, until all are done or `clock.monotonic()` passes `until`.

    :raises RuntimeError: the caller's transaction looks at one earlier state (a defect): blocks sealed since
        would seem to be gone, because the heads outside the database are of now.
    """
    _refuse_old_state()
    found = Verdict(first=after + 1, last=after)
    try:
        chain = _start(after)
        for span in _spans(after):
            _verify_span(span, chain, found)
            if until is not None and clock.monotonic() > until:
                break
        found.is_last = not SealBlock.objects.filter(number__gt=found.last).exists()
        if found.is_last:
            _compare_end(chain)
            strays.refuse(chain.archive)
    except (Fault, NotArchived, strays.Stray, heads.HeadUnreadable) as fault:
        found.fault = str(fault)
    found.unsealed = _unsealed()
    return found


def _refuse_old_state() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        if cursor.fetchone()[0] != "read committed":
            raise RuntimeError("seals are verified outside a transaction that reads one earlier state")


def _start(after: int) -> _Chain:
    chain = _Chain(kept=heads.all_noted())
    if after:
        before = SealBlock.objects.filter(number=after).first()
        if before is None:
            raise Fault(f"block {after} is missing")
        chain = _Chain(after, bytes(before.block_hash), before.transaction_to, chain.kept)
    chain.head = next((head for head in chain.kept if head.number > after), None)
    return chain


def _spans(after: int) -> Iterator[list[SealBlock]]:
    """Yield the blocks in order, as many of one scheme together as hold enough rows."""
    span: list[SealBlock] = []
    size = 0
    while page := list(SealBlock.objects.filter(number__gt=after).order_by("number")[:200]):
        for block in page:
            if span and (size >= ROWS_TOGETHER or span[0].scheme != block.scheme):
                yield span
                span, size = [], 0
            span.append(block)
            size += block.entries + block.events + block.audits
        after = page[-1].number
    if span:
        yield span


def _verify_span(span: list[SealBlock], chain: _Chain, found: Verdict) -> None:
    # Streams are closed before a fault rolls their transaction back: a cursor that is gone cannot be.
    with transaction.atomic(), closing(_Streams(span, chain.archive)) as streams:
        for block in span:
            _verify_block_itself(block, chain)
            if block.scheme == blocks.HASH_OVER_HASHES:
                fault = scheme1.fault_of(block)
                if fault:
                    raise Fault(f"block {block.number}: {fault}")
            else:
                streams.verify(block)
            found.blocks, found.last = found.blocks + 1, block.number
            found.entries += block.entries
            found.postings += block.postings
            found.events += block.events
            found.audits += block.audits
        found.archived += streams.archived


def _verify_block_itself(block: SealBlock, chain: _Chain) -> None:
    """Check a block against its own hash and MAC, the block before it, and its head outside."""
    name = f"block {block.number}"
    if block.number != chain.number + 1:
        raise Fault(f"block {chain.number + 1} is missing")
    if bytes(block.previous_hash) != chain.block_hash:
        raise Fault(f"{name} does not follow the block before it")
    try:
        mac = blocks.mac(block)
    except blocks.UnknownKey as error:
        raise Fault(f"{name} cannot be verified: {error}") from error
    if bytes(block.block_hash) != blocks.block_hash(block) or not hmac.compare_digest(bytes(block.mac), mac):
        raise Fault(f"{name} was changed")
    if block.transaction_from != chain.transaction:
        raise Fault(f"{name} does not begin where the block before it ends")
    chain.number, chain.block_hash, chain.transaction = (
        block.number,
        bytes(block.block_hash),
        block.transaction_to,
    )
    if chain.head is not None and chain.head.number == block.number:
        if (chain.head.hash, chain.head.mac) != (chain.block_hash.hex(), mac.hex()):
            raise Fault(f"{name} is not the one whose hash was kept outside the database")
        expected = block.number + 1
        chain.head = next(chain.kept, None)
        if chain.head is not None and chain.head.number != expected:
            raise Fault(f"the head of block {expected} is missing outside the database")


def _compare_end(chain: _Chain) -> None:
    """Compare the end of the chain with the last head that was kept."""
    last = heads.last()  # anew: a sealer at work has added to both meanwhile, the block first
    if last is None:
        return
    if last.number > chain.number and not SealBlock.objects.filter(number=last.number).exists():
        raise Fault(f"block {last.number} was sealed and is gone")
    if last.number < chain.number:
        block = SealBlock.objects.get(number=last.number + 1)
        late = (clock.now() - block.sealed_at).total_seconds()
        if last.number < chain.number - 1 or late > HEAD_LATE_SECONDS:
            raise Fault(f"the head of block {last.number + 1} is missing outside the database")


def _unsealed() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH sealed AS (
                   SELECT coalesce(max(transaction_to), 0)::text::xid8 AS upto,
                          coalesce(max(transaction_to) FILTER (WHERE scheme >= %s), 0)::text::xid8 AS audit
                   FROM ledger_seal)
               SELECT (SELECT count(*) FROM ledger_entry WHERE xid >= (SELECT upto FROM sealed))
                    + (SELECT count(*) FROM ledger_event WHERE xid >= (SELECT upto FROM sealed))
                    + (SELECT count(*) FROM ledger_audit WHERE xid >= (SELECT audit FROM sealed))""",
            [blocks.WITH_AUDIT],
        )
        return int(cursor.fetchone()[0])


class _Streams:
    """The rows as they stand beside the records that were taken of them, over a span of blocks."""

    def __init__(self, span: list[SealBlock], archive: Archive) -> None:
        start, end = span[0].transaction_from, span[-1].transaction_to
        self._reader = readers.of(span[0].scheme)
        self._entries = _Ahead(self._reader.entry_records(start, end))
        self._events = _Ahead(self._reader.event_records(start, end))
        with_audit = span[0].scheme >= blocks.WITH_AUDIT
        self._audits = _Ahead(self._reader.audit_records(span[0].audits_from, end if with_audit else 0))
        self._parts = _Ahead(_parts(span[0].number, span[-1].number))
        self._archive = archive
        self.archived = 0

    def verify(self, block: SealBlock) -> None:
        """Compare a block's rows with its records, and its records with its root.

        :raises Fault: naming the first row that is not as it was sealed.
        """
        live, tree, left = _Ahead(self._live(block)), Tree(), set[UUID]()
        bad: tuple[bytes | None, bytes | None, str] | None = None
        for record in self._records(block):
            tree.add(record)
            if bad is not None:
                continue
            if not live.is_next(record[:17]) and self._archive.holds(record):
                self.archived += 1
                if record.startswith(rows.EVENT):
                    left.add(rows.Record.parse(record).lies_by)
                continue
            now, wrong = live.take() or (None, "")
            if now != record or wrong:
                bad = (record, now, wrong)
        if tree.size != block.entries + block.events + block.audits or tree.root() != bytes(block.root):
            raise Fault(f"block {block.number}: the records of its rows were changed")
        if bad is None and (extra := live.take()) is not None:
            bad = (None, extra[0], "")
        self._archive.refuse_missing(left)
        if bad is not None:
            raise Fault(f"block {block.number}: {naming.bad_row(block, *bad)}")

    def close(self) -> None:
        """Let go of the rows that were not looked at."""
        for stream in (self._entries, self._events, self._audits, self._parts):
            stream.close()

    def _live(self, block: SealBlock) -> Generator[tuple[bytes, str], None, None]:
        """Yield the rows' records, and what is wrong with a row whatever its record says."""
        for _, record, is_as_written in self._entries.below(block.transaction_to):
            yield bytes(record), "" if is_as_written else "is not as it was written"
        for _, record, text in self._events.below(block.transaction_to):
            yield bytes(record), naming.wrong_signature(self._reader.event(text))
        for _, record in self._audits.below(block.transaction_to):
            yield bytes(record), ""

    def _records(self, block: SealBlock) -> Iterator[bytes]:
        try:
            for expected, (_, part, records) in enumerate(self._parts.below(block.number + 1)):
                if part != expected:
                    raise ValueError(f"part {expected} is missing")
                yield from rows.split(bytes(records))
        except ValueError as error:
            raise Fault(f"block {block.number}: the records of its rows were changed: {error}") from error


class _Ahead:
    """A stream of which the next row is known before it is taken."""

    def __init__(self, found: Generator[Any, None, None]) -> None:
        self._found = found
        self._next = next(found, None)

    def close(self) -> None:
        """End the stream."""
        self._found.close()

    def take(self) -> Any:
        """Return the next row, None after the last."""
        row, self._next = self._next, next(self._found, None)
        return row

    def is_next(self, begins: bytes) -> bool:
        """Say whether the first column of the next row begins so."""
        return self._next is not None and self._next[0].startswith(begins)

    def below(self, bound: int) -> Iterator[Any]:
        """Yield the rows whose first column, a rising number, is below the bound; what is above stays."""
        while self._next is not None and self._next[0] < bound:
            yield self.take()


def _parts(first: int, last: int) -> Generator[tuple[int, int, Any], None, None]:
    found = SealRecords.objects.filter(number__gte=first, number__lte=last).order_by("number", "part")
    yield from found.values_list("number", "part", "records").iterator(chunk_size=8)
