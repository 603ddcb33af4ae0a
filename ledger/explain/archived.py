"""Entries and events of archived months, read back from their files for an explanation.

Nothing of a file is used before every byte of it was checked against its seal, and its header against the row
that stands in the database for it. A file is read once for all that a level asks of it, a line at a time;
what was found is kept for the rest of the walk (`kept`), so that a posting's entry is not sought again.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection

from ledger.archives import files as archive_files
from ledger.archives import streams as archived_streams
from ledger.archives.files import ArchiveAway, BadArchive, row_of
from ledger.errors import Conflict
from ledger.explain.archives import ENTRIES, POSTINGS
from ledger.explain.registry import Scope
from ledger.models import Account, ArchivedStream, ArchiveFile, Event, JournalEntry, Posting

ROWS_MAX: Final = 500_000
"""How many archived rows one request may read; `manage.py explain` reads any number."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LYING: Final = """
    SELECT a.range_from, array_agg(DISTINCT a.number), array_agg(DISTINCT k) FROM ledger_archive a
    JOIN unnest(%s::uuid[]) AS k ON k >= ledger_uuid_at(a.range_from) AND k < ledger_uuid_at(a.range_to)
    WHERE a."table" IN ('ledger_entry', 'ledger_posting') GROUP BY a.range_from"""


class TooMuchToRead(Conflict):
    """A request would have to read more of the archives than one may."""

    code = "archive_too_large"


UNREADABLE: Final = (ArchiveAway, BadArchive, TooMuchToRead)


@dataclass(slots=True)
class Found:
    """What was read of archives so far, in one walk."""

    entries: dict[UUID, JournalEntry] = field(default_factory=dict)
    postings: dict[UUID, list[Posting]] = field(default_factory=dict)
    events: dict[UUID, Event] = field(default_factory=dict)
    transactions: dict[UUID, int] = field(default_factory=dict)
    """Those that wrote the entries and events: by these their blocks are known."""
    archives: dict[UUID, ArchiveFile] = field(default_factory=dict)
    """The file in which each entry or event stands."""
    unread: dict[UUID, str] = field(default_factory=dict)
    """Why an entry or event could not be read that lies in a file, if it is anywhere."""
    rows: int = 0

    def changed(self, keys: Iterable[UUID]) -> set[UUID]:
        """Return those of the entries whose content is not what was hashed when they were written."""
        return {
            key
            for key in keys
            if bytes(self.entries[key].content_hash) != _content_hash(self.entries[key], self.postings[key])
        }


_found: ContextVar[Found | None] = ContextVar("found_in_archives", default=None)


@contextmanager
def kept() -> Iterator[None]:
    """Keep what is read of archives within the block."""
    token = _found.set(Found())
    try:
        yield
    finally:
        _found.reset(token)


def lines_of(archive: ArchiveFile, scope: Scope, found: Found | None = None) -> Iterator[dict[str, Any]]:
    """Yield what the lines of a file tell; use it only when the iterator ended by itself.

    :raises ArchiveAway: the file is not here. :raises BadArchive: a byte is not as it was sealed.
    :raises TooMuchToRead: it has more rows than may be read in this scope.
    """
    held = found or _found.get() or Found()
    most = scope.archived_rows_max
    if most is not None and held.rows + archive.rows > most:
        raise TooMuchToRead(
            f"archive {archive.number}, {archive.file_name}, has {archive.rows} rows, too many to be read "
            "here: manage.py explain reads them"
        )
    held.rows += archive.rows
    for line in archive_files.lines_of(archive):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise BadArchive(f"{archive.file_name} holds a line that is no row") from error


def entries(wanted: Iterable[UUID], scope: Scope) -> Found:
    """Read entries that are not in the tables, with their postings; three queries, one without archives."""
    found = _found.get() or Found()
    left = {key for key in wanted if key not in found.entries and key not in found.unread}
    for files, keys in _months(left):
        names = {str(key) for key in keys}
        try:
            told = [
                (file, _rows(file, "id" if file.table == ENTRIES else "entry_id", names, scope, found))
                for file in files
            ]
        except UNREADABLE as error:
            found.unread |= dict.fromkeys(keys, str(error))
            continue
        for file, rows in told:
            if file.table == ENTRIES:
                _take_entries(rows, file, scope, found)
        for posting in (
            row_of(Posting, row) for file, rows in told if file.table == POSTINGS for row in rows
        ):
            if posting.entry_id in found.postings:
                found.postings[posting.entry_id].append(posting)
    _name_accounts([leg for key in left for leg in found.postings.get(key, ())])
    return found


def events_of(entries: Sequence[JournalEntry], scope: Scope) -> Found:
    """Read the events that name entries, of the archived streams of the entries' own sources."""
    found = _found.get() or Found()
    names = {str(entry.pk) for entry in entries}
    sources = {entry.source_id for entry in entries}
    streams = scope.of(ArchivedStream.objects.filter(subject_id__in=sources))
    for archive in _files(sorted(set(streams.values_list("archive", flat=True)))).values():
        try:
            _take_events(_rows(archive, "entry_id", names, scope, found), archive, scope, found)
        except UNREADABLE as error:
            found.unread |= {entry.pk: f"the event that posted it: {error}" for entry in entries}
    return found


def events(wanted: Iterable[UUID], scope: Scope) -> Found:
    """Read events that are not in the table, from the archives that hold events of their hours."""
    found = _found.get() or Found()
    left = {key for key in wanted if key not in found.events and key not in found.unread}
    for archive, keys in archived_streams.where_made(left):
        sought = keys - found.events.keys()
        if not sought:
            continue
        try:
            told = _rows(archive, "id", {str(key) for key in sought}, scope, found)
        except UNREADABLE as error:
            found.unread |= dict.fromkeys(sought, str(error))
            continue
        _take_events(told, archive, scope, found)
    return found


def _months(keys: set[UUID]) -> list[tuple[list[ArchiveFile], list[UUID]]]:
    """Return the archived months in which entries lie: their files, and which entries.

    What came late for a month that was gone has files of its own.
    """
    if not keys:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_LYING, [list(keys)])
        months = cursor.fetchall()
    files = _files([number for _, numbers, _ in months for number in numbers])
    return [([files[number] for number in numbers], own) for _, numbers, own in months]


def _files(numbers: list[int]) -> dict[int, ArchiveFile]:
    return ArchiveFile.objects.in_bulk(numbers) if numbers else {}


def _rows(
    archive: ArchiveFile, key: str, names: set[str], scope: Scope, found: Found
) -> list[dict[str, Any]]:
    return [told for told in lines_of(archive, scope, found) if told.get(key) in names]


def _take_entries(rows: list[dict[str, Any]], archive: ArchiveFile, scope: Scope, found: Found) -> None:
    for told in rows:
        entry = row_of(JournalEntry, told)
        if scope.merchant_id in (None, entry.merchant_id):
            found.entries[entry.pk] = entry
            found.postings[entry.pk] = []
            found.transactions[entry.pk] = int(told["xid"])
            found.archives[entry.pk] = archive


def _take_events(rows: list[dict[str, Any]], archive: ArchiveFile, scope: Scope, found: Found) -> None:
    for told in rows:
        event = row_of(Event, told)
        if scope.merchant_id not in (None, event.merchant_id):
            continue
        found.events[event.pk] = event
        found.transactions[event.pk] = int(told["xid"])
        found.archives[event.pk] = archive
        found.unread.pop(event.pk, None)


def _name_accounts(postings: Sequence[Posting]) -> None:
    accounts = Account.objects.in_bulk({leg.account_id for leg in postings}) if postings else {}
    for leg in postings:
        leg.account = accounts[leg.account_id]


def _content_hash(entry: JournalEntry, postings: Sequence[Posting]) -> bytes:
    """Return the hash of an entry's content, as `ledger_entry_hash` computes it."""
    lines = ",".join(
        ":".join(map(_text, (p.line, p.account_id, p.currency, p.amount, p.purpose, p.balance_after)))
        for p in sorted(postings, key=lambda leg: leg.line)
    )
    seconds, micros = divmod((entry.occurred_at - _EPOCH) // timedelta(microseconds=1), 1_000_000)
    head = (
        entry.pk, entry.merchant_id, entry.kind, entry.source_type, entry.source_id, entry.step,
        f"{seconds}.{micros:06}", entry.reverses_id, lines,
    )  # fmt: skip
    return hashlib.sha256("|".join(map(_text, head)).encode()).digest()


def _text(value: object) -> str:
    return "" if value is None else str(value)
