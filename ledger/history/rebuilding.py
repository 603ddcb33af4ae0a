"""Rows from their events: as they stand, at a sequence, or at an instant; one by one or streamed by the
hundred thousand.

There is no reducer for each kind of row: an event tells the fields that its step changed (`ledger.changes`),
and the fold of a stream's beginning is the row. An instant is either `recorded` (what we knew then) or
`occurred` (what had happened by then). Neither clock need follow the sequence to the microsecond, so a step
counts as no earlier than the step before it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, groupby, takewhile
from typing import Any, Final
from uuid import UUID

from django.apps import apps

from ledger import changes
from ledger.archives import streams as archived_streams
from ledger.errors import Invalid, NotFound
from ledger.models import Event
from ledger.recorded import Recorded

_CHUNK: Final = 2_000


class NoSuchSubject(NotFound):
    """Nothing of this kind is recorded, or no event of it is there at that time."""

    code = "subject_not_found"
    advice = "Look at the kind and the id; at a time before its first event there was none."


class NotTold(Invalid):
    """The stream begins before events told what they changed, so the row cannot be rebuilt."""

    code = "history_not_told"


@dataclass(frozen=True, slots=True)
class Until:
    """Up to where a stream is read; all given limits hold together, none reads it to its end."""

    sequence: int | None = None
    occurred_at: datetime | None = None
    recorded_at: datetime | None = None

    def covers(self, event: Event) -> bool:
        """Say whether an event is within the limits."""
        return (
            (self.sequence is None or event.sequence <= self.sequence)
            and (self.occurred_at is None or event.occurred_at <= self.occurred_at)
            and (self.recorded_at is None or event.recorded_at <= self.recorded_at)
        )


END: Final = Until()


@dataclass(slots=True)
class Rebuilt:
    """A row as its events tell it. `said` holds the told columns as they were encoded."""

    subject_type: str
    subject_id: UUID
    merchant_id: UUID
    sequence: int = 0
    state: str = ""
    event_hash: bytes = b""
    occurred_at: datetime | None = None
    recorded_at: datetime | None = None
    is_whole: bool = False
    said: dict[str, Any] = field(default_factory=dict)
    entry_ids: list[UUID] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Fold one more event into the row."""
        if event.changes is not None and event.sequence == self.sequence + 1:
            self.is_whole = self.is_whole or event.sequence == 1
            self.said.update(event.changes)
        else:
            self.is_whole = False
        self.sequence, self.state, self.event_hash = event.sequence, event.to_state, bytes(event.hash)
        self.occurred_at, self.recorded_at = event.occurred_at, event.recorded_at
        if event.entry_id is not None:
            self.entry_ids.append(event.entry_id)

    @property
    def hidden(self) -> list[str]:
        """The columns of which the history keeps only a fingerprint."""
        return sorted(name for name, said in self.said.items() if changes.is_fingerprint(said))

    def values(self) -> dict[str, Any]:
        """Return the row's columns with their values; hidden ones are left out.

        :raises NotTold: the stream does not tell the whole row.
        """
        if not self.is_whole:
            raise NotTold(f"the events of {self.subject_type} {self.subject_id} do not tell the whole row")
        told = {
            name: changes.decode(said) for name, said in self.said.items() if not changes.is_fingerprint(said)
        }
        return {
            "id": self.subject_id, "version": self.sequence, "state": self.state,
            "event_hash": self.event_hash, **told,
        }  # fmt: skip

    def row(self) -> Any:
        """Return the rebuilt row as an instance of its model, not saved; hidden columns are not set.

        :raises NotTold: as above. :raises NoSuchSubject: there is no such kind of row.
        """
        model: Any = model_of(self.subject_type)
        names = [f.attname for f in model._meta.concrete_fields]
        values = self.values()
        known = [name for name in names if name in values]
        return model.from_db("default", known, [values[name] for name in known])


def models() -> dict[str, type[Recorded]]:
    """Return every kind of row that is rebuilt from its events, by the name of its subject."""
    found = {m.SUBJECT: m for m in apps.get_models() if issubclass(m, Recorded) and m._meta.managed}
    return dict(sorted(found.items()))


def model_of(subject_type: str) -> type[Recorded]:
    """Return the model of a kind of subject.

    :raises NoSuchSubject: there is none of this name.
    """
    found = models().get(subject_type)
    if found is None:
        raise NoSuchSubject(f"{subject_type} is not a kind of row with a history", kinds=sorted(models()))
    return found


def fold(events: Iterable[Event]) -> Rebuilt | None:
    """Return the row that events of one subject tell, in their sequence; None when there are none."""
    rebuilt: Rebuilt | None = None
    for event in events:
        if rebuilt is None:
            rebuilt = Rebuilt(event.subject_type, event.subject_id, event.merchant_id)
        rebuilt.take(event)
    return rebuilt


def rebuild(subject_type: str, subject_id: UUID, until: Until = END) -> Rebuilt:
    """Return a subject as its events tell it, up to a sequence or an instant; those that were archived are
    read from their files.

    :raises NoSuchSubject: no event of it is there (yet). :raises HistoryArchived: they are in a file that is
        not here. :raises BadArchive: that file is not as it was sealed.
    """
    rebuilt = fold(takewhile(until.covers, stream_of(subject_type, subject_id)))
    if rebuilt is None:
        raise NoSuchSubject(f"no event of {subject_type} {subject_id} is there at that time")
    return rebuilt


def stream_of(subject_type: str, subject_id: UUID, rows_max: int | None = None) -> Iterator[Event]:
    """Return a subject's events in sequence, those that were archived from their files.

    :raises HistoryArchived: a file is not here. :raises BadArchive: it is not as it was sealed.
    :raises HistoryTooLarge: its archives have more rows than may be read.
    """
    live = Event.objects.filter(subject_type=subject_type, subject_id=subject_id).order_by("sequence")
    left = archived_streams.events_of(subject_type, subject_id, rows_max)
    return chain(left, live.iterator(chunk_size=500))


@dataclass(slots=True)
class History:
    """A subject now and then (None: there was nothing of it yet), and one page of its steps."""

    now: Rebuilt
    then: Rebuilt | None
    page: int
    pages: int
    steps: list[Event]


def history(
    subject_type: str, subject_id: UUID, until: Until = END, page: int | None = None, *,
    size: int, rows_max: int | None = None,
) -> History:  # fmt: skip
    """Return a subject's history, read once; of its steps only a page is kept: that of `then` unless told.

    :raises NoSuchSubject: no event of it is there, or it has no such page. :raises HistoryArchived:
    :raises BadArchive: :raises HistoryTooLarge: as `stream_of` does.
    """
    now: Rebuilt | None = None
    then: Rebuilt | None = None
    is_covered, steps, shown = True, list[Event](), 1
    for place, event in enumerate(stream_of(subject_type, subject_id, rows_max)):
        on_page = place // size + 1
        now = now or Rebuilt(event.subject_type, event.subject_id, event.merchant_id)
        now.take(event)
        is_covered = is_covered and until.covers(event)
        if is_covered:
            then = then or Rebuilt(event.subject_type, event.subject_id, event.merchant_id)
            then.take(event)
        if page is None and is_covered and on_page != shown:
            steps, shown = [], on_page
        if on_page == (page or shown):
            steps.append(event)
    if now is None or not steps:
        raise NoSuchSubject(f"no event of {subject_type} {subject_id} is there, or not so many")
    return History(now, then, page or shown, place // size + 1, steps)


def streams(subject_type: str, subject_ids: Iterable[UUID] | None = None) -> Iterator[Iterator[Event]]:
    """Return the streams of all subjects of a kind, one after the other by key, in constant memory.

    Each stream must be read before the next one is asked for.
    """
    events = Event.objects.filter(subject_type=subject_type)
    if subject_ids is not None:
        events = events.filter(subject_id__in=list(subject_ids))
    ordered = events.order_by("subject_id", "sequence").iterator(chunk_size=_CHUNK)
    for _, stream in groupby(ordered, key=lambda event: event.subject_id):
        yield stream
