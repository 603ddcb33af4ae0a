"""From a file to statements: find the format, call its reader. A new format is one row of the table."""

from collections.abc import Callable
from dataclasses import dataclass

from settlements.bankfiles import camt053
from settlements.bankfiles.types import Statement, StatementUnreadable


@dataclass(frozen=True, slots=True)
class Format:
    """A format we read: how to recognise it and who reads it."""

    name: str
    recognises: Callable[[bytes], bool]
    read: Callable[[bytes], list[Statement]]


def _looks_like_xml(content: bytes) -> bool:
    head = content[:256].replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    return head.startswith(b"<")


FORMATS = (Format("camt.053", _looks_like_xml, camt053.read),)


def read(content: bytes) -> list[Statement]:
    """Return the statements of a bank's file.

    :raises StatementUnreadable: no reader knows the format, or its reader refuses the file.
    """
    for candidate in FORMATS:
        if candidate.recognises(content):
            return candidate.read(content)
    known = ", ".join(candidate.name for candidate in FORMATS)
    raise StatementUnreadable(f"the format of the file is not known; it can be {known}")
