"""What was carried forward of archived months: an account's sum, led back to its postings in the file.

`car_…` is what an account's postings of a month came to as it was archived, `car_….200-300` those of them
after the 200th up to the 300th, in the order of the file. More than a hundred are sums of stretches.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from ledger import ids
from ledger.archive_files import row_of
from ledger.explain import archives
from ledger.explain.archived import POSTINGS, UNREADABLE, lines_of
from ledger.explain.entries import account_text, leg_text, posting_ref
from ledger.explain.registry import Scope, explains, keys_of, refers_to
from ledger.explain.types import PARTS_MAX, Explanation, Link, Part, one
from ledger.models import Account, ArchiveFile, CarriedBalance, Posting
from ledger.money import Money
from ledger.owners import names_of

CARRIED: Final = "car"
_STRETCH: Final = re.compile(r"([0-9a-z]{26})(?:\.(\d{1,12})-(\d{1,12}))?", re.ASCII)


_WITHIN: Final = """
    SELECT s.n, c.id, c.range_from, c.amount, c.range_from >= s.low AND c.range_to <= s.high
    FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY
         AS s (account, low, high, n)
    JOIN ledger_carried c ON c.account_id = s.account AND c.range_from < s.high AND c.range_to > s.low
    ORDER BY s.n, c.range_from"""


@dataclass(slots=True)
class _Wanted:
    """A stretch of what was carried, and what the file says of it."""

    row: CarriedBalance
    tail: str
    low: int
    high: int
    sums: dict[int, int] = field(default_factory=dict)
    postings: list[Posting] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many postings one part stands for: the least power of a hundred that leaves a hundred parts."""
        size = 1
        while size * PARTS_MAX < self.high - self.low:
            size *= PARTS_MAX
        return size

    @property
    def is_whole(self) -> bool:
        return (self.low, self.high) == (0, self.row.postings)


def carried_ref(key: UUID) -> str:
    """Return the id under which what an account carried out of a month is explained."""
    return ids.show(CARRIED, key)


@refers_to(CarriedBalance)
def _of_carried(row: CarriedBalance) -> str:
    return carried_ref(row.pk)


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
    for n, key, month, amount, is_whole in rows:
        parts, problems = found[n - 1]
        if is_whole:
            money = Money(amount, accounts[n - 1].currency)
            parts.append(Part(f"carried out of {month:%Y-%m}", money, carried_ref(key)))
        else:
            problems.append(
                f"{month:%Y-%m} is archived, as {carried_ref(key)}: ask for a moment after the month"
            )
    return [(tuple(parts), tuple(problems)) for parts, problems in found]


@explains(CARRIED)
def carried_balances(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain what was carried forward by the postings in the archive; each file is read once."""
    wanted = _wanted(tails, scope)
    months = {one.row.range_from for one in wanted}
    files = {
        file.range_from: file for file in ArchiveFile.objects.filter(table=POSTINGS, range_from__in=months)
    }
    problems: dict[datetime, str] = {}
    for month in months:
        own = [one for one in wanted if one.row.range_from == month]
        try:
            _read(files[month], own, scope)
        except UNREADABLE as error:
            problems[month] = str(error)
        except KeyError:
            problems[month] = f"no archive has the postings of {month:%Y-%m}"
    names = names_of(one.row.account.owner for one in wanted)
    return {
        one.tail: _explained(one, files.get(one.row.range_from), problems.get(one.row.range_from, ""), names)
        for one in wanted
    }


def _wanted(tails: Sequence[str], scope: Scope) -> list[_Wanted]:
    matches = {tail: match for tail in tails if (match := _STRETCH.fullmatch(tail)) is not None}
    keys = {short: key for key, short in keys_of(CARRIED, {match[1] for match in matches.values()}).items()}
    rows = CarriedBalance.objects.filter(pk__in=list(keys.values())).select_related("account")
    held = {row.pk: row for row in scope.of(rows)}
    found = []
    for tail, match in matches.items():
        row = held.get(keys[match[1]]) if match[1] in keys else None
        if row is None:
            continue
        low, high = (0, row.postings) if match[2] is None else (int(match[2]), int(match[3]))
        if low < high <= row.postings:
            found.append(_Wanted(row, tail, low, high))
    return found


def _read(archive: ArchiveFile, wanted: Sequence[_Wanted], scope: Scope) -> None:
    """Sum the postings of the wanted stretches up; those that are parts by themselves are kept.

    :raises ArchiveAway: :raises BadArchive: :raises TooMuchToRead: as `lines_of` does.
    """
    by_account: dict[int, list[_Wanted]] = {}
    for each in wanted:
        by_account.setdefault(each.row.account_id, []).append(each)
    seen = dict.fromkeys(by_account, 0)
    for told in lines_of(archive, scope):
        account = told.get("account_id")
        if account not in by_account:
            continue
        place, seen[account] = seen[account], seen[account] + 1
        for each in by_account[account]:
            if each.low <= place < each.high:
                part = (place - each.low) // each.size
                each.sums[part] = each.sums.get(part, 0) + int(told["amount"])
                if each.size == 1:
                    each.postings.append(row_of(Posting, told))


def _explained(
    found: _Wanted, archive: ArchiveFile | None, problem: str, names: dict[str, str]
) -> Explanation:
    row, account = found.row, found.row.account
    parts = () if problem else tuple(_parts(found, names))
    total = row.amount if found.is_whole else sum(found.sums.values())
    where = "" if found.is_whole else f", postings {found.low + 1} to {found.high}"
    causes = (
        () if archive is None else (Link("read from the archive", "", archives.archive_ref(archive.number)),)
    )
    return Explanation(
        ref=f"{CARRIED}_{found.tail}",
        kind="carried forward",
        title=f"out of {row.range_from:%Y-%m}: {account_text(account.code, account.owner, names)}{where}",
        amounts=one(Money(total, account.currency)),
        parts=parts,
        causes=causes,
        evidence=(("postings", f"{row.postings} in the archived month"),),
        problems=(problem,) if problem else (),
        at=row.range_to,
        page=("ledger_account", str(account.pk)),
    )


def _parts(found: _Wanted, names: dict[str, str]) -> list[Part]:
    account, size = found.row.account, found.size
    if size == 1:
        for leg in found.postings:
            leg.account = account
        return [
            Part(leg_text(leg, names), Money(leg.amount, leg.currency), posting_ref(leg.entry_id, leg.line))
            for leg in found.postings
        ]
    ref, parts = carried_ref(found.row.pk), []
    for number, minor in sorted(found.sums.items()):
        low = found.low + number * size
        high = min(low + size, found.high)
        money = Money(minor, account.currency)
        parts.append(Part(f"postings {low + 1} to {high}", money, f"{ref}.{low}-{high}"))
    return parts
