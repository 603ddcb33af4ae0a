"""Masses of entries with an answer for each, and the dry run of any entry.

`post_many` lets one poster work at a time (a batch under an advisory lock is as fast as row locks and makes
nobody wait for seconds) and posts a thousand in one call. Only when the call is refused are its drafts
judged one after the other, against the accounts, locked, as they are and as the drafts before would leave
them; what is accepted is posted then. `dry_run` judges by the same rules and only reads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from ledger import chart, journal
from ledger.chart import AccountRef
from ledger.errors import DomainError
from ledger.journal import EntryDraft
from ledger.journal_errors import (
    AccountClosed,
    AlreadyPosted,
    AmountTooLarge,
    BatchRefused,
    NotAReversal,
    Overdraft,
)
from ledger.locks import Busy, require_phase
from ledger.models import PostedFact, Posting
from ledger.money import Money

CALL_ENTRIES_MAX: Final = 1_000  # entries a call; more gains nothing (ledger/README.md, Speed)
BALANCE_MAX: Final = 2**63 - 1
_TRIES: Final = 5

_NAMED: Final = """
    FROM ledger_account a WHERE (a.merchant_id, a.code, a.owner, a.currency) IN (
        SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]))"""

FactKey = tuple[UUID, str, str, UUID]


@dataclass(frozen=True, slots=True)
class Posted:
    """The draft was, or would be, posted; a dry run tells the balances of its strict accounts after it."""

    entry_id: UUID
    balances: dict[AccountRef, Money] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """The draft was, or would be, refused, for this reason; nothing of it was written."""

    entry_id: UUID
    error: DomainError


@dataclass(slots=True)
class _State:
    """A strict account as the drafts before leave it."""

    balance: int
    low: int | None
    high: int | None
    is_closed: bool
    is_deferred: bool


def dry_run(drafts: Iterable[EntryDraft]) -> list[Posted | Refused]:
    """Say what `post_many` would answer now; write and lock nothing."""
    wanted = list(drafts)
    return _judge(wanted, is_locking=False)


def post_many(drafts: Iterable[EntryDraft], *, all_or_nothing: bool = False) -> list[Posted | Refused]:
    """Post thousands of entries in the open phase; answer for each, in their order.

    :raises BatchRefused: with `all_or_nothing`, one or more cannot be posted; `facts["refused"]` holds them.
    :raises Busy: others kept posting the same facts.
    """
    require_phase()
    wanted = list(drafts)
    parts = [wanted[start : start + CALL_ENTRIES_MAX] for start in range(0, len(wanted), CALL_ENTRIES_MAX)]
    calls = [journal.ready(part) for part in parts]  # made while another poster is at work
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('ledger_post_many'))")
    with transaction.atomic():
        answers = [
            answer for part, call in zip(parts, calls, strict=True) for answer in _post_some(part, call)
        ]
        refused = [answer for answer in answers if isinstance(answer, Refused)]
        if refused and all_or_nothing:
            raise BatchRefused(
                f"{len(refused)} of {len(wanted)} entries cannot be posted; the first: {refused[0].error}",
                refused=refused,
            )
    return answers


def _post_some(drafts: Sequence[EntryDraft], call: journal.Call | None) -> list[Posted | Refused]:
    try:
        with transaction.atomic():
            return [Posted(entry_id) for entry_id in journal.post(drafts, call)]
    except DomainError:
        pass  # of one or some of them: which, is seen when each is judged by itself
    for _ in range(_TRIES):
        answers = _judge(drafts, is_locking=True)
        accepted = [
            draft for draft, answer in zip(drafts, answers, strict=True) if isinstance(answer, Posted)
        ]
        try:
            with transaction.atomic():
                journal.post(accepted)
        except AlreadyPosted:
            continue  # somebody posted one of the facts after we looked: it is there to be seen now
        return answers
    raise Busy("the same facts are being posted by others")


def _judge(drafts: Sequence[EntryDraft], *, is_locking: bool) -> list[Posted | Refused]:
    states = _states({leg.account for draft in drafts for leg in draft.legs}, is_locking)
    taken = _facts_taken(drafts)
    reversed_legs = _reversed_legs(drafts)
    answers: list[Posted | Refused] = []
    for draft in drafts:
        try:
            journal.check(draft)
            keys = _facts_of(draft)
            if taken & keys:
                raise AlreadyPosted("this fact has been posted already")
            _check_reversal(draft, reversed_legs)
            after = _move(draft, states)
        except DomainError as error:
            answers.append(Refused(draft.id, error))
            continue
        taken |= keys
        answers.append(Posted(draft.id, after))
    return answers


def _move(draft: EntryDraft, states: dict[AccountRef, _State]) -> dict[AccountRef, Money]:
    sums: dict[AccountRef, int] = {}
    for leg in draft.legs:
        sums[leg.account] = sums.get(leg.account, 0) + leg.amount.minor
    after: dict[AccountRef, int] = {}
    for ref, minor in sums.items():
        state = states[ref]
        if state.is_closed:
            raise AccountClosed(f"the account {ref.code} {ref.owner} is closed")
        if state.is_deferred:
            continue
        balance = state.balance + minor
        if not -BALANCE_MAX <= balance <= BALANCE_MAX:
            raise AmountTooLarge("a balance would be beyond what a bigint holds")
        if (state.low is not None and balance < state.low) or (
            state.high is not None and balance > state.high
        ):
            raise Overdraft(f"the account {ref.code} {ref.owner} would be overdrawn")
        after[ref] = balance
    for ref, balance in after.items():
        states[ref].balance = balance
    return {ref: Money(balance, ref.currency) for ref, balance in after.items()}


def _states(refs: set[AccountRef], is_locking: bool) -> dict[AccountRef, _State]:
    """Read the accounts by what they are, in the order of their ids; those not opened yet start at zero.

    What is held counts as gone: the bounds are narrowed by it.
    """
    wanted = sorted(refs)
    columns: list[Any] = [
        [ref.merchant_id for ref in wanted], [ref.code.value for ref in wanted],
        [ref.owner for ref in wanted], [ref.currency for ref in wanted],
    ]  # fmt: skip
    with connection.cursor() as cursor:
        if is_locking:
            # Deferred rows are moved by the roller only: to lock them would make it wait.
            cursor.execute(
                f"SELECT 1 {_NAMED} AND NOT a.is_deferred ORDER BY a.id FOR NO KEY UPDATE OF a", columns
            )
        cursor.execute(
            f"""SELECT a.merchant_id, a.code, a.owner, a.currency, a.balance, a.balance_min + a.held,
                       a.balance_max - a.held, a.closed_at IS NOT NULL, a.is_deferred {_NAMED}""",
            columns,
        )
        found = {
            AccountRef(row[0], chart.Code(row[1]), row[2], row[3]): _State(*row[4:])
            for row in cursor.fetchall()
        }
    for ref in refs - found.keys():
        low, high = chart.bounds(ref.code)
        found[ref] = _State(0, low, high, is_closed=False, is_deferred=chart.CHART[ref.code].is_deferred)
    return found


def _facts_of(draft: EntryDraft) -> set[FactKey]:
    keys = {(draft.source_id, draft.source_type, draft.step, draft.merchant_id)}
    if draft.reverses_id is not None:
        keys.add((draft.reverses_id, PostedFact.REVERSAL, "", draft.merchant_id))
    return keys


def _facts_taken(drafts: Sequence[EntryDraft]) -> set[FactKey]:
    wanted = sorted({key for draft in drafts for key in _facts_of(draft)})
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT f.source_id, f.source_type, f.step, f.merchant_id
               FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::uuid[])
                    AS w (source_id, source_type, step, merchant_id)
               JOIN ledger_fact f USING (source_id, source_type, step, merchant_id)""",
            [list(column) for column in zip(*wanted, strict=True)] or [[], [], [], []],
        )
        return set(cursor.fetchall())


def _reversed_legs(drafts: Sequence[EntryDraft]) -> dict[UUID, list[tuple[AccountRef, int]]]:
    wanted = [draft.reverses_id for draft in drafts if draft.reverses_id is not None]
    found: dict[UUID, list[tuple[AccountRef, int]]] = {}
    if wanted:
        for p in Posting.objects.filter(entry_id__in=wanted).select_related("account"):
            a = p.account
            ref = AccountRef(a.merchant_id, chart.Code(a.code), a.owner, a.currency)
            found.setdefault(p.entry_id, []).append((ref, -p.amount))
    return found


def _check_reversal(draft: EntryDraft, reversed_legs: dict[UUID, list[tuple[AccountRef, int]]]) -> None:
    if draft.reverses_id is None:
        return
    legs = sorted((leg.account, leg.amount.minor) for leg in draft.legs)
    if sorted(reversed_legs.get(draft.reverses_id, [])) != legs:
        raise NotAReversal("the legs do not take the entry back")
