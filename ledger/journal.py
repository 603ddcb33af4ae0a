"""The journal: the only writer of entries and postings, in one round trip for one entry or thousands.

Services do not call `post`; they hand legs to `ledger.recording.record`, which posts them with the state
change and the event. Balance per currency, existence and currency of accounts, bounds and immutability are
law in SQL (`migrations/0004_posting.sql`); what is checked here only gives a better message sooner.
Imports and other masses of entries go through `ledger.bulk`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import DataError, IntegrityError, connection

from ledger import chart, metrics
from ledger.array_literals import instants, integers, texts, uuids
from ledger.chart import AccountRef
from ledger.errors import DomainError
from ledger.ids import uuid7
from ledger.journal_errors import (
    POSTING_MAX,
    AccountClosed,
    AlreadyPosted,
    AmountTooLarge,
    NegativeAmount,
    NotAReversal,
    Overdraft,
    Unbalanced,
    UnknownAccount,
    ZeroAmount,
    of_database,
)
from ledger.locks import require_phase
from ledger.models import JournalEntry, PostedFact, Posting
from ledger.money import CurrencyMismatch, Money
from ledger.writing import Write

__all__ = [
    "AccountClosed", "AlreadyPosted", "AmountTooLarge", "CurrencyMismatch", "EntryDraft", "Leg",
    "NegativeAmount", "NotAReversal", "Overdraft", "Unbalanced", "UnknownAccount", "ZeroAmount", "check",
    "credit", "debit", "entry_id_of", "post", "reversal",
]  # fmt: skip


class Leg(NamedTuple):
    """A posting not yet written: debit positive, credit negative. A tuple, for they come in thousands."""

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
    """Return a debit leg of a positive amount.

    :raises NegativeAmount: or ZeroAmount.
    """
    return Leg(account, _positive(money), purpose)


def credit(account: AccountRef, money: Money, purpose: str) -> Leg:
    """Return a credit leg of a positive amount.

    :raises NegativeAmount: or ZeroAmount.
    """
    return Leg(account, -_positive(money), purpose)


Call = tuple[str, list[Any]]  # an expression that posts, and its parameters


def ready(drafts: Sequence[EntryDraft]) -> Call | None:
    """Return the call that `post` makes for these drafts; None when it must look first, or would refuse."""
    ids = chart.known_ids([leg.account for draft in drafts for leg in draft.legs])
    try:
        for draft in drafts:
            check(draft)
    except DomainError:
        return None
    return _many(drafts, ids) if ids is not None and len(drafts) > 1 else None


def post(drafts: Sequence[EntryDraft], call: Call | None = None) -> list[UUID]:
    """Write entries with their postings, all or nothing, in one call (that of `ready`); return their ids.

    Thousands at a time are fine; what is refused names no single entry then: `ledger.bulk` does.

    :raises Unbalanced: legs do not sum to zero. :raises ZeroAmount: a leg moves nothing.
    :raises CurrencyMismatch: a leg's currency is not its account's. :raises AmountTooLarge: beyond a bigint.
    :raises UnknownAccount: no such account. :raises AccountClosed: it takes no postings.
    :raises Overdraft: a strict account would pass its bound. :raises AlreadyPosted: a fact was posted before.
    :raises NotAReversal: the legs are not the opposite of the entry named.
    """
    require_phase()
    if not drafts:
        return []
    statement, parameters = call or _call(drafts)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {statement}", parameters)
    except (IntegrityError, DataError) as error:
        raise of_database(error) from error
    metrics.postings.inc(sum(len(draft.legs) for draft in drafts))
    return [draft.id for draft in drafts]


def posting(draft: EntryDraft) -> Write:
    """Return the write that posts one entry, for a statement that writes other rows as well.

    :raises DomainError: what `check` raises, and for an account that is not there; the rest when it is sent.
    """
    check(draft)
    statement, parameters = _one(draft, chart.row_ids([leg.account for leg in draft.legs]))
    metrics.postings.inc(len(draft.legs))
    return Write(statement, parameters, is_call=True, refused=of_database)


def entry_id_of(source_type: str, source_id: UUID, step: str) -> UUID:
    """Return the id of the entry in which a business fact was posted.

    :raises DoesNotExist: the fact was not posted (a defect: the caller knows that it was).
    """
    fact = PostedFact.objects.get(source_type=source_type, source_id=source_id, step=step)
    entry_id: UUID = fact.entry_id
    return entry_id


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


def check(draft: EntryDraft) -> None:
    """Refuse an entry that no state of the books could take.

    :raises Unbalanced: :raises ZeroAmount: :raises CurrencyMismatch: :raises AmountTooLarge:
    :raises UnknownAccount: a leg names an account of another merchant.
    """
    sums: dict[str, int] = {}
    for leg in draft.legs:
        minor, currency = leg.amount.minor, leg.amount.currency
        if leg.account.currency != currency:
            raise CurrencyMismatch(f"{currency} cannot be posted on a {leg.account.currency} account")
        if leg.account.merchant_id != draft.merchant_id:
            raise UnknownAccount("a leg names an account of another merchant")
        if minor == 0:
            raise ZeroAmount(f"a leg of {draft.kind} moves nothing")
        if not -POSTING_MAX <= minor <= POSTING_MAX:
            raise AmountTooLarge(f"{minor} {currency} is more than the books take at once")
        sums[currency] = sums.get(currency, 0) + minor
    if not sums or any(sums.values()):
        raise Unbalanced(f"the legs of {draft.kind} sum to {sums}, not to zero", kind=draft.kind)


def _positive(money: Money) -> Money:
    if money.minor < 0:
        raise NegativeAmount(f"a debit or credit is of a positive amount, not {money.minor}")
    if money.minor == 0:
        raise ZeroAmount("a debit or credit of zero moves nothing")
    return money


_POST_ONE: Final = """
    ledger_post_one(%s, %s, %s, %s, %s, %s, %s, %s,
                    %s::int[], %s::bigint[], %s::bigint[], %s::text[])"""
_POST_MANY: Final = """
    ledger_post(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::uuid[], %s::text[],
                %s::timestamptz[], %s::uuid[],
                %s::int[], %s::int[], %s::bigint[], %s::bigint[], %s::text[])"""


def _call(drafts: Sequence[EntryDraft]) -> Call:
    for draft in drafts:
        check(draft)
    ids = chart.row_ids([leg.account for draft in drafts for leg in draft.legs])
    return _one(drafts[0], ids) if len(drafts) == 1 else _many(drafts, ids)


def _head(draft: EntryDraft) -> tuple[Any, ...]:
    return (
        draft.id, draft.merchant_id, draft.kind, draft.source_type, draft.source_id, draft.step,
        draft.occurred_at, draft.reverses_id,
    )  # fmt: skip


def _one(draft: EntryDraft, ids: Sequence[int]) -> Call:
    # In the order of accounts, which is the order in which the function locks them.
    legs = sorted(
        (account, line, leg.amount.minor, leg.purpose)
        for line, (account, leg) in enumerate(zip(ids, draft.legs, strict=True), start=1)
    )
    accounts, lines, amounts, purposes = zip(*legs, strict=True)
    return _POST_ONE, [*_head(draft), integers(lines), integers(accounts), integers(amounts), texts(purposes)]


def _many(drafts: Sequence[EntryDraft], ids: Sequence[int]) -> Call:
    legs = [leg for draft in drafts for leg in draft.legs]
    columns: list[Iterable[Any]] = [
        *zip(*map(_head, drafts), strict=True),
        [number for number, draft in enumerate(drafts, start=1) for _ in draft.legs],
        [line for draft in drafts for line, _ in enumerate(draft.legs, start=1)],
        ids,
        [leg.amount.minor for leg in legs],
        [leg.purpose for leg in legs],
    ]
    return _POST_MANY, [write(column) for write, column in zip(_WRITERS, columns, strict=True)]


# One for each parameter of ledger_post, in its order.
_WRITERS: Final[tuple[Callable[[Any], str], ...]] = (
    uuids, uuids, texts, texts, uuids, texts, instants, uuids, integers, integers, integers, integers, texts,
)  # fmt: skip
