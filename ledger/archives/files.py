"""The file of an archived month: JSON Lines in gzip, sealed, readable by `zcat` and without this house.

Two gzip members stand one after the other. The first holds one line, the header: which table and months, its
columns, how many rows, the SHA-256 of the rows, the SHA-256 of the second member's bytes, the hash of the
archive before, and an HMAC. It is stored uncompressed in a form that can be made anew from its content, so
that together with the second hash no byte of the file can change unseen. The second member holds the rows,
one JSON object a line, in the order of their keys, as PostgreSQL's `row_to_json` writes them (times in UTC).
"""

import hashlib
import hmac
import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import models

from ledger.errors import Invalid, NotFound
from ledger.models import ArchiveFile

FORMAT: Final = "everycent-archive/1"
SUFFIX: Final = ".jsonl.gz"
_GZIP_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_STORED: Final = b"\x01"
_HEADER_MAX: Final = 65_535
_CHUNK: Final = 1 << 16
_GZIP: Final = 31
Row = TypeVar("Row", bound=models.Model)


class BadArchive(Invalid):
    """A file that is not what was sealed."""

    code = "archive_invalid"
    advice = "Take another copy of the file; nothing is dropped or restored from this one."


class ArchiveAway(NotFound):
    """The file of an archive is not here."""

    code = "archive_away"
    advice = "Bring the file to ARCHIVE_DIR, as it was written, and ask again."


@dataclass(frozen=True, slots=True)
class Header:
    """What the file says of itself; hashes are hexadecimal."""

    number: int
    table: str
    range_from: str
    range_to: str
    columns: tuple[str, ...]
    rows: int = 0
    content_hash: str = ""
    packed_hash: str = ""
    previous_hash: str = ""
    key_id: str = ""
    mac: str = ""
    format: str = FORMAT

    def archive_hash(self) -> str:
        """Return the hash by which the next archive names this one: over everything but the MAC."""
        return hashlib.sha256(_canonical({**asdict(self), "mac": ""})).hexdigest()


def write(path: Path, header: Header, lines: Iterable[str]) -> Header:
    """Write the rows' lines and their header to a file and see it safe on the disk; return the whole header.

    The file appears under its name only when it is complete; one that was left half written is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, packed = path.with_name(path.name + ".part"), path.with_name(path.name + ".rows")
    content, packed_digest, count = hashlib.sha256(), hashlib.sha256(), 0
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    with packed.open("wb") as body:
        for line in lines:
            raw = line.encode() + b"\n"
            content.update(raw)
            count += 1
            _put(body, packed_digest, packer.compress(raw))
        _put(body, packed_digest, packer.flush())
    whole = replace(
        header, rows=count, content_hash=content.hexdigest(), packed_hash=packed_digest.hexdigest(),
        key_id=settings.EVENT_SIGNING_KEY_ID, mac="",
    )  # fmt: skip
    whole = replace(whole, mac=_mac(whole))
    with partial.open("wb") as file, packed.open("rb") as body:
        file.write(_head_member(whole))
        while chunk := body.read(_CHUNK):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    packed.unlink()
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return whole


def read_header(path: Path) -> Header:
    """Return a file's header when its form and MAC are right.

    :raises BadArchive: the header is not what was sealed, or its key is not known here.
    """
    return _header_of(path)[0]


def read(path: Path) -> Iterator[str]:
    """Return the lines of a file one by one, in constant memory, and check every byte on the way.

    The last check comes after the last line: use what was read only when the iterator ended by itself.

    :raises BadArchive: any byte is not what was sealed.
    """
    header, offset = _header_of(path)
    content, packed, count = hashlib.sha256(), hashlib.sha256(), 0
    with path.open("rb") as file:
        file.seek(offset)
        for line in _lines(file, packed):
            content.update(line + b"\n")
            count += 1
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                raise BadArchive(f"row {count} is not text") from error
    if packed.hexdigest() != header.packed_hash:
        raise BadArchive("the packed rows are not those that were sealed")
    if (count, content.hexdigest()) != (header.rows, header.content_hash):
        raise BadArchive(f"{count} rows stand where {header.rows} others were sealed")


def verify(path: Path) -> Header:
    """Read a whole file; return its header when every byte is as it was sealed.

    :raises BadArchive: naming what is not.
    """
    for _line in read(path):
        pass
    return read_header(path)


def lines_of(row: ArchiveFile) -> Iterator[str]:
    """Return the lines of the file that was written for an archive, checked as `read` checks them.

    :raises ArchiveAway: the file is not here. :raises BadArchive: it is another, or not as it was sealed.
    """
    path: Path = settings.ARCHIVE_DIR / row.file_name
    if not path.exists():
        raise ArchiveAway(f"archive {row.number}, {row.file_name}, is not here")
    check_against_row(read_header(path), row)
    yield from read(path)


def check_against_row(header: Header, row: ArchiveFile) -> None:
    """See that a file is the one that was written when its month was detached.

    :raises BadArchive: it is another.
    """
    if (header.number, header.archive_hash(), header.mac) != (
        row.number, bytes(row.archive_hash).hex(), bytes(row.mac).hex(),
    ):  # fmt: skip
        raise BadArchive(f"{row.file_name} is not the file that was written for archive {row.number}")


def row_of(model: type[Row], told: Mapping[str, Any]) -> Row:
    """Return the row that a line of an archive tells of, as `row_to_json` wrote it; it is not saved.

    Columns that are younger than the file have their default.
    """
    fields = [field for field in model._meta.concrete_fields if field.attname in told]
    return model(**{field.attname: _value(field, told[field.attname]) for field in fields})


def _value(field: Any, told: Any) -> Any:
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    if told is None:
        return None
    match field:
        case models.UUIDField():
            return UUID(told)
        case models.DateTimeField():
            return datetime.fromisoformat(told)
        case models.BinaryField():
            return bytes.fromhex(told.removeprefix("\\x"))
    return told


def is_genuine(row: ArchiveFile) -> bool:
    """Say whether the row of an archive says what was sealed with its file, without reading the rows.

    A row from before rows told their columns is held against the header of its file, which must be here: by
    its MAC alone it could claim any range. :raises KeyError: its key is not configured here.
    """
    if row.columns is None:
        try:
            columns = read_header(settings.ARCHIVE_DIR / row.file_name).columns
        except BadArchive:
            return False
    else:
        columns = tuple(row.columns)
    header = Header(
        number=row.number, table=row.table, range_from=_instant(row.range_from),
        range_to=_instant(row.range_to), columns=columns, rows=row.rows,
        content_hash=bytes(row.content_hash).hex(), packed_hash=bytes(row.packed_hash).hex(),
        previous_hash=bytes(row.previous_hash).hex(), key_id=row.key_id,
    )  # fmt: skip
    found = bytes(row.archive_hash).hex()
    mac = _mac_of(found, row.key_id)
    return header.archive_hash() == found and hmac.compare_digest(bytes(row.mac).hex(), mac)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _lines(file: BinaryIO, packed: "hashlib._Hash") -> Iterator[bytes]:
    unpacker, rest = zlib.decompressobj(_GZIP), b""
    while chunk := file.read(_CHUNK):
        packed.update(chunk)
        try:
            rest += unpacker.decompress(chunk)
        except zlib.error as error:
            raise BadArchive("the packed rows cannot be unpacked") from error
        *whole, rest = rest.split(b"\n")
        yield from whole
    if rest or not unpacker.eof or unpacker.unused_data:
        raise BadArchive("the file does not end where it was sealed")


def _header_of(path: Path) -> tuple[Header, int]:
    try:
        with path.open("rb") as file:
            start = file.read(len(_GZIP_HEAD) + 5)
            length = struct.unpack("<H", start[11:13])[0]
            line = file.read(length)
        fields = json.loads(line)
        header = Header(**{**fields, "columns": tuple(fields["columns"])})
        key = settings.EVENT_SIGNING_KEYS.get(header.key_id)
    except FileNotFoundError as error:
        raise BadArchive(f"there is no file {path.name}") from error
    except (OSError, struct.error, ValueError, TypeError, KeyError) as error:
        raise BadArchive("the file has no header of an archive") from error
    if header.format != FORMAT or key is None:
        raise BadArchive("the header names a format or a key that is not known here")
    if not hmac.compare_digest(header.mac, _mac(header)):
        raise BadArchive("the header is not what was sealed")
    member = _head_member(header)
    with path.open("rb") as file:
        if file.read(len(member)) != member:
            raise BadArchive("the header's bytes are not what was sealed")
    return header, len(member)


def _head_member(header: Header) -> bytes:
    """Return the header as a gzip member of one stored block, always in the same bytes (RFC 1951, 3.2.4)."""
    raw = _canonical(asdict(header)) + b"\n"
    if len(raw) > _HEADER_MAX:
        raise ValueError("a header does not fit one stored block")
    lengths = struct.pack("<HH", len(raw), len(raw) ^ 0xFFFF)
    return _GZIP_HEAD + _STORED + lengths + raw + struct.pack("<II", zlib.crc32(raw), len(raw))


def _mac(header: Header) -> str:
    return _mac_of(header.archive_hash(), header.key_id)


def _mac_of(archive_hash: str, key_id: str) -> str:
    key = settings.EVENT_SIGNING_KEYS[key_id].encode()
    return hmac.new(key, b"archive|" + archive_hash.encode(), hashlib.sha256).hexdigest()


def _canonical(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _put(body: BinaryIO, digest: "hashlib._Hash", raw: bytes) -> None:
    body.write(raw)
    digest.update(raw)
