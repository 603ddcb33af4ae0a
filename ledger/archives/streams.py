"""Streams of events that left: a month of subjects is archived stream by stream, never a part of one.

A stream leaves when nothing was recorded of it for the whole retention, all of it is sealed, none of its
entries stands in the journal, its subject is at an end or of a kind that does not live on, and nothing about
it is unfinished (`open_ends`). What goes on stays, whole, in the month of its subject. In the place of each
stream that left stays one row: in which archive it is, its first event, its last sequence and hash. So a
subject may go on after all: its next event follows that hash.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final
from uuid import UUID

from django.apps import apps
from django.db import connection
from django.db.models import Exists, OuterRef
from psycopg import sql

from ledger.archives import files as archive_files
from ledger.archives import open_ends
from ledger.archives.files import ArchiveAway, row_of
from ledger.errors import Conflict, NotFound
from ledger.models import ArchivedHour, ArchivedStream, ArchiveFile, Event
from ledger.recorded import Recorded

_RESTING: Final = """
    SELECT v.subject_id, v.subject_type, v.merchant_id FROM {partition} v GROUP BY 1, 2, 3
    HAVING max(v.recorded_at) < %(horizon)s
       AND max(v.xid) < (SELECT coalesce(max(transaction_to), 0) FROM ledger_seal)::text::xid8
       AND NOT bool_or(v.entry_id IS NOT NULL AND EXISTS (SELECT FROM ledger_entry e WHERE e.id = v.entry_id))
       AND NOT (v.subject_type = ANY (%(living)s) AND EXISTS (
           SELECT FROM ledger_state_edge g WHERE g.machine = v.subject_type
           AND g.source = (array_agg(v.to_state ORDER BY v.sequence DESC))[1]))
       AND NOT EXISTS (SELECT FROM ({unfinished}) o WHERE o.subject_id = v.subject_id)"""
_STANDING_FOR: Final = """
    INSERT INTO ledger_archived_stream
        (subject_id, subject_type, merchant_id, archive, first_sequence, last_sequence, last_hash,
         first_event)
    SELECT subject_id, subject_type, merchant_id, %s, min(sequence), max(sequence),
           (array_agg(hash ORDER BY sequence DESC))[1], (array_agg(id ORDER BY sequence))[1]
    FROM {detached} GROUP BY 1, 2, 3"""
_HOURS: Final = """
    INSERT INTO ledger_archived_hour (archive, hour, events)
    SELECT %s, ('x' || left(translate(id::text, '-', ''), 12))::bit(48)::bigint / {hour}, count(*)
    FROM {detached} GROUP BY 2"""
_HOUR_MS: Final = 3_600_000


class HistoryTooLarge(Conflict):
    """More of the archives would have to be read than one request may."""

    code = "history_too_large"
    advice = "manage.py rebuild reads any number."


class HistoryArchived(NotFound):
    """The events lie in an archive whose file is not here."""

    code = "history_archived"
    advice = "Bring the file to ARCHIVE_DIR, as it was written, and ask again."


def resting(partition: str, horizon: datetime) -> sql.Composed:
    """Return the query of the streams of a month of subjects that may leave."""
    living = [m.SUBJECT for m in apps.get_models() if issubclass(m, Recorded) and m.LIVES_ON]
    query = _RESTING.replace("%(horizon)s", "{horizon}").replace("%(living)s", "{living}")
    return sql.SQL(query).format(
        partition=sql.Identifier(partition),
        horizon=sql.Literal(horizon),
        living=sql.Literal(living),
        unfinished=sql.SQL(open_ends.unfinished_subjects()),
    )


def stand_in(detached: str, archive: ArchiveFile) -> None:
    """Leave a row in the place of each stream of a detached month, and of which hours its events are, in the
    open phase."""
    names = {"detached": sql.Identifier(detached), "hour": sql.Literal(_HOUR_MS)}
    with connection.cursor() as cursor:
        for statement in (_STANDING_FOR, _HOURS):
            cursor.execute(sql.SQL(statement).format(**names), [archive.number])


def where_made(event_ids: Iterable[UUID]) -> list[tuple[ArchiveFile, set[UUID]]]:
    """Return which archives hold events of the hours in which these were made, the likeliest first.

    An id begins with its time. An archive from before hours were kept may hold any event made after its
    month began.
    """
    by_hour: dict[int, set[UUID]] = {}
    for key in event_ids:
        by_hour.setdefault((key.int >> 80) // _HOUR_MS, set()).add(key)
    if not by_hour:
        return []
    found: dict[int, tuple[int, set[UUID]]] = {}
    for row in ArchivedHour.objects.filter(hour__in=list(by_hour)):
        count, keys = found.get(row.archive, (0, set()))
        found[row.archive] = (count + row.events, keys | by_hour[row.hour])
    every = set().union(*by_hour.values())
    known = ArchivedHour.objects.filter(archive=OuterRef("number"))
    last = max(key.int >> 80 for key in every)  # no datetime: an id may name the year 10889
    for file in ArchiveFile.objects.filter(~Exists(known), table="ledger_event").order_by("-number"):
        if file.range_from.timestamp() * 1000 <= last:
            found[file.number] = (0, every)
    files = ArchiveFile.objects.in_bulk(list(found))
    likely = sorted(found.items(), key=lambda one: -one[1][0])
    return [(files[number], keys) for number, (_count, keys) in likely]


def of_subjects(subject_ids: Iterable[UUID]) -> dict[UUID, list[ArchivedStream]]:
    """Return what left of which subjects, in the order of their sequences."""
    found: dict[UUID, list[ArchivedStream]] = {}
    for row in ArchivedStream.objects.filter(subject_id__in=list(subject_ids)).order_by("last_sequence"):
        found.setdefault(row.subject_id, []).append(row)
    return found


def events_of(subject_type: str, subject_id: UUID, rows_max: int | None = None) -> Iterator[Event]:
    """Return the events of a subject that left, from the files, every byte of which is checked on the way.

    :raises HistoryArchived: a file is not here. :raises BadArchive: it is not as it was sealed.
    :raises HistoryTooLarge: its files have more rows than may be read.
    """
    left = of_subjects([subject_id]).get(subject_id, ())
    files = ArchiveFile.objects.in_bulk([row.archive for row in left])
    rows = sum(file.rows for file in files.values())
    if rows_max is not None and rows > rows_max:
        raise HistoryTooLarge(f"its events lie in archives of {rows} rows, too many to be read here")
    for row in left:
        if row.subject_type != subject_type:
            continue
        key = f'"{subject_id}"'
        try:
            lines = [line for line in archive_files.lines_of(files[row.archive]) if key in line]
        except ArchiveAway as error:
            raise HistoryArchived(
                f"events {row.first_sequence} to {row.last_sequence} of {subject_type} {subject_id}: {error}"
            ) from error
        own = [
            one
            for one in map(json.loads, lines)
            if (one["subject_id"], one["subject_type"]) == (str(subject_id), subject_type)
        ]
        yield from (row_of(Event, one) for one in sorted(own, key=lambda one: one["sequence"]))
