"""The journal: the only writer of entries and postings, in one round trip for one entry or thousands.

Services do not call `post`; they hand legs to `ledger.recording.record`, which posts them with the state
change and the event. Balance per currency, existence and currency of accounts, bounds and immutability are
law in SQL (`migrations/0002_law.sql`); what is checked here only gives a better message sooner.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, connection

from ledger import chart, metrics
from ledger.chart import AccountRef
from ledger.errors import Conflict, Invalid
from ledger.ids import uuid7
from ledger.locks import require_phase
from ledger.models import JournalEntry, Posting
from ledger.money import Money


class Unbalanced(Invalid):
    """The legs of an entry do not sum to zero in each currency."""

    code = "entry_unbalanced"


class Overdraft(Conflict):
    """A strict account does not hold enough."""

    code = "insufficient_funds_in_account"
    advice = "Lower the amount, or wait until more is available."


class AlreadyPosted(Conflict):
    """The business fact has been posted before."""

    code = "already_posted"


@dataclass(frozen=True, slots=True)
class Leg:
    """A posting not yet written: debit positive, credit negative."""

    account: AccountRef
    amount: Money
    purpose: str


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """An entry not yet written. `(source_type, source_id, step)` is the business fact, posted once."""

    merchant_id: UUID
    kind: str
    source_type: str
    source_id: UUID
    step: str
    occurred_at: datetime
    legs: Sequence[Leg]
    reverses_id: UUID | None = None
    id: UUID = field(default_factory=uuid7)


def debit(account: AccountRef, money: Money, purpose: str) -> Leg:
    """Return a debit leg of a positive amount."""
    return Leg(account, _positive(money), purpose)


def credit(account: AccountRef, money: Money, purpose: str) -> Leg:
    """Return a credit leg of a positive amount."""
    return Leg(account, -_positive(money), purpose)


def post(drafts: Sequence[EntryDraft]) -> list[UUID]:
    """Write entries with their postings, all or nothing, in one call; return their ids.

    :raises Unbalanced: legs do not sum to zero. :raises Overdraft: a strict account would pass its bound.
    :raises AlreadyPosted: a fact was posted before.
    """
    require_phase()
    for draft in drafts:
        _check(draft)
    ids = chart.ids_of(leg.account for draft in drafts for leg in draft.legs)
    legs = [
        (number, line, ids[leg.account], leg.amount.minor, leg.purpose)
        for number, draft in enumerate(drafts, start=1)
        for line, leg in enumerate(draft.legs, start=1)
    ]
    heads = [
        (d.id, d.merchant_id, d.kind, d.source_type, d.source_id, d.step, d.occurred_at, d.reverses_id)
        for d in drafts
    ]
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT ledger_post(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::uuid[], %s::text[],
                                      %s::timestamptz[], %s::uuid[],
                                      %s::int[], %s::int[], %s::bigint[], %s::bigint[], %s::text[])""",
                [*_columns(heads, 8), *_columns(legs, 5)],
            )
    except IntegrityError as error:
        raise _explained(error) from error
    metrics.postings.inc(len(legs))
    return [draft.id for draft in drafts]


def entry_id_of(source_type: str, source_id: UUID, step: str) -> UUID:
    """Return the id of the entry in which a business fact was posted.

    :raises DoesNotExist: the fact was not posted (a defect: the caller knows that it was).
    """
    entry = JournalEntry.objects.only("pk").get(source_type=source_type, source_id=source_id, step=step)
    key: UUID = entry.pk
    return key


def reversal(entry: JournalEntry, *, step: str, at: datetime, kind: str = "reversal") -> EntryDraft:
    """Return the opposite of a written entry, linked to it; it can be posted once."""
    legs = [
        Leg(
            chart.AccountRef(p.account.merchant_id, chart.Code(p.account.code), p.account.owner, p.currency),
            Money(-p.amount, p.currency),
            p.purpose,
        )
        for p in Posting.objects.filter(entry=entry).select_related("account").order_by("line")
    ]
    return EntryDraft(
        merchant_id=entry.merchant_id, kind=kind, source_type=entry.source_type, source_id=entry.source_id,
        step=step, occurred_at=at, legs=legs, reverses_id=entry.id,
    )  # fmt: skip


def _positive(money: Money) -> Money:
    if money.minor <= 0:
        raise Invalid(f"a debit or credit is of a positive amount, not {money.minor}")
    return money


def _check(draft: EntryDraft) -> None:
    sums: dict[str, int] = {}
    for leg in draft.legs:
        if leg.account.currency != leg.amount.currency:
            raise Unbalanced(f"{leg.amount.currency} cannot be posted on a {leg.account.currency} account")
        sums[leg.amount.currency] = sums.get(leg.amount.currency, 0) + leg.amount.minor
    if not draft.legs or any(sums.values()):
        raise Unbalanced(f"the legs of {draft.kind} sum to {sums}, not to zero", kind=draft.kind)


def _columns(rows: Sequence[Sequence[object]], width: int) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _explained(error: IntegrityError) -> Exception:
    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""
    if name == "ledger_account_within_bounds":
        return Overdraft("an account would be overdrawn")
    if name in ("ledger_entry_posts_once", "ledger_entry_reverses_id_key"):
        return AlreadyPosted("this fact has been posted already")
    return error
