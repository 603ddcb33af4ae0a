"""The ledger explains its own: a posting by its entry, an entry by the event that posted it, an event by its
cause and by who acted."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from ledger import ids
from ledger.chart import CHART, Code
from ledger.explain import acts, archived, archives, seals
from ledger.explain.archived import Found
from ledger.explain.registry import (
    Scope,
    event_causes,
    explains,
    keys_of,
    link_of,
    posting_causes,
    refers_to,
)
from ledger.explain.types import MISSING, Explanation, Link, Part, Seal, SealState, one, summed
from ledger.models import Event, JournalEntry, Posting
from ledger.money import Money
from ledger.owners import names_of

ENTRY, EVENT = "jnl", "evt"


def entry_ref(entry_id: UUID) -> str:
    """Return the id under which an entry is explained."""
    return ids.show(ENTRY, entry_id)


def posting_ref(entry_id: UUID, line: int) -> str:
    """Return the id under which a posting is explained: that of its entry, and its line."""
    return f"{entry_ref(entry_id)}.{line}"


def event_ref(event_id: UUID) -> str:
    """Return the id under which an event is explained."""
    return ids.show(EVENT, event_id)


@refers_to(JournalEntry)
def _of_entry(entry: JournalEntry) -> str:
    return entry_ref(entry.pk)


@refers_to(Posting)
def _of_posting(posting: Posting) -> str:
    return posting_ref(posting.entry_id, posting.line)


@refers_to(Event)
def _of_event(event: Event) -> str:
    return event_ref(event.pk)


@explains(ENTRY)
def entries_and_postings(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain entries (`jnl_…`) and their postings (`jnl_….3`)."""
    heads = {tail: tail.partition(".")[0] for tail in tails}
    keys = {head: key for key, head in keys_of(ENTRY, set(heads.values())).items()}
    entries = scope.of(JournalEntry.objects.filter(pk__in=list(keys.values()))).in_bulk()
    read = archived.entries(set(keys.values()) - entries.keys(), scope)
    postings = _postings_of(list(entries), read)
    entries |= {key: read.entries[key] for key in keys.values() if key in read.entries}
    whole = {entries[keys[tail]].pk for tail in heads if keys.get(tail) in entries}
    found = _entries([entries[key] for key in whole], postings, scope, read) if whole else {}
    wanted = {
        tail: posting
        for tail, head in heads.items()
        if tail != head and keys.get(head) in entries
        for posting in postings.get(keys[head], ())
        if tail == f"{head}.{posting.line}"
    }
    away = {tail: read.unread[keys[head]] for tail, head in heads.items() if keys.get(head) in read.unread}
    return found | _postings(wanted, entries, scope, read) | _unread(ENTRY, away)


def _postings_of(entry_ids: Sequence[UUID], read: Found) -> dict[UUID, list[Posting]]:
    found = dict(read.postings)
    if entry_ids:
        rows = Posting.objects.filter(entry_id__in=entry_ids).select_related("account")
        for posting in rows.order_by("entry_id", "line"):
            found.setdefault(posting.entry_id, []).append(posting)
    return found


def _unread(prefix: str, away: dict[str, str]) -> dict[str, Explanation]:
    """Say of what lies in archives why it could not be read."""
    return {
        tail: Explanation(f"{prefix}_{tail}", MISSING, f"not here: {why}", problems=(why,))
        for tail, why in away.items()
    }


def _entries(
    entries: Sequence[JournalEntry], postings: dict[UUID, list[Posting]], scope: Scope, read: Found
) -> dict[str, Explanation]:
    here = [entry.pk for entry in entries if entry.pk not in read.entries]
    left = [entry for entry in entries if entry.pk in read.entries]
    states = seals.of_entries(here) | seals.of_archived(read, [entry.pk for entry in left])
    named = events_of(entries, scope)
    unnamed = [entry for entry in left if entry.pk not in named]
    if unnamed:
        for event in sorted(archived.events_of(unnamed, scope).events.values(), key=lambda one: one.pk):
            if event.entry_id is not None:
                named.setdefault(event.entry_id, []).append(event)
    names = names_of(posting.account.owner for entry in entries for posting in postings.get(entry.pk, ()))
    found = {}
    for entry in entries:
        ref = entry_ref(entry.pk)
        legs = [
            Part(
                leg_text(leg, names), Money(leg.amount, leg.currency), posting_ref(entry.pk, leg.line), False
            )
            for leg in postings.get(entry.pk, ())
        ]
        problems = _seal_problems(states[entry.pk])
        if not legs:
            problems += ("it has no postings",)
        if entry.pk not in named:
            problems += (
                read.unread.get(entry.pk, "no event names this entry: nothing says why it was posted"),
            )
        found[ref.partition("_")[2]] = Explanation(
            ref=ref,
            kind="journal entry",
            title=f"{_words(entry.kind)} of {_words(entry.source_type)}, step {entry.step}",
            amounts=tuple(Money.zero(money.currency) for money in summed(leg.amount for leg in legs)),
            parts=tuple(legs),
            causes=tuple(
                Link("posted by the event", event.type, event_ref(event.pk))
                for event in named.get(entry.pk, ())[:1]
            )
            + read_from(read, entry.pk),
            evidence=(("content hash", bytes(entry.content_hash).hex()), *_reversal(entry)),
            seal=states[entry.pk],
            problems=problems,
            at=entry.occurred_at,
            page=_page(read, entry.pk, "ledger_journalentry"),
        )
    return found


def read_from(read: Found, key: UUID) -> tuple[Link, ...]:
    """Return from which archive an entry or event was read; nothing for what stands in the tables."""
    archive = read.archives.get(key)
    return (Link("read from the archive", "", archives.archive_ref(archive.number)),) if archive else ()


def _page(read: Found, key: UUID, page: str) -> tuple[str, str]:
    archive = read.archives.get(key)
    return ("ledger_archivefile", str(archive.number)) if archive else (page, str(key))


def events_of(entries: Sequence[JournalEntry], scope: Scope) -> dict[UUID, list[Event]]:
    """Return the events that name entries: those of the entry's own source first."""
    keys = [entry.pk for entry in entries]
    sources = {entry.pk: entry.source_id for entry in entries}
    rows = scope.of(Event.objects.filter(subject_id__in=set(sources.values()), entry_id__in=keys))
    found: dict[UUID, list[Event]] = {}
    for event in rows.order_by("id"):
        if event.entry_id is not None:
            found.setdefault(event.entry_id, []).append(event)
    left = [key for key in keys if key not in found]
    if left:
        # An event is made after its entry, in the same moment: the merchant's events of that time are few.
        for event in _events_nearby(left, entries, scope):
            if event.entry_id is not None:
                found.setdefault(event.entry_id, []).append(event)
    return found


def _events_nearby(keys: list[UUID], entries: Sequence[JournalEntry], scope: Scope) -> Iterable[Event]:
    merchants = {entry.merchant_id for entry in entries if entry.pk in set(keys)}
    low, high = UUID(int=min(keys).int - (NEARBY_MS << 80)), UUID(int=max(keys).int + (NEARBY_MS << 80))
    rows = Event.objects.filter(merchant_id__in=merchants, id__gte=low, id__lte=high, entry_id__in=keys)
    return scope.of(rows).order_by("id")


NEARBY_MS = 60_000


def _postings(
    wanted: dict[str, Posting], entries: dict[UUID, JournalEntry], scope: Scope, read: Found
) -> dict[str, Explanation]:
    names = names_of(posting.account.owner for posting in wanted.values())
    more = _posting_causes(list(wanted.values()), entries, scope)
    found = {}
    for tail, posting in wanted.items():
        entry = entries[posting.entry_id]
        found[tail] = Explanation(
            ref=posting_ref(posting.entry_id, posting.line),
            kind="posting",
            title=leg_text(posting, names),
            amounts=one(Money(posting.amount, posting.currency)),
            causes=(
                Link("line of the entry", _words(entry.kind), entry_ref(entry.pk)),
                *more.get((posting.entry_id, posting.line), ()),
            ),
            at=entry.occurred_at,
            page=_page(read, entry.pk, "ledger_journalentry"),
        )
    return found


def _posting_causes(
    postings: Sequence[Posting], entries: dict[UUID, JournalEntry], scope: Scope
) -> dict[tuple[UUID, int], list[Link]]:
    by_source: dict[str, list[tuple[JournalEntry, Posting]]] = {}
    for posting in postings:
        entry = entries[posting.entry_id]
        by_source.setdefault(entry.source_type, []).append((entry, posting))
    found: dict[tuple[UUID, int], list[Link]] = {}
    for source, pairs in by_source.items():
        if source in posting_causes:
            found |= posting_causes[source](pairs, scope)
    return found


@explains(EVENT)
def events_themselves(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain events: what caused them, and who acted."""
    keys = keys_of(EVENT, tails)
    rows = list(scope.of(Event.objects.filter(pk__in=list(keys))))
    states = seals.of_events(rows)
    read = archived.events(keys.keys() - states.keys(), scope)
    left = [read.events[key] for key in keys if key in read.events]
    states |= seals.of_archived(read, [event.pk for event in left]) if left else {}
    rows += left
    by_type: dict[str, list[Event]] = {}
    for event in rows:
        by_type.setdefault(event.subject_type, []).append(event)
    more: dict[UUID, list[Link]] = {}
    for subject_type, events in by_type.items():
        if subject_type in event_causes:
            more |= event_causes[subject_type](events, scope)
    actors = acts.actors_of(rows, scope)
    found = {keys[event.pk]: _event(event, states[event.pk], more, actors, read) for event in rows}
    return found | _unread(EVENT, {keys[key]: why for key, why in read.unread.items() if key in keys})


def _event(
    event: Event, state: SealState, more: dict[UUID, list[Link]], actors: dict[UUID, Link], read: Found
) -> Explanation:
    causes = [actors[event.pk]]
    named = link_of(event.cause_type, event.cause_id) if event.cause_type else None
    problems = _seal_problems(state)
    if named is not None:
        causes.insert(0, named)
    elif event.cause_type:
        problems += (f"its cause, {event.cause_type} {event.cause_id}, is of a kind that nobody explains",)
    return Explanation(
        ref=event_ref(event.pk),
        kind="event",
        title=f"{_words(event.type)}: {_words(event.from_state) or 'new'} → {_words(event.to_state)}",
        causes=(*causes, *more.get(event.pk, ()), *read_from(read, event.pk)),
        evidence=(
            ("sequence", f"{event.sequence} of {_words(event.subject_type)}"),
            ("signature", bytes(event.hash).hex()),
            ("signing key", event.key_id),
        ),
        seal=state,
        problems=problems,
        at=event.occurred_at,
        page=_page(read, event.pk, "ledger_event"),
    )


def _seal_problems(state: SealState) -> tuple[str, ...]:
    return ("its content is not what was written and signed",) if state.seal is Seal.BROKEN else ()


def _reversal(entry: JournalEntry) -> tuple[tuple[str, str], ...]:
    return (("takes back", entry_ref(entry.reverses_id)),) if entry.reverses_id else ()


def leg_text(posting: Posting, names: dict[str, str]) -> str:
    """Return a posting in words; its account must be selected with it."""
    account, side = posting.account, "debit" if posting.amount > 0 else "credit"
    return f"{side} {account_text(account.code, account.owner, names)} ({_words(posting.purpose)})"


def account_text(code: str, owner: str, names: dict[str, str]) -> str:
    """Return an account's name for people."""
    title = CHART[Code(code)].title
    return f"{title}: {names.get(owner, owner)}" if owner else title


def _words(text: str) -> str:
    return text.replace("_", " ")
