"""A proof of the books in a file: blocks with their rows, checked by `verify_proof.py` without this house.

JSON Lines: what the file is, then each block and its rows in the order in which they were sealed, then
what was written in all. A row stands as its leaf and, byte for byte, the text that was hashed. In the
proof of one merchant alone the rows of others are left out, and hashes of whole subtrees stand for them,
as hashes of rows that went to an archive do in any proof: the root can be computed, and nothing of them is
told (RFC 6962, 2.1.1, for many leaves at once).
"""

import gzip
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

from django.db import connection, transaction

from ledger.errors import NotFound
from ledger.models import SealBlock, SealRecords
from ledger.proof import blocks, readers, rows, verify_proof
from ledger.proof.archived import Archive, NotArchived
from ledger.proof.merkle import Tree, cover, leaf_hash

VERIFIER: Final = Path(verify_proof.__file__)
_COUNTED_AS: Final = {rows.ENTRY: "entries", rows.EVENT: "events", rows.AUDIT: "audits"}


class NothingSealed(NotFound):
    """No block was sealed in the time asked for."""

    code = "nothing_sealed"


class NotAsSealed(Exception):
    """A row is not as it was sealed: there is no proof of it. `manage.py verify_books` names the first."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a proof holds."""

    first: int
    last: int
    blocks: int
    entries: int
    postings: int
    events: int
    audits: int
    archived: int


class _File:
    """The file being written: lines, their digest, and what was counted."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.counted = Counter[str]()

    def line(self, content: bytes) -> None:
        self._digest.update(content + b"\n")
        self._file.write(content + b"\n")

    def json(self, content: dict[str, Any]) -> None:
        self.line(json.dumps(content, separators=(",", ":")).encode())

    def end(self) -> None:
        counts = {name: self.counted[name] for name in verify_proof.COUNTED}
        self.json({"end": {**counts, "sha256": self._digest.hexdigest()}})


def export(path: Path, first: int, last: int, merchant: UUID | None = None) -> Written:
    """Write blocks `first` to `last` to a file, packed when it ends in `.gz`, and the verifier beside it.

    With a merchant, only that merchant's rows are shown. Memory does not grow with the rows.

    :raises NothingSealed: there is no such block. :raises NotAsSealed: a row differs from its seal.
    """
    numbers = SealBlock.objects.filter(number__gte=first, number__lte=last).order_by("number")
    found = numbers.values_list("number", flat=True)
    begin, end = found.first(), found.last()
    if begin is None or end is None:
        raise NothingSealed("no block was sealed in the time asked for")
    try:
        archive = Archive.read()
    except NotArchived as error:
        raise NotAsSealed(str(error)) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    # The moment of packing is left out, so that the same blocks give the same bytes.
    with partial.open("wb") as raw, _packing(raw, path.suffix == ".gz") as content:
        file = _File(content)
        file.json(_header(begin, end, merchant, archive))
        for number in range(begin, end + 1):
            _write_block(file, SealBlock.objects.get(number=number), merchant, archive)
        file.end()
    partial.replace(path)
    shutil.copyfile(VERIFIER, path.with_name(VERIFIER.name))
    return Written(begin, end, **{name: file.counted[name] for name in verify_proof.COUNTED})


@contextmanager
def _packing(raw: IO[bytes], is_packed: bool) -> Iterator[IO[bytes] | gzip.GzipFile]:
    if not is_packed:
        yield raw
        return
    with gzip.GzipFile("", "wb", 6, raw, 0) as packed:
        yield packed


def _header(first: int, last: int, merchant: UUID | None, archive: Archive) -> dict[str, Any]:
    """Say what the file is: whole when nothing else was ever written, so that running balances join."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT NOT EXISTS (SELECT 1 FROM ledger_entry WHERE xid >= (
                   SELECT transaction_to FROM ledger_seal WHERE number = %s)::text::xid8)""",
            [last],
        )
        is_whole = first == 1 and not archive.months and cursor.fetchone()[0]
    return {
        "format": verify_proof.FORMAT, "database": connection.settings_dict["NAME"],
        "merchant": str(merchant) if merchant else None, "is_whole": is_whole,
    }  # fmt: skip


def _write_block(file: _File, block: SealBlock, merchant: UUID | None, archive: Archive) -> None:
    file.json({"block": _told(block)})
    file.counted["blocks"] += 1
    with transaction.atomic():
        if block.scheme == blocks.HASH_OVER_HASHES:
            if merchant is None:
                for record, text in _rows(block, None):
                    _write_row(file, record, text)
        elif merchant is None:
            _write_all(file, block, archive)
        else:
            _write_own(file, block, merchant)


def _told(block: SealBlock) -> dict[str, Any]:
    sealed_at = int(block.sealed_at.timestamp()) * 1_000_000 + block.sealed_at.microsecond
    return {
        "number": block.number, "scheme": block.scheme, "from": block.transaction_from,
        "to": block.transaction_to, "entries": block.entries, "postings": block.postings,
        "events": block.events, "audits_from": block.audits_from, "audits": block.audits,
        "root": bytes(block.root).hex(), "previous": bytes(block.previous_hash).hex(),
        "key": block.key_id, "sealed_at": sealed_at, "hash": bytes(block.block_hash).hex(),
        "mac": bytes(block.mac).hex(),
    }  # fmt: skip


def _write_all(file: _File, block: SealBlock, archive: Archive) -> None:
    # Streams are closed before an error rolls their transaction back.
    with closing(_records(block)) as sealed, closing(_rows(block, None)) as shown:
        row = next(shown, None)
        for record in sealed:
            if row is not None and row[0] == record:
                _write_row(file, *row)
                row = next(shown, None)
            elif (row is None or row[0][:17] != record[:17]) and archive.holds(record):
                file.counted["archived"] += 1
                file.json({"skip": 1, "hash": leaf_hash(record).hex(), "archived": True})
            else:
                raise NotAsSealed(f"block {block.number}: a row is gone or not as it was sealed")
        if row is not None:
            raise NotAsSealed(f"block {block.number}: a row is not as it was sealed")


def _write_own(file: _File, block: SealBlock, merchant: UUID) -> None:
    """Write a merchant's rows, and between them the hashes of the largest subtrees without them."""
    size, shown = block.entries + block.events + block.audits, _positions(block, merchant)
    left_out = cover(size, shown)
    skip = next(left_out, None)
    with closing(_records(block)) as sealed, closing(_rows(block, merchant)) as own:
        for position in (*shown, size):
            while skip is not None and skip[0] < position:
                _write_left_out(file, skip[1], sealed)
                skip = next(left_out, None)
            if position < size:
                next(sealed)
                _write_row(file, *next(own))


def _positions(block: SealBlock, merchant: UUID) -> list[int]:
    """Return where a merchant's rows stand among those of a block."""
    shown = []
    with closing(_records(block)) as sealed, closing(_rows(block, merchant)) as own:
        wanted = next(own, None)
        for position, record in enumerate(sealed):
            if wanted is not None and record == wanted[0]:
                shown.append(position)
                wanted = next(own, None)
        if wanted is not None:
            raise NotAsSealed(f"block {block.number}: a row is not as it was sealed")
    return shown


def _write_left_out(file: _File, size: int, sealed: Iterator[bytes]) -> None:
    tree = Tree()
    for _ in range(size):
        tree.add_subtree(1, leaf_hash(next(sealed)))
    file.json({"skip": size, "hash": tree.root().hex()})


def _write_row(file: _File, record: bytes, text: bytes) -> None:
    kind = rows.Record.parse(record)
    file.counted[_COUNTED_AS[kind.kind]] += 1
    file.counted["postings"] += len(kind.hints)
    file.line(b'["' + record[17:49].hex().encode() + b'",' + text + b"]")


def _rows(block: SealBlock, merchant: UUID | None) -> Generator[tuple[bytes, bytes], None, None]:
    reader = readers.of(block.scheme)
    starts = {rows.ENTRY: block.transaction_from, rows.EVENT: block.transaction_from}
    if block.scheme >= blocks.WITH_AUDIT:
        starts[rows.AUDIT] = block.audits_from
    for kind, start in starts.items():
        for record, text in reader.texts(kind, start, block.transaction_to, merchant):
            yield bytes(record), reader.told(text)


def _records(block: SealBlock) -> Generator[bytes, None, None]:
    parts = SealRecords.objects.filter(number=block.number).order_by("part")
    for records in parts.values_list("records", flat=True).iterator(chunk_size=4):
        yield from rows.split(bytes(records))
