"""Who explains what: every floor registers for its own ids and causes in `<app>/explanations.py`.

An id is `prefix_rest`; `@explains` gives the function that knows the prefix. A function is asked once for all
the ids of a level, so that the number of queries does not grow with their number. A merchant sees only what
is its own: `Scope` says whose.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.apps import apps

from ledger import ids
from ledger.explain.types import Explanation, Link
from ledger.models import ArchivedStream, Event, JournalEntry, Posting
from ledger.recorded import Recorded


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose things may be seen; None is the house itself (staff, the day's proof).

    `archived_rows_max` bounds what is read of archive files for one request; None reads any number.
    """

    merchant_id: UUID | None = None
    archived_rows_max: int | None = None

    def of(self, rows: Any, field: str = "merchant_id") -> Any:
        """Return those rows of a queryset that may be seen."""
        return rows if self.merchant_id is None else rows.filter(**{field: self.merchant_id})


HOUSE: Final = Scope()

Explainer = Callable[[Sequence[str], Scope], dict[str, Explanation]]
EventCauses = Callable[[Sequence[Event], Scope], dict[UUID, list[Link]]]
PostingCauses = Callable[[Sequence[tuple[JournalEntry, Posting]], Scope], dict[tuple[UUID, int], list[Link]]]

explainers: Final[dict[str, Explainer]] = {}
event_causes: Final[dict[str, EventCauses]] = {}
posting_causes: Final[dict[str, PostingCauses]] = {}
_links: Final[dict[str, Callable[[str], Link]]] = {}
_prefixes: Final[dict[str, str]] = {}
_namers: Final[dict[type, Callable[[Any], str]]] = {}


def explains(prefix: str) -> Callable[[Explainer], Explainer]:
    """Register the function that explains ids of a prefix; it gets what follows the prefix."""

    def register(function: Explainer) -> Explainer:
        explainers[prefix] = function
        return function

    return register


def causes_events(subject_type: str) -> Callable[[EventCauses], EventCauses]:
    """Register a function that knows further causes of events of a kind of subject."""

    def register(function: EventCauses) -> EventCauses:
        event_causes[subject_type] = function
        return function

    return register


def causes_postings(source_type: str) -> Callable[[PostingCauses], PostingCauses]:
    """Register a function that knows further causes of postings, by the source of their entry."""

    def register(function: PostingCauses) -> PostingCauses:
        posting_causes[source_type] = function
        return function

    return register


def links_cause(cause_type: str) -> Callable[[Callable[[str], Link]], Callable[[str], Link]]:
    """Register how the cause that an event names is linked; the function gets the cause's id."""

    def register(function: Callable[[str], Link]) -> Callable[[str], Link]:
        _links[cause_type] = function
        return function

    return register


def link_of(cause_type: str, cause_id: str) -> Link | None:
    """Return the link for the cause that an event names; None when no floor knows such causes."""
    known = _links.get(cause_type)
    return known(cause_id) if known else None


def refers_to(model: type) -> Callable[[Callable[[Any], str]], Callable[[Any], str]]:
    """Register how a row without a public id is referred to."""

    def register(function: Callable[[Any], str]) -> Callable[[Any], str]:
        _namers[model] = function
        return function

    return register


def ref_of(thing: Any) -> str:
    """Return the id under which an object is explained.

    :raises LookupError: nobody explains such objects.
    """
    if isinstance(thing, str):
        return thing
    known = _namers.get(type(thing))
    ref = known(thing) if known else getattr(thing, "public_id", "")
    if not ref or ref.partition("_")[0] not in explainers:
        raise LookupError(f"nobody explains a {type(thing).__name__}")
    return str(ref)


def subject_ref(subject_type: str, subject_id: UUID) -> str:
    """Return the public id of a subject of some floor; empty when no model says what it is."""
    if not _prefixes:
        _prefixes.update(
            {model.SUBJECT: model.PREFIX for model in apps.get_models() if issubclass(model, Recorded)}
        )
    prefix = _prefixes.get(subject_type, "")
    return ids.show(prefix, subject_id) if prefix in explainers else ""


def first_events(subject_ids: Iterable[UUID], scope: Scope) -> dict[UUID, str]:
    """Return the ids of the first events of subjects, how each came to be, wherever they lie.

    Of what left before archives told first events, they are the ids of the archives.
    """
    wanted = set(subject_ids)
    rows = scope.of(Event.objects.filter(subject_id__in=wanted, sequence=1))
    found = {row[0]: ids.show("evt", row[1]) for row in rows.values_list("subject_id", "pk")}
    if len(found) < len(wanted):
        left = scope.of(ArchivedStream.objects.filter(subject_id__in=wanted - found.keys(), first_sequence=1))
        for key, archive, event in left.values_list("subject_id", "archive", "first_event"):
            found[key] = ids.show("evt", event) if event else f"arc_{archive}"
    return found


def keys_of(prefix: str, tails: Iterable[str]) -> dict[UUID, str]:
    """Return the keys that the ends of ids name, each with the end; what is no id is left out."""
    found: dict[UUID, str] = {}
    for tail in tails:
        try:
            found[ids.parse(prefix, f"{prefix}_{tail}")] = tail
        except ids.BadId:
            continue
    return found


def numbers_of(tails: Iterable[str]) -> dict[int, str]:
    """Return the whole numbers that the ends of ids name, each with the end."""
    return {int(tail): tail for tail in tails if tail.isascii() and tail.isdigit() and len(tail) < 19}
