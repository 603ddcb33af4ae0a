"""Sealing: blocks of finished transactions, chained and signed off the hot path, their head kept outside too.

A block covers the entries, events and audit records of database transactions in [from, to), where `to` is
the oldest transaction still running: ids do not commit in order, watermarks of transactions are what cannot
be fooled. Its root is a Merkle root over the records of its rows (`rows`, `merkle`); the MAC needs a key
that is not in the database. An attacker with the key and the file of heads can reseal.
"""

from collections.abc import Iterator
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from ledger import clock
from ledger.models import SealBlock, SealRecords
from ledger.proof import blocks, heads, readers, rows
from ledger.proof.merkle import Tree

SCHEME: Final = blocks.ROW_IMAGES
# A block stays of a size that is read at once; one database transaction is never split.
BLOCK_ROWS: Final = 50_000
RECORDS_IN_A_PART: Final = 4_096


def seal() -> SealBlock | None:
    """Seal what has finished since the last block; None when nothing has, or another sealer is at work."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('ledger_seal'))")
        if not cursor.fetchone()[0]:
            return None
        last = SealBlock.objects.order_by("-number").first()
        _note_what_a_crash_left_out(last)
        start = last.transaction_to if last else 0
        # The first block that seals audit records takes in those that the blocks before it left out.
        audits_from = start if last and last.scheme >= blocks.WITH_AUDIT else 0
        end, is_empty = _end({rows.ENTRY: start, rows.EVENT: start, rows.AUDIT: audits_from})
        if is_empty:
            return None
        block = SealBlock(
            number=last.number + 1 if last else 1, scheme=SCHEME, transaction_from=start,
            transaction_to=end, audits_from=audits_from, key_id=settings.EVENT_SIGNING_KEY_ID,
            previous_hash=bytes(last.block_hash) if last else b"",
        )  # fmt: skip
        _take_rows(block)
        block.sealed_at = clock.now()
        block.block_hash = blocks.block_hash(block)
        block.mac = blocks.mac(block)
        block.save(force_insert=True)
    heads.note(block)
    return block


def seal_all(until: float | None = None) -> int:
    """Seal what has finished by now, or until `clock.monotonic()` passes `until`; return how many blocks.

    What finishes meanwhile waits for the next call: under load there is always more, and a block costs two
    flushes however little is in it.
    """
    sealed, horizon = 0, _horizon()
    while (block := seal()) is not None:
        sealed += 1
        if block.transaction_to >= horizon or (until is not None and clock.monotonic() > until):
            break
    return sealed


def _horizon() -> int:
    """Return the oldest transaction still running: all before it have ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return int(cursor.fetchone()[0])


def _end(starts: dict[bytes, int]) -> tuple[int, bool]:
    """Return up to which transaction the next block goes, and whether there is nothing in it.

    `starts` says for each kind of row from which transaction on it is not sealed.
    """
    end = horizon = _horizon()
    is_empty = True
    with connection.cursor() as cursor:
        for kind, start in starts.items():
            # The transaction that row number BLOCK_ROWS belongs to ends the block, itself excluded.
            cursor.execute(
                f"""SELECT min(xid)::text::bigint, max(xid)::text::bigint, count(*) FROM (
                        SELECT xid FROM {rows.TABLE_OF[kind]}
                        WHERE xid >= %(start)s::text::xid8 AND xid < %(end)s::text::xid8
                        ORDER BY xid LIMIT %(limit)s
                    ) first""",  # noqa: S608  (a constant)
                {"start": start, "end": horizon, "limit": BLOCK_ROWS},
            )
            first, last, count = cursor.fetchone()
            is_empty = is_empty and not count
            if count == BLOCK_ROWS:
                end = min(end, max(last if last > first else first + 1, starts[rows.ENTRY]))
    return end, is_empty


def _take_rows(block: SealBlock) -> None:
    """Record the block's rows, and note their root and numbers on it."""
    tree, held = Tree(), list[bytes]()
    block.entries = block.postings = block.events = block.audits = 0
    for records in _records(block):
        held += records
        while len(held) >= RECORDS_IN_A_PART:
            _keep(block, tree, held[:RECORDS_IN_A_PART])
            del held[:RECORDS_IN_A_PART]
    if held:
        _keep(block, tree, held)
    block.root = tree.root()


def _keep(block: SealBlock, tree: Tree, records: list[bytes]) -> None:
    part = tree.size // RECORDS_IN_A_PART
    tree.add_all(records)
    SealRecords(number=block.number, part=part, records=b"".join(records)).save(force_insert=True)


def _records(block: SealBlock) -> Iterator[list[bytes]]:
    reader, start, end = readers.of(block.scheme), block.transaction_from, block.transaction_to
    for records in reader.records(rows.ENTRY, start, end):
        block.entries += len(records)
        block.postings += sum(map(rows.hints_in, records))
        yield records
    for records in reader.records(rows.EVENT, start, end):
        block.events += len(records)
        yield records
    for records in reader.records(rows.AUDIT, block.audits_from, end):
        block.audits += len(records)
        yield records


def _note_what_a_crash_left_out(last: SealBlock | None) -> None:
    """Note the head of the last block when the sealer died between its commit and its line.

    More than one line missing is no crash, and is left for the verification to name.
    """
    if last is None:
        return
    try:
        noted = heads.last()
    except heads.HeadUnreadable:
        return
    if noted is not None and noted.number == last.number - 1:
        heads.note(last)
