"""Heads: one line for each sealed block, kept outside the database, where whoever holds the database is not.

A file of JSON lines, only appended to; several databases may share it. A block removed from the database, or
one put in another's place, shows against it. It is read forwards in step with the blocks, or from its end,
never as a whole.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from django.conf import settings
from django.db import connection

from ledger.models import SealBlock

_PIECE = 1 << 16


class HeadUnreadable(ValueError):
    """A line of the file of heads is not what the sealer writes: cut off, or written over."""


@dataclass(frozen=True, slots=True)
class Head:
    """What was noted of a block."""

    number: int
    hash: str
    mac: str
    at: str


def note(block: SealBlock) -> None:
    """Append the block's line, on the disk before this returns."""
    line = {
        "database": connection.settings_dict["NAME"], "number": block.number,
        "hash": bytes(block.block_hash).hex(), "mac": bytes(block.mac).hex(),
        "at": block.sealed_at.isoformat(),
    }  # fmt: skip
    settings.SEAL_HEAD_FILE.parent.mkdir(parents=True, exist_ok=True)
    with settings.SEAL_HEAD_FILE.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def last() -> Head | None:
    """Return the last head of this database, or None when none was noted.

    :raises HeadUnreadable: a line on the way to it is not what the sealer writes.
    """
    try:
        with settings.SEAL_HEAD_FILE.open("rb") as file:
            for line in _lines_from_the_end(file):
                head = _parsed(line)
                if head is not None:
                    return head
    except FileNotFoundError:
        return None
    return None


def all_noted() -> Iterator[Head]:
    """Return this database's heads, in the order in which they were noted.

    :raises HeadUnreadable: a line is not what the sealer writes.
    """
    try:
        with settings.SEAL_HEAD_FILE.open("rb") as file:
            for line in file:
                head = _parsed(line)
                if head is not None:
                    yield head
    except FileNotFoundError:
        return


def _parsed(line: bytes) -> Head | None:
    """Return the head on a line, None when it is of another database."""
    if not line.endswith(b"\n"):
        raise HeadUnreadable(f"the last line of {settings.SEAL_HEAD_FILE.name} is cut off")
    try:
        fields: dict[str, Any] = json.loads(line)
        database = fields["database"]
        head = Head(fields["number"], fields["hash"], fields["mac"], fields["at"])
    except (ValueError, KeyError, TypeError) as error:
        raise HeadUnreadable(f"a line of {settings.SEAL_HEAD_FILE.name} is no head of a block") from error
    return head if database == connection.settings_dict["NAME"] else None


def _lines_from_the_end(file: IO[bytes]) -> Iterator[bytes]:
    position = file.seek(0, os.SEEK_END)
    rest = b""
    while position:
        step = min(_PIECE, position)
        position -= step
        file.seek(position)
        lines = (file.read(step) + rest).splitlines(keepends=True)
        rest = lines.pop(0) if position else b""
        yield from reversed(lines)
    if rest:
        yield rest
