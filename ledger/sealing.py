"""Sealing: blocks of finished transactions, chained and signed off the hot path, their head kept outside too.

A block covers the entries and events of database transactions in [from, to), where `to` is the oldest
transaction still running: ids do not commit in order, transaction watermarks are what cannot be fooled. The
root is a hash over the rows' own hashes; the MAC needs a key that is not in the database. `verify`
recomputes every row and names the first bad one; a removed last block shows against the head file. An
attacker with the key and the file can reseal.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from ledger import clock, events
from ledger.models import Event, SealBlock

_CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found; `fault` is empty when every row is as it was sealed."""

    blocks: int
    entries: int
    events: int
    unsealed: int
    fault: str

    @property
    def holds(self) -> bool:
        return not self.fault


def seal() -> SealBlock | None:
    """Seal what has finished since the last block; None when nothing has, or another sealer is at work."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('ledger_seal'))")
        if not cursor.fetchone()[0]:
            return None
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        horizon = cursor.fetchone()[0]
        last = SealBlock.objects.order_by("-number").first()
        start = last.transaction_to if last else 0
        root, entries, facts = _root(start, horizon)
        if not entries and not facts:
            return None
        block = SealBlock(
            number=last.number + 1 if last else 1, transaction_from=start, transaction_to=horizon,
            entries=entries, events=facts, root=root, previous_hash=bytes(last.block_hash) if last else b"",
            key_id=settings.EVENT_SIGNING_KEY_ID, sealed_at=clock.now(),
        )  # fmt: skip
        block.block_hash = _block_hash(block)
        block.mac = _mac(block)
        block.save(force_insert=True)
    _write_head(block)
    return block


def verify() -> Verdict:
    """Recompute every sealed row and block, in constant memory; the first difference is named.

    :raises RuntimeError: the caller's transaction looks at one earlier state (a defect): blocks sealed since
        would seem to be gone, because the head outside the database is of now.
    """
    _refuse_old_state()
    head = _last_head()  # before the blocks: a sealer at work adds to both, the block first
    blocks = entries = facts = 0
    previous = b""
    kept = ""
    for block in SealBlock.objects.order_by("number").iterator(chunk_size=200):
        fault = _fault_of(block, previous, blocks + 1)
        if fault:
            return Verdict(blocks, entries, facts, 0, fault)
        previous, blocks = bytes(block.block_hash), blocks + 1
        entries, facts = entries + block.entries, facts + block.events
        if head is not None and head["number"] == block.number:
            kept = previous.hex()
    return Verdict(blocks, entries, facts, _unsealed(), _head_fault(head, blocks, kept))


def _refuse_old_state() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        if cursor.fetchone()[0] != "read committed":
            raise RuntimeError("seals are verified outside a transaction that reads one earlier state")


def _fault_of(block: SealBlock, previous: bytes, number: int) -> str:
    name = f"block {block.number}"
    if block.number != number:
        return f"block {number} is missing"
    if bytes(block.previous_hash) != previous:
        return f"{name} does not follow the block before it"
    if bytes(block.block_hash) != _block_hash(block) or not hmac.compare_digest(
        bytes(block.mac), _mac(block)
    ):
        return f"{name} was changed"
    for row in _bad_rows(block):
        return f"{name}: {row}"
    root, entries, facts = _root(block.transaction_from, block.transaction_to)
    if (root, entries, facts) != (bytes(block.root), block.entries, block.events):
        sealed = f"{block.entries} entries and {block.events} events"
        return f"{name}: {entries} entries and {facts} events stand where {sealed} were sealed"
    return ""


def _bad_rows(block: SealBlock) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id FROM ledger_entry WHERE xid >= %s::text::xid8 AND xid < %s::text::xid8
               AND content_hash IS DISTINCT FROM ledger_entry_hash(id) ORDER BY xid, id LIMIT 1""",
            [str(block.transaction_from), str(block.transaction_to)],
        )
        for (entry_id,) in cursor.fetchall():
            yield f"entry {entry_id} is not as it was written"
    in_block = Event.objects.extra(  # the column is not Django's: it is a transaction id
        where=["xid >= %s::text::xid8 AND xid < %s::text::xid8"],
        params=[str(block.transaction_from), str(block.transaction_to)],
    )
    for event in in_block.iterator(chunk_size=_CHUNK):
        if bytes(event.hash) != events.signature(event):
            yield f"event {event.id} is not as it was written"


def _root(start: int, horizon: int) -> tuple[bytes, int, int]:
    digest, counts = hashlib.sha256(), []
    for table, column in (("ledger_entry", "content_hash"), ("ledger_event", "hash")):
        with connection.chunked_cursor() as cursor:
            cursor.execute(
                f"""SELECT {column} FROM {table} WHERE xid >= %s::text::xid8 AND xid < %s::text::xid8
                    ORDER BY xid, id""",  # noqa: S608 - both names are in the line above
                [str(start), str(horizon)],
            )
            count = 0
            while rows := cursor.fetchmany(_CHUNK):
                for (value,) in rows:
                    digest.update(bytes(value))
                count += len(rows)
            counts.append(count)
        digest.update(b"|")
    return digest.digest(), counts[0], counts[1]


def _block_hash(block: SealBlock) -> bytes:
    text = (
        f"{block.number}|{block.transaction_from}|{block.transaction_to}|{block.entries}|{block.events}"
        f"|{bytes(block.root).hex()}|{bytes(block.previous_hash).hex()}|{block.key_id}"
    )
    return hashlib.sha256(text.encode()).digest()


def _mac(block: SealBlock) -> bytes:
    key = settings.EVENT_SIGNING_KEYS[block.key_id].encode()
    return hmac.new(key, bytes(block.block_hash), hashlib.sha256).digest()


def _unsealed() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*) FROM ledger_entry
               WHERE xid >= coalesce((SELECT max(transaction_to) FROM ledger_seal), 0)::text::xid8"""
        )
        return int(cursor.fetchone()[0])


def _write_head(block: SealBlock) -> None:
    line = {
        "database": connection.settings_dict["NAME"], "number": block.number,
        "hash": bytes(block.block_hash).hex(), "mac": bytes(block.mac).hex(), "at":
        block.sealed_at.isoformat(),
    }  # fmt: skip
    settings.SEAL_HEAD_FILE.parent.mkdir(parents=True, exist_ok=True)
    with settings.SEAL_HEAD_FILE.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _head_fault(head: dict[str, Any] | None, blocks: int, hash_there: str) -> str:
    if head is None:
        return ""
    if head["number"] > blocks:
        return f"block {head['number']} was sealed and is gone"
    if head["hash"] != hash_there:
        return f"block {head['number']} is not the one whose hash was kept outside the database"
    return ""


def _last_head() -> dict[str, Any] | None:
    try:
        lines = settings.SEAL_HEAD_FILE.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    for line in reversed(lines):
        head: dict[str, Any] = json.loads(line)
        if head["database"] == connection.settings_dict["NAME"]:
            return head
    return None
