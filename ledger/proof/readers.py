"""How the rows of a block are read: their texts and records are made as by the scheme that sealed it."""

from collections.abc import Generator
from typing import Any, Protocol
from uuid import UUID

from ledger.models import Event
from ledger.proof import blocks, json_rows, row_images


class Reader(Protocol):
    """What `json_rows` and `row_images` both do; a text is theirs alone."""

    def records(self, kind: bytes, start: int, end: int) -> Generator[list[bytes], None, None]: ...

    def entry_records(self, start: int, end: int) -> Generator[tuple[int, bytes, bool], None, None]: ...

    def event_records(self, start: int, end: int) -> Generator[tuple[int, bytes, Any], None, None]: ...

    def audit_records(self, start: int, end: int) -> Generator[tuple[int, bytes], None, None]: ...

    def texts(
        self, kind: bytes, start: int, end: int, merchant: UUID | None
    ) -> Generator[tuple[bytes, Any], None, None]: ...

    def record_now(self, kind: bytes, row_id: UUID) -> tuple[int, bytes] | None: ...

    def event(self, text: Any) -> Event | None: ...

    def told(self, text: Any) -> bytes: ...


def of(scheme: int) -> Reader:
    """Return what reads the rows of blocks of a scheme."""
    return row_images if scheme >= blocks.ROW_IMAGES else json_rows
