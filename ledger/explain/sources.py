"""The entries of business facts, for floors that explain their figures by postings: from the tables, or from
the archive of a month that left. The register of facts names them; it is never archived."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from ledger.explain import archived
from ledger.explain.registry import Scope
from ledger.models import JournalEntry, PostedFact, Posting


@dataclass(frozen=True, slots=True)
class Booked:
    """Entries with their postings in order, whose accounts are at hand, and why some could not be read."""

    entries: Sequence[tuple[JournalEntry, Sequence[Posting]]]
    unread: dict[UUID, str]
    """By the id of the source."""

    def lacking(self, source_ids: Iterable[UUID]) -> tuple[str, ...]:
        """Return why entries of these sources are lacking, each reason once."""
        return tuple(dict.fromkeys(self.unread[key] for key in source_ids if key in self.unread))


def booked(source_types: Collection[str], source_ids: Collection[UUID], scope: Scope) -> Booked:
    """Return what is in the books of these sources, wherever it lies."""
    if not source_ids:
        return Booked((), {})
    facts = scope.of(PostedFact.objects.filter(source_id__in=source_ids, source_type__in=source_types))
    sources = dict(facts.values_list("entry_id", "source_id"))
    found = in_books(sources, scope)
    return Booked(found.entries, {sources[key]: why for key, why in found.unread.items()})


def in_books(entry_ids: Collection[UUID], scope: Scope) -> Booked:
    """Return entries with their postings, wherever they lie; `unread` is by the entry's own id here."""
    wanted = set(entry_ids)
    here = scope.of(JournalEntry.objects.filter(pk__in=wanted)).in_bulk()
    legs: dict[UUID, list[Posting]] = {}
    rows = Posting.objects.filter(entry_id__in=list(here)).select_related("account") if here else ()
    for leg in rows:
        legs.setdefault(leg.entry_id, []).append(leg)
    read = archived.entries(wanted - here.keys(), scope)
    legs |= {key: read.postings[key] for key in wanted & read.postings.keys()}
    entries = here | {key: read.entries[key] for key in wanted & read.entries.keys()}
    pairs = [
        (entry, sorted(legs.get(key, ()), key=lambda leg: leg.line)) for key, entry in sorted(entries.items())
    ]
    return Booked(pairs, {key: read.unread[key] for key in wanted & read.unread.keys()})
