"""Archiving: a month past its retention goes to a sealed file, and only then leaves its table.

One transaction for each month: writers are kept out of the month, its rows go to the file, the whole file is
read again and checked, and then the month is detached under its archive's number, with the row that says so.
Killed anywhere before the commit, the month stands where it stood and the next run writes the file anew;
after it, the detached table stays until `drop`, which removes it only when the file is still what was sealed.
The owner of the tables does this (`manage.py archive`); the application cannot.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connection
from psycopg import sql

from ledger import audit, retention
from ledger.actors import Actor
from ledger.archives import files as archive_files
from ledger.archives import streams as archived_streams
from ledger.archives.files import SUFFIX, BadArchive, Header
from ledger.crashpoints import crashpoint, register
from ledger.errors import Conflict
from ledger.locks import phased
from ledger.models import ArchiveFile, LegalHold
from ledger.retention import Disposal, RecordClass

_CHUNK: Final = 2_000
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('ledger_archive'))"
_ALL: Final = sql.SQL("true")
_LEAVING: Final = sql.SQL("(t.subject_id, t.subject_type, t.merchant_id) IN (TABLE archive_leaving)")
_STAYING: Final = sql.SQL("(t.subject_id, t.subject_type, t.merchant_id) NOT IN (TABLE archive_leaving)")
register("archive.before_file", "archive.after_file", "archive.before_commit", "archive.after_commit")


class NotDetached(Conflict):
    """The month has no detached table any more, or never had."""

    code = "archive_not_detached"


@dataclass(frozen=True, slots=True)
class Month:
    """One month of a class that is wholly past its retention, and the holds that keep it.

    `parts` are its tables, each with the partition of the month: they leave together. What was recorded from
    `horizon` on is within its retention.
    """

    kept: RecordClass
    begins: datetime
    ends: datetime
    parts: tuple[tuple[str, str], ...]
    holds: tuple[LegalHold, ...]
    horizon: datetime

    @property
    def is_held(self) -> bool:
        return bool(self.holds)


def due(at: datetime) -> list[Month]:
    """Return the months past their retention, the oldest first; also those that holds keep."""
    found = []
    for kept in retention.registry.values():
        if kept.disposal is not Disposal.ARCHIVE:
            continue
        horizon = retention.horizon(kept.name, at)
        months: dict[datetime, list[tuple[str, str]]] = {}
        for table in kept.tables:
            for partition in _partitions(table):
                if _ends(partition) <= horizon and (not kept.by_stream or _any_rests(partition, horizon)):
                    months.setdefault(_begins(partition), []).append((table, partition))
        found += [_month(kept, begins, tuple(parts), horizon) for begins, parts in months.items()]
    return sorted(found, key=lambda month: (month.begins, month.kept.name))


def archive_due(at: datetime, actor: Actor) -> Iterator[ArchiveFile | Conflict]:
    """Archive every month that is due and not held; yield the files, and why a month stays."""
    for month in due(at):
        if month.is_held:
            continue
        try:
            yield from archive(month, at, actor)
        except Conflict as refusal:
            yield refusal


def archive(month: Month, at: datetime, actor: Actor) -> list[ArchiveFile]:
    """Write, check and detach one month: a file for each of its tables, all or none.

    :raises BadArchive: the file on the disk is not what was written. :raises Conflict: a hold came first, it
        is not at rest, or somebody has still to do with it.
    """
    made = _archive(month, at, actor)
    crashpoint("archive.after_commit")
    return made


@phased
def drop(number: int, at: datetime, actor: Actor) -> ArchiveFile:
    """Remove the detached table of an archive, once its file has been read and found whole.

    :raises BadArchive: the file is missing or changed. :raises NotDetached: there is no such table.
    :raises Conflict: a hold that covers it was placed meanwhile.
    """
    kept_as = ArchiveFile.objects.get(pk=number)
    if not is_there(kept_as.detached_as):
        raise NotDetached(f"archive {number} has no table any more")
    archive_files.check_against_row(archive_files.verify(folder() / kept_as.file_name), kept_as)
    _refuse_held(_month_of(kept_as))
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(kept_as.detached_as)))
    audit.record(
        actor=actor, action="archive.dropped", subject=kept_as, at=at,
        reason="the file was read and is whole",
        after={"table": kept_as.detached_as, "rows": kept_as.rows, "archive": kept_as.archive_hash.hex()},
    )  # fmt: skip
    return kept_as


@phased
def restore(path: Path, at: datetime, actor: Actor) -> tuple[str, int]:
    """Load a file into a table of its own, for reading; return the table's name and its rows.

    :raises BadArchive: any byte of the file is not as it was sealed; then nothing is kept.
    """
    header = archive_files.read_header(path)
    name = f"restored_{header.table}_{header.range_from[:7].replace('-', '_')}_{header.number}"
    staged = sql.Identifier(name)
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(staged))
        cursor.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING INDEXES)").format(
                staged, sql.Identifier(header.table)
            )
        )
        cursor.execute("CREATE TEMPORARY TABLE archive_line (line json) ON COMMIT DROP")
        with connection.wrap_database_errors, cursor.copy("COPY archive_line FROM STDIN") as copy:
            for line in archive_files.read(path):
                copy.write_row([line])
        cursor.execute(
            sql.SQL(
                "INSERT INTO {0} SELECT (json_populate_record(NULL::{0}, line)).* FROM archive_line"
            ).format(staged)
        )
        count = cursor.rowcount
        cursor.execute("SELECT ledger_guard_partition(%s, %s)", [name, name])
    audit.note_reading(
        actor=actor, what="restore", at=at, sought={"file": path.name, "rows": count, "as": name}
    )
    return name, count


def check_chain() -> Iterator[str]:
    """Yield what is wrong with the chain of archives in the database; nothing when it is whole."""
    previous = b""
    rows = ArchiveFile.objects.order_by("number").iterator(chunk_size=500)
    for number, row in enumerate(rows, 1):
        if row.number != number:
            yield f"archive {number} is missing"
            return
        if bytes(row.previous_hash) != previous:
            yield f"archive {number} does not follow the one before it"
        previous = bytes(row.archive_hash)


def folder() -> Path:
    """Return where the files lie."""
    place: Path = settings.ARCHIVE_DIR
    return place


def is_there(table: str) -> bool:
    """Say whether a table stands."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
        return bool(cursor.fetchone()[0])


@phased
def _archive(month: Month, at: datetime, actor: Actor) -> list[ArchiveFile]:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
        for _table, partition in month.parts:
            cursor.execute(sql.SQL("LOCK TABLE {} IN SHARE MODE").format(sql.Identifier(partition)))
    if month.kept.by_stream:
        _choose_streams(month)
    month.kept.before_file(month.begins, month.ends)
    crashpoint("archive.before_file")
    last = ArchiveFile.objects.order_by("-number").first()
    first, previous = (last.number + 1, bytes(last.archive_hash).hex()) if last else (1, "")
    written = []
    for number, (table, partition) in enumerate(month.parts, first):
        header = _write(month, table, partition, number, previous)
        written.append((header, partition))
        previous = header.archive_hash()
    crashpoint("archive.after_file")
    _refuse_held(month)
    month.kept.before_detach(month.begins, month.ends)
    made = [_detach(header, partition, month, at, actor) for header, partition in written]
    crashpoint("archive.before_commit")
    return made


def _write(month: Month, table: str, partition: str, number: int, previous: str) -> Header:
    """Write one table's month to its file and read it again.

    :raises BadArchive: what is read is not what stands in the table.
    """
    path = folder() / _file_name(table, month.begins, number)
    header = Header(
        number=number, table=table, range_from=month.begins.isoformat(), range_to=month.ends.isoformat(),
        columns=tuple(_columns(partition)), previous_hash=previous,
    )  # fmt: skip
    leaving = _LEAVING if month.kept.by_stream else _ALL
    written = archive_files.write(path, header, _lines(partition, leaving))
    if archive_files.verify(path) != written or _count(partition, leaving) != written.rows:
        raise BadArchive(f"{path.name} does not hold the rows of {partition}")
    return written


def _detach(header: Header, partition: str, month: Month, at: datetime, actor: Actor) -> ArchiveFile:
    detached = f"{partition}_archived_{header.number:06}"
    names = {"table": sql.Identifier(header.table), "partition": sql.Identifier(partition),
             "detached": sql.Identifier(detached)}  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("ALTER TABLE {table} DETACH PARTITION {partition}").format(**names))
        cursor.execute(sql.SQL("ALTER TABLE {partition} RENAME TO {detached}").format(**names))
    row = _row(header, month, detached)
    if month.kept.by_stream:
        _keep_what_goes_on(header.table, detached, month)
        archived_streams.stand_in(detached, row)
    audit.record(
        actor=actor, action="archive.detached", subject=row, at=at,
        reason=f"{month.kept.title} past {retention.policy(month.kept.name, at).days} days",
        after={"table": header.table, "month": f"{month.begins:%Y-%m}", "rows": header.rows,
               "file": row.file_name},
    )  # fmt: skip
    return row


def _file_name(table: str, begins: datetime, number: int) -> str:
    return f"{table}_{begins:%Y-%m}_{number:06}{SUFFIX}"


def _row(header: Header, month: Month, detached: str) -> ArchiveFile:
    return ArchiveFile.objects.create(
        number=header.number, table=header.table, range_from=month.begins, range_to=month.ends,
        rows=header.rows, file_name=_file_name(header.table, month.begins, header.number),
        content_hash=bytes.fromhex(header.content_hash), packed_hash=bytes.fromhex(header.packed_hash),
        previous_hash=bytes.fromhex(header.previous_hash),
        archive_hash=bytes.fromhex(header.archive_hash()), key_id=header.key_id,
        mac=bytes.fromhex(header.mac), detached_as=detached, columns=list(header.columns),
    )  # fmt: skip


def _refuse_held(month: Month) -> None:
    """Look at the holds again, with nobody placing one meanwhile.

    :raises Conflict: one covers the month.
    """
    with connection.cursor() as cursor:
        cursor.execute(retention.HOLDS_LOCK)
    holds = _holds(month.kept, month.begins, month.ends, month.parts)
    if holds:
        raise Conflict(f"{month.parts[0][1]} is under hold {holds[0].public_id}")


def _holds(
    kept: RecordClass, begins: datetime, ends: datetime, parts: tuple[tuple[str, str], ...]
) -> tuple[LegalHold, ...]:
    found = {
        hold.pk: hold
        for _table, partition in parts
        for hold in retention.holds_on_month(kept, partition, begins, ends)
    }
    return tuple(found.values())


def _month(
    kept: RecordClass, begins: datetime, parts: tuple[tuple[str, str], ...], horizon: datetime
) -> Month:
    ends = _ends(parts[0][1])
    return Month(kept, begins, ends, parts, _holds(kept, begins, ends, parts), horizon)


def _any_rests(partition: str, horizon: datetime) -> bool:
    with connection.cursor() as cursor:
        resting = archived_streams.resting(partition, horizon)
        cursor.execute(sql.SQL("SELECT EXISTS ({})").format(resting))
        return bool(cursor.fetchone()[0])


def _choose_streams(month: Month) -> None:
    """Note which streams leave; the month is locked, so that none goes on meanwhile.

    :raises Conflict: another run took them.
    """
    [(_table, partition)] = month.parts
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS archive_leaving")
        resting = archived_streams.resting(partition, month.horizon)
        cursor.execute(sql.SQL("CREATE TEMPORARY TABLE archive_leaving ON COMMIT DROP AS {}").format(resting))
        cursor.execute("SELECT count(*) FROM archive_leaving")
        if not cursor.fetchone()[0]:
            raise Conflict(f"no stream of {partition} is at rest")


def _keep_what_goes_on(table: str, detached: str, month: Month) -> None:
    """Put the streams that do not leave into a new partition of the month."""
    names = {"table": sql.Identifier(table), "detached": sql.Identifier(detached),
             "guard": sql.Identifier(f"{table}_immutable"), "stays": _STAYING}  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {detached} t WHERE {stays})").format(**names))
        if not cursor.fetchone()[0]:
            return
        cursor.execute("SELECT ledger_make_partition(%s, true, %s)", [table, month.begins.date()])
        cursor.execute(sql.SQL("ALTER TABLE {detached} DISABLE TRIGGER {guard}").format(**names))
        cursor.execute(
            sql.SQL(
                """WITH moved AS (DELETE FROM {detached} t WHERE {stays} RETURNING *)
                   INSERT INTO {table} SELECT * FROM moved"""
            ).format(**names)
        )
        cursor.execute(sql.SQL("ALTER TABLE {detached} ENABLE ALWAYS TRIGGER {guard}").format(**names))


def _month_of(row: ArchiveFile) -> Month:
    kept = next(one for one in retention.registry.values() if row.table in one.tables)
    return Month(kept, row.range_from, row.range_to, ((row.table, row.detached_as),), (), row.recorded_at)


def _partitions(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            r"""SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = to_regclass(%s) AND c.relname ~ '_\d{4}_\d{2}$' ORDER BY 1""",
            [table],
        )
        return [name for (name,) in cursor.fetchall()]


def _begins(partition: str) -> datetime:
    year, month = partition.split("_")[-2:]
    return datetime(int(year), int(month), 1, tzinfo=UTC)


def _ends(partition: str) -> datetime:
    begins = _begins(partition)
    following = date(begins.year + begins.month // 12, begins.month % 12 + 1, 1)
    return datetime(following.year, following.month, 1, tzinfo=UTC)


def _columns(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT attname FROM pg_attribute
               WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum""",
            [table],
        )
        return [name for (name,) in cursor.fetchall()]


def _lines(table: str, leaving: sql.SQL) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place) FROM pg_index i
               CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
               WHERE i.indrelid = %s::regclass AND i.indisprimary""",
            [table],
        )
        key = cursor.fetchone()[0]
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT row_to_json(t)::text FROM {} t WHERE {} ORDER BY {}").format(
                sql.Identifier(table), leaving, sql.SQL(key)
            )
        )
        while rows := cursor.fetchmany(_CHUNK):
            for (line,) in rows:
                yield line


def _count(table: str, leaving: sql.SQL) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT count(*) FROM {} t WHERE {}").format(sql.Identifier(table), leaving))
        return int(cursor.fetchone()[0])
