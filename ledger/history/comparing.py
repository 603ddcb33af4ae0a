"""Table, events and ledger against each other: each is a witness, and the one that cannot be right is named.

The events are signed and chained, an entry has the hash of its content, the row has neither: so a stream
whose signatures hold tells what the row must be and which entries must exist. The verdict of a subject:

- `events`: a signature or the chain fails, or the row knows of an event that is not there;
- `table`: the stream is whole, and the row is missing or differs from what it tells;
- `ledger`: the stream is whole, and an entry that it names is missing, unbalanced or not as it was written,
  or an entry claims this subject as its source and no event of it names it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Model

from ledger import changes
from ledger.archives import streams as archived_streams
from ledger.events import ChainBreak, verify_chain
from ledger.history import rebuilding
from ledger.history.rebuilding import Rebuilt
from ledger.models import ArchivedStream, Event

TABLE: Final = "table"
EVENTS: Final = "events"
LEDGER: Final = "ledger"

_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """A column that is not what the events tell. Both sides are encoded; a hidden one says only so."""

    name: str
    told: Any
    found: Any


@dataclass(slots=True)
class Verdict:
    """What comparing one subject came to; nothing corrupted is good."""

    subject_type: str
    subject_id: UUID
    corrupted: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    is_missing: bool = False
    """The row is not there."""
    events: int = 0
    """How many events there are of it."""

    def blame(self, witness: str, reason: str) -> None:
        """Name a witness as corrupted, and why."""
        if witness not in self.corrupted:
            self.corrupted.append(witness)
        self.reasons.append(reason)

    @property
    def holds(self) -> bool:
        return not self.corrupted

    def __str__(self) -> str:
        what = ", ".join(self.corrupted) or "nothing"
        return f"{self.subject_type} {self.subject_id}: {what} corrupted: {'; '.join(self.reasons)}"


@dataclass(slots=True)
class _Witnesses:
    subject_id: UUID
    events: list[Event] = field(default_factory=list)
    row: Any = None
    left: ArchivedStream | None = None
    """The last part of its events that was archived."""


def compare(subject_type: str, subject_id: UUID) -> Verdict:
    """Compare one subject with its events and its entries.

    :raises NoSuchSubject: there is neither a row nor an event of it.
    """
    for verdict in compare_many(subject_type, [subject_id]):
        return verdict
    raise rebuilding.NoSuchSubject(f"there is no {subject_type} {subject_id}, and no event of it")


def compare_many(subject_type: str, subject_ids: Sequence[UUID]) -> Iterator[Verdict]:
    """Compare some subjects of a kind, by key."""
    wanted = list(subject_ids)
    yield from _compare(subject_type, wanted)


def compare_all(subject_type: str) -> Iterator[Verdict]:
    """Compare every subject of a kind, by key, in constant memory, as of one instant of the database.

    What is written meanwhile is not seen. Inside a transaction the caller's isolation counts.
    """
    if connection.in_atomic_block:
        yield from _compare(subject_type, None)
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield from _compare(subject_type, None)


def _compare(subject_type: str, wanted: list[UUID] | None) -> Iterator[Verdict]:
    found = _merged(subject_type, wanted)
    while chunk := list(islice(found, _CHUNK)):
        _note_archived(subject_type, chunk)
        verdicts = [_judge(subject_type, witnesses) for witnesses in chunk]
        _judge_entries(subject_type, chunk, verdicts)
        yield from verdicts


def _merged(subject_type: str, wanted: list[UUID] | None) -> Iterator[_Witnesses]:
    """Return rows and streams of the same subjects side by side; both come in the order of their keys."""
    model = rebuilding.model_of(subject_type)
    table = model._default_manager.order_by("pk")
    rows = (table if wanted is None else table.filter(pk__in=wanted)).iterator(chunk_size=_CHUNK)
    streams = (list(stream) for stream in rebuilding.streams(subject_type, wanted))
    row, stream = next(rows, None), next(streams, None)
    while row is not None or stream is not None:
        key = min(*([row.pk] if row is not None else []), *([stream[0].subject_id] if stream else []), _LAST)
        both = _Witnesses(key)
        if row is not None and row.pk == key:
            both.row, row = row, next(rows, None)
        if stream is not None and stream[0].subject_id == key:
            both.events, stream = stream, next(streams, None)
        yield both


def _note_archived(subject_type: str, chunk: Sequence[_Witnesses]) -> None:
    """Say of the subjects whose first events are not there where they are."""
    begun = [both for both in chunk if not both.events or both.events[0].sequence != 1]
    if not begun:
        return
    left = archived_streams.of_subjects(both.subject_id for both in begun)
    for both in begun:
        own = [row for row in left.get(both.subject_id, ()) if row.subject_type == subject_type]
        both.left = own[-1] if own else None


_LAST: Final = UUID(int=(1 << 128) - 1)


def _judge(subject_type: str, both: _Witnesses) -> Verdict:
    verdict = Verdict(subject_type, both.subject_id, events=len(both.events))
    broken = _chain(both)
    if broken is not None:
        verdict.blame(EVENTS, f"event {broken.sequence}: {broken.reason}")
        return verdict
    rebuilt = rebuilding.fold(both.events)
    if rebuilt is None:
        _judge_without_events(verdict, both)
    elif both.row is None:
        verdict.is_missing = True
        verdict.blame(TABLE, "the row is gone")
    elif both.row.version > rebuilt.sequence and bytes(both.row.event_hash) != rebuilt.event_hash:
        verdict.blame(EVENTS, f"the row knows of event {both.row.version}, the last is {rebuilt.sequence}")
    else:
        verdict.differences = differences(rebuilt, both.row)
        if verdict.differences:
            names = ", ".join(difference.name for difference in verdict.differences)
            verdict.blame(TABLE, f"the row differs from its events in {names}")
    return verdict


def _chain(both: _Witnesses) -> ChainBreak | None:
    events, left = both.events, both.left
    try:
        if left is None:
            return verify_chain(iter(events))
        return verify_chain(iter(events), left.last_sequence, bytes(left.last_hash))
    except KeyError as error:
        return ChainBreak(events[0].id, events[0].sequence, f"the signing key {error} is not known")


def _judge_without_events(verdict: Verdict, both: _Witnesses) -> None:
    row, left = both.row, both.left
    if left is not None:
        if (row.version, bytes(row.event_hash)) != (left.last_sequence, bytes(left.last_hash)):
            verdict.blame(
                TABLE, f"its events end with number {left.last_sequence}, in archive {left.archive}"
            )
    elif row.version:
        verdict.blame(EVENTS, f"the row knows of event {row.version}, and none is there")
    else:
        verdict.blame(TABLE, "the row was never recorded")


def differences(rebuilt: Rebuilt, row: Any) -> list[Difference]:
    """Return the columns in which a row is not what its events tell, by name.

    Of a stream older than the telling of changes only state, version and hash can be compared.
    """
    plain = {"version": rebuilt.sequence, "state": rebuilt.state, "event_hash": rebuilt.event_hash}
    found = [
        Difference(name, changes.encode(value), changes.encode(getattr(row, name)))
        for name, value in plain.items()
        if not changes.agree(changes.encode(value), getattr(row, name))
    ]
    if not rebuilt.is_whole:
        return found
    columns = {column.attname for column in row._meta.concrete_fields}
    model: type[Model] = type(row)
    how = changes.told(model)
    for name, said in sorted(rebuilt.said.items()):
        if name not in columns or changes.agree(said, getattr(row, name)):
            continue
        is_hidden = changes.is_fingerprint(said)
        shown = {"hidden": True} if is_hidden else None
        value = shown or changes.encode(getattr(row, name), is_json=how.plain.get(name, False))
        found.append(Difference(name, shown or said, value))
    return sorted(found, key=lambda difference: difference.name)


def _judge_entries(subject_type: str, chunk: Sequence[_Witnesses], verdicts: Sequence[Verdict]) -> None:
    """Look at the entries that the whole streams of a chunk name, and at those that name its subjects."""
    whole = [(both, verdict) for both, verdict in zip(chunk, verdicts, strict=True) if both.events]
    named = {
        both.subject_id: {event.entry_id for event in both.events if event.entry_id is not None}
        for both, verdict in whole
        if EVENTS not in verdict.corrupted
    }
    if not named:
        return
    every = {entry_id for entry_ids in named.values() for entry_id in entry_ids}
    faults = _faults_of(every)
    claimed = _claims(subject_type, list(named))
    for both, verdict in whole:
        if both.subject_id not in named:
            continue
        mine = named[both.subject_id]
        for entry_id in sorted(mine):
            if entry_id in faults:
                verdict.blame(LEDGER, f"entry {entry_id} {faults[entry_id]}")
        # Of one whose first events were archived, those named there are gone.
        unnamed = set() if both.left else claimed.get(both.subject_id, set()) - mine
        for entry_id in sorted(unnamed):
            verdict.blame(LEDGER, f"entry {entry_id} names it as source, and no event names the entry")


def _faults_of(entry_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return what is wrong with which of these entries."""
    # Their content as `ledger_entry_hash` puts it together; that function is planned anew for each entry.
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT w.id, e.id IS NULL AND NOT EXISTS (
                          SELECT FROM ledger_archive a WHERE a."table" = 'ledger_entry'
                          AND w.id >= ledger_uuid_at(a.range_from) AND w.id < ledger_uuid_at(a.range_to)),
                      e.id IS NULL,
                      e.content_hash IS DISTINCT FROM ledger_content_hash(
                          e.id, e.merchant_id, e.kind, e.source_type, e.source_id, e.step, e.occurred_at,
                          e.reverses_id,
                          (SELECT string_agg(concat_ws(':', p.line, p.account_id, p.currency, p.amount,
                                             p.purpose, coalesce(p.balance_after::text, '')), ','
                                             ORDER BY p.line)
                           FROM ledger_posting p WHERE p.entry_id = e.id)),
                      coalesce((SELECT bool_or(s.total <> 0) FROM (
                          SELECT sum(p.amount) AS total FROM ledger_posting p WHERE p.entry_id = w.id
                          GROUP BY p.currency) s), true)
               FROM unnest(%s::uuid[]) AS w (id) LEFT JOIN ledger_entry e ON e.id = w.id""",
            [list(entry_ids)],
        )
        faults = {}
        for entry_id, is_lost, is_away, is_changed, is_off in cursor.fetchall():
            if is_lost:
                faults[entry_id] = "is not there"
            elif is_away:
                continue  # in the archive of its month, which has a seal of its own
            elif is_off:
                faults[entry_id] = "has no postings or does not balance"
            elif is_changed:
                faults[entry_id] = "is not as it was written"
        return faults


def _claims(subject_type: str, subject_ids: list[UUID]) -> dict[UUID, set[UUID]]:
    """Return the entries that name these subjects as their source."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT source_id, array_agg(entry_id) FROM ledger_fact
               WHERE source_type = %s AND source_id = ANY (%s) GROUP BY 1""",
            [subject_type, subject_ids],
        )
        return {source_id: set(entry_ids) for source_id, entry_ids in cursor.fetchall()}
