"""What was carried forward of archived months: an account's sum, led back to its postings in the files.

`car_…@2003-04` is what an account's postings of a month came to as it was archived, `car_…@2003-04.200-300`
those of them after the 200th up to the 300th, in the order of the files. More than a hundred are sums of
stretches. What came late for a month that was gone has a file of its own, and counts with the others.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from django.db import connection

from ledger.archives.files import row_of
from ledger.explain import archives
from ledger.explain.archived import UNREADABLE, lines_of
from ledger.explain.entries import account_text, leg_text, posting_ref
from ledger.explain.registry import Scope, explains, keys_of
from ledger.explain.types import PARTS_MAX, Explanation, Link, Part, one
from ledger.models import Account, ArchiveFile, CarriedBalance, Posting
from ledger.money import Money
from ledger.owners import names_of

CARRIED: Final = "car"
_STRETCH: Final = re.compile(r"([0-9a-z]{26})@(\d{4})-(\d\d)(?:\.(\d{1,12})-(\d{1,12}))?", re.ASCII)
_WITHIN: Final = """
    SELECT s.n, c.range_from, sum(c.amount)::bigint, c.range_from >= s.low AND c.range_to <= s.high
    FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY
         AS s (account, low, high, n)
    JOIN ledger_carried c ON c.account_id = s.account AND c.range_from < s.high AND c.range_to > s.low
    GROUP BY s.n, c.range_from, 4 ORDER BY s.n, c.range_from"""


@dataclass(slots=True)
class _Wanted:
    """A stretch of what an account carried out of a month, and what the files say of it."""

    tail: str
    account: Account
    month: datetime
    amount: int
    postings: int
    low: int
    high: int
    sums: dict[int, int] = field(default_factory=dict)
    legs: list[Posting] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many postings one part stands for: the least power of a hundred that leaves a hundred parts."""
        size = 1
        while size * PARTS_MAX < self.high - self.low:
            size *= PARTS_MAX
        return size

    @property
    def is_whole(self) -> bool:
        return (self.low, self.high) == (0, self.postings)


def carried_ref(account: Account, month: datetime) -> str:
    """Return the id under which what an account carried out of a month is explained."""
    return f"{CARRIED}_{account.public_id.partition('_')[2]}@{month.astimezone(UTC):%Y-%m}"


def within(
    stretches: Sequence[tuple[Account, datetime, datetime]],
) -> list[tuple[tuple[Part, ...], tuple[str, ...]]]:
    """Return what accounts carried out of the archived months of stretches of time, in one query.

    Beside it stands why a stretch is not whole: it begins or ends within such a month.
    """
    found: list[tuple[list[Part], list[str]]] = [([], []) for _ in stretches]
    if not stretches:
        return []
    accounts, lows, highs = zip(*stretches, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_WITHIN, [[account.pk for account in accounts], list(lows), list(highs)])
        rows = cursor.fetchall()
    for n, month, amount, is_whole in rows:
        account, (parts, problems) = accounts[n - 1], found[n - 1]
        ref = carried_ref(account, month)
        if is_whole:
            parts.append(Part(f"carried out of {month:%Y-%m}", Money(amount, account.currency), ref))
        else:
            problems.append(f"{month:%Y-%m} is archived, as {ref}: ask for a moment after the month")
    return [(tuple(parts), tuple(problems)) for parts, problems in found]


@explains(CARRIED)
def carried_balances(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain what was carried forward by the postings in the archives; each file is read once."""
    wanted = _wanted(tails, scope)
    files: dict[datetime, list[ArchiveFile]] = {}
    rows = ArchiveFile.objects.filter(table=archives.POSTINGS, range_from__in={each.month for each in wanted})
    for row in rows.order_by("number") if wanted else ():
        files.setdefault(row.range_from, []).append(row)
    problems: dict[datetime, str] = {}
    for month in {each.month for each in wanted}:
        try:
            _read(files.get(month, ()), [each for each in wanted if each.month == month], scope)
        except UNREADABLE as error:
            problems[month] = str(error)
    names = names_of(each.account.owner for each in wanted)
    return {
        each.tail: _explained(each, files.get(each.month, ()), problems.get(each.month, ""), names)
        for each in wanted
    }


def _wanted(tails: Sequence[str], scope: Scope) -> list[_Wanted]:
    matches = {tail: match for tail in tails if (match := _STRETCH.fullmatch(tail)) is not None}
    keys = keys_of("acc", {match[1] for match in matches.values()})
    held = {
        keys[row.public_uuid]: row for row in scope.of(Account.objects.filter(public_uuid__in=list(keys)))
    }
    sums: dict[tuple[int, str], list[CarriedBalance]] = {}
    rows = CarriedBalance.objects.filter(account__in=[row.pk for row in held.values()]) if held else ()
    for row in rows:
        sums.setdefault((row.account_id, f"{row.range_from.astimezone(UTC):%Y-%m}"), []).append(row)
    found = []
    for tail, match in matches.items():
        account = held.get(match[1])
        carried = sums.get((account.pk, f"{match[2]}-{match[3]}"), []) if account is not None else []
        if account is None or not carried:
            continue
        amount, count = sum(row.amount for row in carried), sum(row.postings for row in carried)
        low, high = (0, count) if match[4] is None else (int(match[4]), int(match[5]))
        if low < high <= count:
            found.append(_Wanted(tail, account, carried[0].range_from, amount, count, low, high))
    return found


def _read(files: Iterable[ArchiveFile], wanted: Sequence[_Wanted], scope: Scope) -> None:
    """Sum the postings of the wanted stretches up; those that are parts by themselves are kept.

    :raises ArchiveAway: :raises BadArchive: :raises TooMuchToRead: as `lines_of` does.
    """
    by_account: dict[int, list[_Wanted]] = {}
    for each in wanted:
        by_account.setdefault(each.account.pk, []).append(each)
    seen = dict.fromkeys(by_account, 0)
    for told in (told for file in files for told in lines_of(file, scope)):
        account = told.get("account_id")
        if account not in by_account:
            continue
        place, seen[account] = seen[account], seen[account] + 1
        for each in by_account[account]:
            if each.low <= place < each.high:
                part = (place - each.low) // each.size
                each.sums[part] = each.sums.get(part, 0) + int(told["amount"])
                if each.size == 1:
                    each.legs.append(row_of(Posting, told))


def _explained(
    found: _Wanted, files: Sequence[ArchiveFile], problem: str, names: dict[str, str]
) -> Explanation:
    account, month = found.account, found.month.astimezone(UTC)
    where = "" if found.is_whole else f", postings {found.low + 1} to {found.high}"
    total = found.amount if found.is_whole else sum(found.sums.values())
    return Explanation(
        ref=f"{CARRIED}_{found.tail}",
        kind="carried forward",
        title=f"out of {month:%Y-%m}: {account_text(account.code, account.owner, names)}{where}",
        amounts=one(Money(total, account.currency)),
        parts=() if problem else tuple(_parts(found, names)),
        causes=tuple(Link("read from the archive", "", archives.archive_ref(file.number)) for file in files),
        evidence=(("postings", f"{found.postings} in the archived month"),),
        problems=(problem,) if problem else (),
        at=found.month,
        page=("ledger_account", str(account.pk)),
    )


def _parts(found: _Wanted, names: dict[str, str]) -> list[Part]:
    size = found.size
    if size == 1:
        for leg in found.legs:
            leg.account = found.account
        return [
            Part(leg_text(leg, names), Money(leg.amount, leg.currency), posting_ref(leg.entry_id, leg.line))
            for leg in found.legs
        ]
    ref, parts = carried_ref(found.account, found.month), []
    for number, minor in sorted(found.sums.items()):
        low = found.low + number * size
        high = min(low + size, found.high)
        money = Money(minor, found.account.currency)
        parts.append(Part(f"postings {low + 1} to {high}", money, f"{ref}.{low}-{high}"))
    return parts
