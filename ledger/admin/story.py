"""The story of a subject: what every floor has to tell of it, in the order of time.

A floor tells by `@tells("payment")`; the floor that owns the page asks `story()` and knows nothing of the
floors above it. What happened at one instant is told in the order in which it was written down.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from ledger import ids
from ledger.admin import formats
from ledger.admin.explain_link import address_of
from ledger.chart import CHART, Code
from ledger.explain.entries import posting_ref
from ledger.models import AuditRecord, Event, JournalEntry, Posting


@dataclass(frozen=True, slots=True)
class LegLine:
    """One posting of an entry as it is shown: the account by name, the amount on its side."""

    account: str
    purpose: str
    debit: str
    credit: str
    explained_at: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that happened. `tone` is good, watch, bad, money or plain; `legs` are its postings."""

    at: datetime
    kind: str
    title: str
    detail: Any = ""
    tone: str = "plain"
    badge: Any = ""
    link: str = ""
    by: str = ""
    legs: Sequence[LegLine] = ()
    entry_link: str = ""
    written: float = 0.0
    """When it was written down, in seconds: what happened at one instant is told in that order."""


@dataclass(slots=True)
class Context:
    """What the tellers share, gathered once.

    `owners`: accounts' owners by name; `names`: subjects beside the first, by name.
    """

    subject: Any
    subject_ids: list[UUID]
    public_ids: list[str]
    owners: dict[str, str] = field(default_factory=dict)
    names: dict[UUID, str] = field(default_factory=dict)
    entry_ids: list[UUID] = field(default_factory=list)
    caused: dict[str, float] = field(default_factory=dict)
    """When the first event of a cause was written down, by the cause's id."""


Teller = Callable[[Context], Iterable[Item]]

_tellers: Final[dict[str, dict[str, Teller]]] = {}


def tells(subject_type: str) -> Callable[[Teller], Teller]:
    """Register a function that tells of subjects of a type."""

    def register(teller: Teller) -> Teller:
        _tellers.setdefault(subject_type, {})[f"{teller.__module__}.{teller.__qualname__}"] = teller
        return teller

    return register


def story(subject_type: str, context: Context) -> list[Item]:
    """Return everything that is told of a subject, in the order of time."""
    items = told_by_the_books(context)
    for _, teller in sorted(_tellers.get(subject_type, {}).items()):
        items += teller(context)
    return sorted(items, key=lambda item: (item.at, item.written))


def told_by_the_books(context: Context) -> list[Item]:
    """Return events with the postings they name, and what people did. Fills `context.entry_ids`."""
    order = {subject_id: position for position, subject_id in enumerate(context.subject_ids)}
    events = sorted(
        Event.objects.filter(subject_id__in=context.subject_ids),
        key=lambda event: (event.occurred_at, event.recorded_at, order[event.subject_id], event.sequence),
    )
    context.entry_ids = sorted({event.entry_id for event in events if event.entry_id})
    legs = _legs(context)
    for event in events:
        context.caused.setdefault(event.cause_id, event.recorded_at.timestamp())
    groups: dict[tuple[Any, ...], list[Event]] = {}
    for event in events:
        groups.setdefault((event.occurred_at, event.type, event.entry_id), []).append(event)
    # Events of several subjects name one entry: its postings stand with the first of them.
    items, shown = [], set[UUID]()
    for (_, _, entry_id), group in groups.items():
        is_first = entry_id is not None and entry_id not in shown
        shown |= {entry_id} if entry_id else set()
        items.append(_event_item(group, legs.get(entry_id, ()) if is_first else (), context))
    return items + _audit_items(context)


def _event_item(group: Sequence[Event], legs: Sequence[LegLine], context: Context) -> Item:
    event = group[0]
    subject, _, move = event.type.partition(".")
    told = {one.subject_id for one in group}
    names = ", ".join(name for key, name in context.names.items() if key in told)
    moved = f"{event.from_state or 'new'} → {event.to_state}".replace("_", " ")
    return Item(
        at=event.occurred_at,
        kind=subject.replace("_", " "),
        title=move.replace("_", " "),
        detail=f"{names}: {moved}" if names else moved,
        tone="money" if legs else formats.tone_of(event.to_state),
        link=formats.page_of(event),
        by=f"{event.actor_kind.replace('_', ' ')} {event.actor_id}".strip(),
        legs=legs,
        entry_link=formats.page_of(JournalEntry(pk=event.entry_id)) if legs else "",
        written=event.recorded_at.timestamp(),
    )


def _legs(context: Context) -> dict[UUID | None, list[LegLine]]:
    if not context.entry_ids:
        return {}
    postings = Posting.objects.filter(entry_id__in=context.entry_ids).select_related("account")
    by_entry: dict[UUID | None, list[LegLine]] = {}
    for posting in postings.order_by("entry_id", "line"):
        by_entry.setdefault(posting.entry_id, []).append(leg_line(posting, context.owners))
    return by_entry


def leg_line(posting: Posting, owners: dict[str, str]) -> LegLine:
    """Return a posting as it is shown; its account must be selected with it."""
    account = posting.account
    owner = owners.get(account.owner, account.owner)
    shown = formats.money_text(abs(posting.amount), posting.currency)
    return LegLine(
        account=account_name(account.code, owner),
        purpose=posting.purpose.replace("_", " "),
        debit=shown if posting.amount > 0 else "",
        credit=shown if posting.amount < 0 else "",
        explained_at=address_of(posting_ref(posting.entry_id, posting.line)),
    )


def account_name(code: str, owner: str = "") -> str:
    """Return an account's name for people, by the chart."""
    title = CHART[Code(code)].title
    return f"{title}: {owner}" if owner else title


def _audit_items(context: Context) -> list[Item]:
    records = AuditRecord.objects.filter(object_id__in=context.public_ids).order_by("at")
    return [
        Item(
            at=record.at,
            kind="audit",
            title=record.action.replace("_", " ").replace(".", " "),
            detail=record.reason,
            link=formats.page_of(record),
            by=record.actor_label or record.actor_id,
        )
        for record in records
    ]


def made_at(key: UUID) -> float:
    """Return when a version 7 key was made, in seconds: the end of its millisecond.

    Its beginning could lie before the commit that the key was made after.
    """
    return ((key.int >> 80) + 0.999) / 1_000


def public_ids(*subjects: Any) -> list[str]:
    """Return the public ids of subjects, as the audit log names them."""
    return [ids.show(subject.PREFIX, subject.id) for subject in subjects]
