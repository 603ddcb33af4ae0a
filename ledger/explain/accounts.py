"""Balances led back to postings, however many there are.

`acc_…` is an account's balance now, `bal_…@2026-03-02T18:00:00Z` its balance at an instant (by the time of
recording, inclusive), `mov_…@from..to` what moved from an instant up to another (exclusive). More than a
hundred postings are shown as sums of shorter stretches of time (`….h`: of what stands here), so a balance of
a million postings is a page and every posting is a few steps away. What an archived month carried forward is
a part of its own (`carried`). A level costs the same queries, whatever its number of accounts.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection

from ledger.explain import carried
from ledger.explain.entries import account_text, leg_text, posting_ref
from ledger.explain.registry import Scope, explains, keys_of
from ledger.explain.types import PARTS_MAX, Explanation, Link, Part, one
from ledger.models import Account, Posting
from ledger.money import Money
from ledger.owners import names_of

ACCOUNT, BALANCE, MOVED = "acc", "bal", "mov"
_BEGIN: Final = datetime(1, 1, 1, tzinfo=UTC)
_END: Final = datetime(9999, 1, 1, tzinfo=UTC)
_INSTANT: Final = timedelta(microseconds=1)
_MOMENT: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z"
_AT: Final = re.compile(rf"([0-9a-z]{{26}})@({_MOMENT})", re.ASCII)
_STRETCH: Final = re.compile(
    rf"([0-9a-z]{{26}})@({_MOMENT})\.\.({_MOMENT})(\.h)?(?:\.p(\d{{1,9}}))?", re.ASCII
)
# A stretch is cut into the longest units of which it has no more than a hundred.
_UNITS: Final = (
    ("month", timedelta(days=100)),
    ("day", timedelta(hours=100)),
    ("hour", timedelta(minutes=100)),
    ("minute", timedelta(seconds=100)),
    ("second", timedelta(seconds=1)),
)
_LENGTHS: Final = {
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
}
_STRETCHES: Final = (
    "unnest(%s::int[], %s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS s (n, acc, low, high)"
)
_WITHIN: Final = """
    FROM ledger_posting p
    WHERE p.account_id = s.acc AND p.recorded_at >= s.low AND p.recorded_at < s.high"""


_PLACE: Final = f"(row_number() OVER (ORDER BY p.recorded_at, p.entry_id, p.line) - 1) / {PARTS_MAX} AS place"


Cut = tuple[tuple[Part, ...], tuple[str, ...]]  # the parts of a stretch, and why it lacks some


@dataclass(frozen=True, slots=True)
class Stretch:
    """The postings of an account recorded from `low` up to `high` (exclusive), or a page of them.

    `account` is the end of its public id; `row_id` is filled in when it is looked up. `is_here` leaves out
    what archived months carried forward: a part of a stretch that counts it already.
    """

    account: str
    low: datetime = _BEGIN
    high: datetime = _END
    is_here: bool = False
    page: int | None = None
    row_id: int = 0

    @property
    def ref(self) -> str:
        """The id under which it is explained."""
        here, page = ".h" if self.is_here else "", "" if self.page is None else f".p{self.page}"
        return f"{MOVED}_{self.account}@{_text(self.low)}..{_text(self.high)}{here}{page}"


@dataclass(frozen=True, slots=True)
class _Found:
    """What lies in a stretch."""

    amount: int
    count: int
    first: datetime | None
    last: datetime | None


def balance_ref(account: Account, at: datetime) -> str:
    """Return the id of an account's balance at an instant, by the time of recording."""
    return f"{BALANCE}_{short(account)}@{_text(at)}"


def short(account: Account) -> str:
    """Return the letters of an account's public id."""
    return account.public_id.partition("_")[2]


@explains(ACCOUNT)
def accounts_now(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain balances as they are now: the balance that is kept must be the sum of the postings."""
    accounts = _accounts(tails, scope)
    kept = _kept(accounts)
    cut = _cut({tail: Stretch(tail) for tail in accounts}, accounts)
    names = names_of(account.owner for account in accounts.values())
    return {
        tail: _balance(account.public_id, account, kept[account.pk], cut[tail], names, "now")
        for tail, account in accounts.items()
    }


@explains(BALANCE)
def accounts_then(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain balances at an instant: what the books said then must be the sum of the postings until then."""
    moments: dict[str, tuple[str, datetime]] = {}
    for tail in tails:
        match = _AT.fullmatch(tail)
        at = _moment(match[2]) if match else None
        if match is not None and at is not None:
            moments[tail] = (match[1], at)
    accounts = _accounts({head for head, _ in moments.values()}, scope)
    wanted = {
        tail: Stretch(head, high=at + timedelta(microseconds=1))
        for tail, (head, at) in moments.items()
        if head in accounts
    }
    said = _said({tail: (accounts[moments[tail][0]], moments[tail][1]) for tail in wanted})
    cut = _cut(wanted, accounts)
    names = names_of(account.owner for account in accounts.values())
    return {
        tail: _balance(
            f"{BALANCE}_{tail}", accounts[stretch.account], said[tail], cut[tail], names,
            f"at {_text(moments[tail][1])}",
        )
        for tail, stretch in wanted.items()
    }  # fmt: skip


@explains(MOVED)
def movements(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain what moved on accounts in stretches of time."""
    wanted = {tail: stretch for tail in tails if (stretch := _stretch(tail)) is not None}
    accounts = _accounts({stretch.account for stretch in wanted.values()}, scope)
    wanted = {tail: stretch for tail, stretch in wanted.items() if stretch.account in accounts}
    cut = _cut(wanted, accounts)
    names = names_of(account.owner for account in accounts.values())
    found = {}
    for tail, stretch in wanted.items():
        account = accounts[stretch.account]
        parts, problems = cut[tail]
        total = Money(sum(part.amount.minor for part in parts), account.currency)
        found[tail] = Explanation(
            ref=f"{MOVED}_{tail}",
            kind="movements",
            title=f"{account_text(account.code, account.owner, names)}, {_between(stretch)}",
            amounts=one(total),
            parts=parts,
            causes=() if parts else (NOTHING_POSTED,),
            problems=problems,
            page=("ledger_account", str(account.pk)),
        )
    return found


def _between(stretch: Stretch) -> str:
    begins = "" if stretch.low == _BEGIN else f"from {_text(stretch.low)} "
    return f"{begins}up to {_text(stretch.high)}"


def _accounts(shorts: Iterable[str], scope: Scope) -> dict[str, Account]:
    keys = keys_of(ACCOUNT, shorts)
    rows = scope.of(Account.objects.filter(public_uuid__in=list(keys)))
    return {keys[row.public_uuid]: row for row in rows}


NOTHING_POSTED: Final = Link("nothing", "nothing was posted", is_outside=True)


def _balance(
    ref: str, account: Account, minor: int, cut: Cut, names: dict[str, str], when: str
) -> Explanation:
    parts, problems = cut
    return Explanation(
        ref=ref,
        kind="balance",
        title=f"balance {when} of {account_text(account.code, account.owner, names)}",
        amounts=one(Money(minor, account.currency)),
        parts=parts,
        causes=() if parts or minor else (NOTHING_POSTED,),
        evidence=(("account", f"{account.code} {account.owner} {account.currency}".replace("  ", " ")),),
        problems=problems,
        page=("ledger_account", str(account.pk)),
    )


def _kept(accounts: dict[str, Account]) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, balance FROM ledger_balance WHERE id = ANY (%s) AND merchant_id = ANY (%s)",
            [[row.pk for row in accounts.values()], list({row.merchant_id for row in accounts.values()})],
        )
        return dict(cursor.fetchall())


def _said(wanted: dict[str, tuple[Account, datetime]]) -> dict[str, int]:
    """Return what the books said of accounts at instants, by their checkpoints and running balances."""
    rows = list(wanted.values())
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT n, ledger_balance_recorded(account, merchant, deferred, moment)
               FROM unnest(%s::bigint[], %s::uuid[], %s::bool[], %s::timestamptz[])
                    WITH ORDINALITY AS w (account, merchant, deferred, moment, n)""",
            [
                [account.pk for account, _ in rows],
                [account.merchant_id for account, _ in rows],
                [account.is_deferred for account, _ in rows],
                [at for _, at in rows],
            ],
        )
        found = dict(cursor.fetchall())
    return {tail: found[n] for n, tail in enumerate(wanted, start=1)}


# --- cutting stretches ----------------------------------------------------------------------------------
def _cut(wanted: dict[str, Stretch], accounts: dict[str, Account]) -> dict[str, Cut]:
    """Return the parts of stretches, with what archived months carried forward, and why some are lacking."""
    parts = _parts(wanted, accounts)
    whole = {tail: stretch for tail, stretch in wanted.items() if not stretch.is_here}
    counted = carried.within(
        [
            # Of a balance, what the books say at an instant: a month counts once it is over.
            (accounts[one.account], one.low, one.high - _INSTANT if one.low == _BEGIN else one.high)
            for one in whole.values()
        ]
    )
    found: dict[str, Cut] = {tail: (own, ()) for tail, own in parts.items()}
    for tail, (more, problems) in zip(whole, counted, strict=True):
        found[tail] = (*more, *parts[tail]), problems
    return found


def _parts(wanted: dict[str, Stretch], accounts: dict[str, Account]) -> dict[str, tuple[Part, ...]]:
    """Return the parts of stretches: postings when they are few, shorter stretches or pages when many."""
    keys = list(wanted)
    stretches = [replace(one, row_id=accounts[one.account].pk) for one in wanted.values()]
    found = _totals(stretches)
    small = [n for n, one in enumerate(stretches) if one.page is not None or found[n].count <= PARTS_MAX]
    parts: dict[int, list[Part]] = {n: [] for n in range(len(stretches))}
    for n, part in _postings(small, stretches):
        parts[n].append(part)
    cuts = {n: _unit(found[n]) for n in range(len(stretches)) if n not in set(small)}
    for n, unit, low, amount, count in _groups({n: unit for n, unit in cuts.items() if unit}, stretches):
        piece = _piece(stretches[n], unit, low)
        money = Money(amount, accounts[stretches[n].account].currency)
        parts[n].append(Part(f"{_text(low)}, a {unit}: {count} postings", money, piece.ref))
    for n, page, amount, count in _pages([n for n, unit in cuts.items() if not unit], stretches):
        whole, account = found[n], stretches[n].account
        assert whole.first is not None
        assert whole.last is not None
        piece = Stretch(account, whole.first, whole.last + timedelta(microseconds=1), True, page)
        money = Money(amount, accounts[account].currency)
        parts[n].append(Part(f"page {page}: {count} postings", money, piece.ref))
    return {keys[n]: tuple(rows) for n, rows in parts.items()}


def _totals(stretches: Sequence[Stretch]) -> dict[int, _Found]:
    rows = _run(
        f"""SELECT s.n, t.* FROM {_STRETCHES} CROSS JOIN LATERAL (
                SELECT coalesce(sum(p.amount), 0)::bigint, count(*), min(p.recorded_at), max(p.recorded_at)
                {_WITHIN}) t""",  # noqa: S608 - constants of ours
        range(len(stretches)), stretches,
    )  # fmt: skip
    return {row[0]: _Found(*row[1:]) for row in rows}


def _postings(small: list[int], stretches: Sequence[Stretch]) -> Iterable[tuple[int, Part]]:
    rows = _run(
        f"""SELECT s.n, t.entry_id, t.line, t.place FROM {_STRETCHES} CROSS JOIN LATERAL (
                SELECT p.entry_id, p.line, p.recorded_at, {_PLACE} {_WITHIN}) t
            ORDER BY s.n, t.recorded_at, t.entry_id, t.line""",  # noqa: S608 - constants of ours
        small, stretches,
    )  # fmt: skip
    kept = [row for row in rows if stretches[row[0]].page in (None, row[3])]
    entries = {row[1] for row in kept}
    loaded = {
        (posting.entry_id, posting.line): posting
        for posting in Posting.objects.filter(entry_id__in=entries).select_related("account")
    } if entries else {}  # fmt: skip
    names = names_of(posting.account.owner for posting in loaded.values())
    for n, entry_id, line, _ in kept:
        posting = loaded[entry_id, line]
        amount = Money(posting.amount, posting.currency)
        yield n, Part(leg_text(posting, names), amount, posting_ref(entry_id, line))


def _groups(
    cuts: dict[int, str], stretches: Sequence[Stretch]
) -> Iterable[tuple[int, str, datetime, int, int]]:
    rows = _run(
        f"""SELECT s.n, t.* FROM {_STRETCHES}
            JOIN unnest(%s::int[], %s::text[]) AS u (n, unit) ON u.n = s.n CROSS JOIN LATERAL (
                SELECT date_trunc(u.unit, p.recorded_at, 'UTC') AS low, sum(p.amount)::bigint, count(*)
                {_WITHIN} GROUP BY 1) t ORDER BY s.n, t.low""",  # noqa: S608 - constants of ours
        list(cuts), stretches, list(cuts), list(cuts.values()),
    )  # fmt: skip
    for n, low, amount, count in rows:
        yield n, cuts[n], low, amount, count


def _pages(uncut: list[int], stretches: Sequence[Stretch]) -> list[tuple[Any, ...]]:
    return _run(
        f"""SELECT s.n, t.place, sum(t.amount)::bigint, count(*) FROM {_STRETCHES} CROSS JOIN LATERAL (
                SELECT p.amount, {_PLACE} {_WITHIN}) t
            GROUP BY 1, 2 ORDER BY 1, 2""",  # noqa: S608 - constants of ours
        uncut, stretches,
    )  # fmt: skip


def _run(sql: str, which: Iterable[int], stretches: Sequence[Stretch], *more: Any) -> list[tuple[Any, ...]]:
    chosen = list(which)
    if not chosen:
        return []
    rows = [stretches[n] for n in chosen]
    columns: list[Any] = [
        chosen,
        [row.row_id for row in rows],
        [row.low for row in rows],
        [row.high for row in rows],
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*columns, *more])
        return list(cursor.fetchall())


def _unit(found: _Found) -> str:
    """Return the unit into which a stretch is cut; none when all of it lies within a second."""
    assert found.first is not None
    assert found.last is not None
    span = found.last - found.first
    return next((unit for unit, least in _UNITS if span >= least), "")


def _piece(stretch: Stretch, unit: str, low: datetime) -> Stretch:
    """Return a unit of a stretch, within the stretch's own bounds."""
    if unit == "month":
        high = low.replace(year=low.year + low.month // 12, month=low.month % 12 + 1)
    else:
        high = low + _LENGTHS[unit]
    return Stretch(stretch.account, max(low, stretch.low), min(high, stretch.high), is_here=True)


def _stretch(tail: str) -> Stretch | None:
    match = _STRETCH.fullmatch(tail)
    low, high = (_moment(match[2]), _moment(match[3])) if match else (None, None)
    if match is None or low is None or high is None:
        return None
    return Stretch(match[1], low, high, match[4] is not None, None if match[5] is None else int(match[5]))


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
