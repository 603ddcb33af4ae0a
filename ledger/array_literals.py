"""PostgreSQL arrays as the text of their literals (PostgreSQL manual, "Array Input and Output Syntax").

The driver asks of every element what it is and whether it must be quoted. What a call of the journal sends is
known, thousands at a time, and much of it is the same from entry to entry. NULL stands where None does.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID


def integers(values: Iterable[int]) -> str:
    """Return an array of whole numbers."""
    return f"{{{','.join(map(str, values))}}}"


def uuids(values: Iterable[UUID | None]) -> str:
    """Return an array of UUIDs."""
    return f"{{{','.join('NULL' if value is None else value.hex for value in values)}}}"


def texts(values: Sequence[str]) -> str:
    """Return an array of texts, each in quotes."""
    quoted = {value: _quoted(value) for value in set(values)}
    return f"{{{','.join(map(quoted.__getitem__, values))}}}"


def instants(values: Sequence[datetime]) -> str:
    """Return an array of instants, exact to the microsecond.

    :raises ValueError: one has no time zone, so that it would mean whatever the session's is.
    """
    if any(value.tzinfo is None for value in values):
        raise ValueError("an instant needs a time zone")
    written = {value: _quoted(value.astimezone(UTC).isoformat(" ")) for value in set(values)}
    return f"{{{','.join(map(written.__getitem__, values))}}}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
