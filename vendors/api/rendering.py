"""How an answer becomes bytes: compact JSON in UTF-8, times in UTC with a Z, ids as text.

The same function writes answers that are sent and answers that are stored, so a replay is byte-equal.
"""

import json
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from rest_framework.renderers import BaseRenderer

from ledger.money import Money

JSON_TYPE = "application/json"


def to_bytes(body: Any) -> bytes:
    """Return the JSON of a body.

    :raises TypeError: it holds something that has no JSON form here (a float is refused by `ValueError` only
        when it is not finite).
    """
    return _encode(body).encode()


def canonical(body: Any) -> str:
    """Return the one JSON text that all equal bodies share (keys sorted, no spaces)."""
    return _encode_sorted(body)


class JsonRenderer(BaseRenderer):
    """The only renderer of the API."""

    media_type = JSON_TYPE
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        return b"" if data is None else to_bytes(data)


def _plain(value: Any) -> Any:
    if isinstance(value, Money):
        return value.as_json()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


_encode: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain
).encode
_encode_sorted: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False
).encode
