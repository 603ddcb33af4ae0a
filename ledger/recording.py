"""`record`: the one place where a state changes, with its money and its news, in one database transaction.

    with record(payment, share, actor=actor, cause=cause, at=at) as entry:
        payment.capture(amount)          # the move: one edge of each subject
        entry.post(legs, step="capture:1")   # the money, when the edge posts
        entry.announce(payload)          # the news

It refuses, by exception, in every environment: no phase open; a row that was not locked in it; no edge or
several; an edge that posts without a posting, or the reverse; a subject not announced; a payload with a
forbidden field.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection, models

from ledger import changes, events, ids, journal, locks, metrics, outbox
from ledger.actors import Actor
from ledger.changes import FORBIDDEN_FIELDS
from ledger.events import Cause
from ledger.journal import EntryDraft, Leg
from ledger.models import Event
from ledger.recorded import NotRecorded, Recorded
from ledger.states import Edge


class Entry:
    """What a step says about itself while it runs."""

    def __init__(self, subjects: Sequence[Recorded]) -> None:
        self._first = subjects[0]
        self.payloads: dict[UUID, dict[str, Any]] = {}
        self.legs: Sequence[Leg] = ()
        self.step = ""
        self.kind = ""
        self.reverses_id: UUID | None = None
        self.entry_id: UUID | None = None

    def post(
        self, legs: Sequence[Leg], *, step: str, kind: str = "", reverses_id: UUID | None = None
    ) -> UUID:
        """Post these legs with the step; `step` is unique for the first subject. Returns the entry's id.

        `reverses_id` names the entry that this one takes back; an entry is taken back once.
        """
        if self.entry_id is not None:
            raise NotRecorded("a step posts once")
        self.legs, self.step, self.kind = legs, step, kind or step.partition(":")[0]
        self.reverses_id = reverses_id
        self.entry_id = ids.uuid7()
        return self.entry_id

    def announce(self, payload: dict[str, Any], subject: Recorded | None = None) -> None:
        """Give the event's payload of a subject (the first one when none is named)."""
        forbidden = FORBIDDEN_FIELDS & payload.keys()
        if forbidden:
            raise NotRecorded(f"an event may not hold {sorted(forbidden)}")
        self.payloads[(subject or self._first).pk] = payload


def no_answer(result: Any) -> None:
    """Stand in where no request waits for an answer."""


@contextmanager
def record(*subjects: Any, actor: Actor, at: datetime, cause: Cause | None = None) -> Iterator[Entry]:
    """Run one step of one or more subjects of one merchant; on leaving, write all that it did.

    The first subject is the one whose fact is posted; the events of all of them name the entry.

    :raises NotRecorded: the step breaks a rule above.
    """
    locks.require_phase()
    for subject in subjects:
        _check_before(subject)
    entry = Entry(subjects)
    for subject in subjects:
        subject.__dict__["_recording"] = True
    try:
        yield entry
        moves = [_move_of(subject) for subject in subjects]
        _check_after(subjects, [edge for edge, _ in moves], entry, actor)
        written = _events(subjects, moves, entry, actor, cause or Cause(), at)
        _save(subjects, written)
        outbox.enqueue(written, at)
        # Last, for it locks the accounts that others' payments hit too until the phase commits.
        _post(subjects[0], entry, at)
        for edge, _ in moves:
            metrics.transitions.labels(edge.event.partition(".")[0], edge.name).inc()
    finally:
        for subject in subjects:
            subject.__dict__.pop("_recording", None)
            subject.__dict__.pop("_edges_taken", None)


def _check_before(subject: Recorded) -> None:
    if subject.__dict__.get("_recording"):
        raise NotRecorded(f"{subject.SUBJECT} is being recorded already")
    if not subject._state.adding and not locks.is_locked(subject):
        raise NotRecorded(f"{subject.SUBJECT} {subject.pk} was not locked in this phase")


def _move_of(subject: Recorded) -> tuple[Edge, str]:
    taken: list[tuple[Edge, str]] = subject.__dict__.get("_edges_taken", [])
    if len(taken) != 1:
        raise NotRecorded(f"{subject.SUBJECT} took {len(taken)} edges in one step; it must take one")
    return taken[0]


def _check_after(subjects: Sequence[Recorded], edges: Sequence[Edge], entry: Entry, actor: Actor) -> None:
    if any(edge.posts for edge in edges) != (entry.entry_id is not None):
        raise NotRecorded(f"edges {[edge.name for edge in edges]} and the posting do not agree")
    for subject, edge in zip(subjects, edges, strict=True):
        if subject.pk not in entry.payloads:
            raise NotRecorded(f"{edge.event} was not announced")
        if edge.by is not None and edge.by != actor.kind:
            raise NotRecorded(f"{edge.name} is for {edge.by} only, not for {actor.kind}")


def _post(subject: Any, entry: Entry, at: datetime) -> None:
    if entry.entry_id is None:
        return
    journal.post(
        [
            EntryDraft(
                id=entry.entry_id, merchant_id=subject.merchant_id, kind=entry.kind,
                source_type=subject.SUBJECT, source_id=subject.pk, step=entry.step, occurred_at=at,
                legs=entry.legs, reverses_id=entry.reverses_id,
            )
        ]
    )  # fmt: skip


def _events(
    subjects: Sequence[Any], moves: Sequence[tuple[Edge, str]], entry: Entry, actor: Actor, cause: Cause,
    at: datetime,
) -> list[Event]:  # fmt: skip
    written = []
    for subject, (edge, was) in zip(subjects, moves, strict=True):
        said = _said(subject)
        subject.version += 1
        event = events.build(
            events.Fact(
                id=ids.uuid7(), merchant_id=subject.merchant_id, subject_type=subject.SUBJECT,
                subject_id=subject.pk, sequence=subject.version, type=edge.event, from_state=was,
                to_state=subject.state, payload=entry.payloads[subject.pk], changes=said, cause=cause,
                actor=actor, entry_id=entry.entry_id, occurred_at=at, previous_hash=bytes(subject.event_hash),
            )
        )  # fmt: skip
        subject.event_hash = event.hash
        written.append(event)
    return written


def _said(subject: Any) -> changes.Changes:
    if subject._state.adding:
        return changes.all_of(subject)
    return changes.since(subject, subject.__dict__["_before"])


def _save(subjects: Sequence[Any], written: Sequence[Event]) -> None:
    """Write the rows and their events in one statement: each model's new rows, its changed rows, the events.

    Models with columns that the database fills are inserted by the library, which reads them back.
    """
    unit = locks.require_phase()
    by_model: dict[type[models.Model], list[Any]] = {}
    for subject in subjects:
        by_model.setdefault(type(subject), []).append(subject)
    steps = [_inserting(Event, written)] if written else []
    for model, rows in by_model.items():
        new = [row for row in rows if row._state.adding]
        old = [row for row in rows if not row._state.adding]
        if new and any(field.has_db_default() for field in model._meta.concrete_fields):
            model._base_manager.bulk_create(new)
        elif new:
            steps.append(_inserting(model, new))
        if old:
            steps.append(_moving(model, old))
    if steps:
        *others, (last, values) = steps
        named = ", ".join(f"step{number} AS ({sql})" for number, (sql, _) in enumerate(others))
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH {named} {last}" if named else last,
                [value for _, more in others for value in more] + values,
            )
    # The library knows the connection by this name, also where the owner stands in.
    for row in (*subjects, *written):
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
    for subject in subjects:
        locks.stamp(subject, unit)


def _inserting(model: type[models.Model], rows: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return the statement that adds rows, and its values: a fraction of the CPU of Django's bulk_create."""
    fields = [field for field in model._meta.concrete_fields if not field.has_db_default()]
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in fields)
    line = f"({', '.join(['%s'] * len(fields))})"
    values = [
        field.get_db_prep_save(field.pre_save(row, True), connection) for row in rows for field in fields
    ]
    lines = ", ".join([line] * len(rows))
    return f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES {lines}", values  # noqa: S608 - our names


def _moving(model: type[models.Model], rows: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return the statement that writes what changed of several rows, and its values: a tenth of the CPU of
    Django's bulk_update."""
    names = {name for row in rows for name in _changed(row)}
    fields = [field for field in model._meta.concrete_fields if field.primary_key or field.name in names]
    quote = connection.ops.quote_name
    # CAST, for a minus before a bound number binds looser than `::` and would refuse the smallest of a type.
    line = f"({', '.join(f'CAST(%s AS {field.db_type(connection)})' for field in fields)})"
    key = quote(str(model._meta.pk.column))
    columns = [quote(str(field.column)) for field in fields]
    moved = ", ".join(f"{column} = new.{column}" for column in columns if column != key)
    sql = (
        f"UPDATE {quote(model._meta.db_table)} AS old SET {moved} "  # noqa: S608 - names of our own columns
        f"FROM (VALUES {', '.join([line] * len(rows))}) AS new ({', '.join(columns)}) "
        f"WHERE old.{key} = new.{key}"
    )
    values = [
        field.get_db_prep_save(row.__dict__[field.attname], connection) for row in rows for field in fields
    ]
    return sql, values


def _changed(row: models.Model) -> list[str]:
    before = row.__dict__["_before"]
    return [
        field.name
        for field in row._meta.concrete_fields
        if not field.primary_key and before.get(field.attname) != row.__dict__.get(field.attname)
    ]
