"""`record`: the one place where a state changes, with its money and its news, in one database transaction.

    with record(payment, share, actor=actor, cause=cause, at=at) as entry:
        payment.capture(amount)          # the move: one edge of each subject
        entry.post(legs, step="capture:1")   # the money, when the edge posts
        entry.announce(payload)          # the news

It refuses, by exception, in every environment: no phase open; a row that was not locked in it; no edge or
several; an edge that posts without a posting, or the reverse; a subject not announced; a payload with a
forbidden field.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, models

from ledger import changes, events, ids, journal, locks, metrics, outbox, remembering, writing
from ledger.actors import Actor
from ledger.changes import FORBIDDEN_FIELDS
from ledger.events import Cause
from ledger.journal import EntryDraft, Leg
from ledger.models import Event
from ledger.recorded import NotRecorded, Recorded
from ledger.states import Edge
from ledger.writing import Write


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


Condition = Callable[[Any], None]  # asked of a row that was just locked; refuses by raising


def no_answer(result: Any) -> None:
    """Stand in where no request waits for an answer."""


def unconditional(row: Any) -> None:
    """Stand in where nothing is asked of a row before it is changed."""


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
        writing.write(
            *_rows(subjects, written), *outbox.messages(written, at), *_posting(subjects[0], entry, at)
        )
        _written(subjects)
        for subject in subjects:
            if subject.SUBJECT in remembering.hearers:
                remembering.hearers[subject.SUBJECT](subject)
        for edge, _ in moves:
            _counter(edge.event, edge.name).inc()
    finally:
        for subject in subjects:
            subject.__dict__.pop("_recording", None)
            subject.__dict__.pop("_edges_taken", None)


@cache
def _counter(event: str, edge: str) -> Any:
    return metrics.transitions.labels(event.partition(".")[0], edge)


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


def _posting(subject: Any, entry: Entry, at: datetime) -> list[Write]:
    if entry.entry_id is None:
        return []
    draft = EntryDraft(
        id=entry.entry_id, merchant_id=subject.merchant_id, kind=entry.kind, source_type=subject.SUBJECT,
        source_id=subject.pk, step=entry.step, occurred_at=at, legs=entry.legs, reverses_id=entry.reverses_id,
    )  # fmt: skip
    return [journal.posting(draft)]


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


def _rows(subjects: Sequence[Any], written: Sequence[Event]) -> list[Write]:
    """Return the writes of the events and of each model's new and changed rows."""
    by_model: dict[type[models.Model], list[Any]] = {}
    for subject in subjects:
        by_model.setdefault(type(subject), []).append(subject)
    writes = [writing.inserting(Event, written)] if written else []
    for model, rows in by_model.items():
        new = [row for row in rows if row._state.adding]
        old = [row for row in rows if not row._state.adding]
        if new:
            writes.append(writing.inserting(model, new))
        if old:
            writes.append(
                writing.moving(model, old, frozenset(name for row in old for name in _changed(row)))
            )
    return writes


def _written(subjects: Sequence[Any]) -> None:
    """Mark the rows as the database has them; what it filled itself is read when somebody asks for it."""
    unit = locks.require_phase()
    for subject in subjects:
        if subject._state.adding:
            model: type[models.Model] = type(subject)
            for name in _filled_by_database(model):
                subject.__dict__.pop(name, None)
        # The library knows the connection by this name, also where the owner stands in.
        subject._state.adding, subject._state.db = False, DEFAULT_DB_ALIAS
        locks.stamp(subject, unit)


@cache
def _filled_by_database(model: type[models.Model]) -> tuple[str, ...]:
    return tuple(field.attname for field in model._meta.concrete_fields if field.has_db_default())


def _changed(row: models.Model) -> list[str]:
    before, now = row.__dict__["_before"], row.__dict__
    return [name for name in _attributes(type(row)) if before.get(name) != now.get(name)]


@cache
def _attributes(model: type[models.Model]) -> tuple[str, ...]:
    return tuple(field.attname for field in model._meta.concrete_fields if not field.primary_key)
