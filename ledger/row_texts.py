"""Rows as PostgreSQL reads them: the text of each value of one row, or one JSON document of several.

One row's values go as parameters of its columns: PostgreSQL reads each by its type's own input, which costs a
third of taking a document apart. What a value's text is does not depend on which of both ways it goes.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import orjson

Columns = tuple[tuple[str, bool], ...]  # each with whether it holds JSON


def texts_of(row: Mapping[str, Any], columns: Columns) -> list[str | None] | None:
    """Return the text of each column of a row; None when a value has none, and is for `document_of`.

    :raises ValueError: an instant has no time zone.
    """
    texts: list[str | None] = []
    for column, is_json in columns:
        value = row[column]
        if value is None:
            texts.append(None)
        elif is_json:
            texts.append(document_of(value))
        elif isinstance(value, str):
            # A text with half a character cannot be sent; JSON can say it, and PostgreSQL refuses it by name.
            if not (value.isascii() or _is_whole(value)):
                return None
            texts.append(value if type(value) is str else str.__str__(value))
        else:
            write = _WRITERS.get(type(value))
            if write is None:
                return None
            texts.append(write(value))
    return texts


def document_of(value: Any) -> str:
    """Return the JSON of rows, or of a JSON column's value.

    :raises ValueError: an instant has no time zone. :raises TypeError: no column holds such a value.
    """
    try:
        return orjson.dumps(value, _plain, _INSTANTS_ARE_OURS).decode()
    except orjson.JSONEncodeError:
        # It holds an integer beyond 64 bits, or what the slower one refuses better.
        return _ENCODER.encode(value)


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(value: Any) -> str:
    """Return the text from which PostgreSQL reads a value that JSON does not have."""
    for kind, write in _WITHOUT_JSON:
        if isinstance(value, kind):
            return write(value)
    raise TypeError(f"no column holds a {type(value).__name__}")


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return value.isoformat()


def _hexadecimal(value: bytes | bytearray | memoryview) -> str:
    return f"\\x{value.hex()}"


# The first that fits, for a datetime is a date.
_WITHOUT_JSON: Final[tuple[tuple[type, Callable[[Any], str]], ...]] = (
    (UUID, lambda value: str(value.hex)), (datetime, _instant), (date, date.isoformat),
    (bytes, _hexadecimal), (bytearray, _hexadecimal), (memoryview, _hexadecimal), (Decimal, str),
)  # fmt: skip
_WRITERS: Final[Mapping[type, Callable[[Any], str]]] = MappingProxyType(
    {int: str, bool: str, **dict(_WITHOUT_JSON)}
)
_INSTANTS_ARE_OURS: Final = orjson.OPT_PASSTHROUGH_DATETIME  # so that one without a time zone is refused
_ENCODER: Final = json.JSONEncoder(default=_plain, check_circular=False, allow_nan=False)
