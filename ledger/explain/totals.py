"""Sums over accounts: the cells of the trial balance.

`cell_trial.<merchant>.<currency>.<code>` is one kind of account of one merchant in one currency, and
`cell_trial.<merchant>.<currency>.<code>.p3` a hundred of its accounts. The merchant is `mer`'s 26 letters.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from django.db import connection

from ledger import ids
from ledger.chart import CHART, Code
from ledger.explain.entries import account_text
from ledger.explain.registry import Scope, explains
from ledger.explain.types import PARTS_MAX, Explanation, Part, summed
from ledger.money import Money
from ledger.owners import names_of

CELL: Final = "cell"
TRIAL: Final = "trial"
_TRIAL: Final = re.compile(r"([0-9a-z]{26})\.([A-Z]{3})\.([a-z_]{2,40})(?:\.p(\d{1,9}))?", re.ASCII)

Cells = Callable[[Sequence[str], Scope], dict[str, Explanation]]
_reports: Final[dict[str, Cells]] = {}


def cells(report: str) -> Callable[[Cells], Cells]:
    """Register the function that explains the cells of a report; it gets what follows `cell_<report>.`."""

    def register(function: Cells) -> Cells:
        _reports[report] = function
        return function

    return register


def cell_ref(report: str, *where: str) -> str:
    """Return the id under which a cell of a report is explained."""
    return ".".join((f"{CELL}_{report}", *where))


def short(prefix: str, key: UUID) -> str:
    """Return a key's public id without its prefix, for a cell's id."""
    return ids.show(prefix, key).partition("_")[2]


@explains(CELL)
def report_cells(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain cells of reports: each by the floor that makes the report."""
    by_report: dict[str, list[str]] = {}
    for tail in tails:
        report, _, rest = tail.partition(".")
        by_report.setdefault(report, []).append(rest)
    found = {}
    for report, rests in by_report.items():
        if report in _reports:
            answer = _reports[report](rests, scope)
            found.update({f"{report}.{rest}": explanation for rest, explanation in answer.items()})
    return found


@cells(TRIAL)
def trial_balance(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain rows of the trial balance by their accounts."""
    wanted: dict[str, tuple[UUID, str, str, int | None]] = {}
    for tail in tails:
        match = _TRIAL.fullmatch(tail)
        if match is None or match[3] not in CHART:
            continue
        try:
            merchant = ids.parse("mer", f"mer_{match[1]}")
        except ids.BadId:
            continue
        if scope.merchant_id in (None, merchant):
            wanted[tail] = (merchant, match[2], match[3], None if match[4] is None else int(match[4]))
    rows = _accounts_of({key[:3] for key in wanted.values()})
    names = names_of(row[4] for found in rows.values() for row in found)
    found = {}
    for tail, (merchant, currency, code, page) in wanted.items():
        accounts = rows.get((merchant, currency, code), [])
        if not accounts:
            continue
        parts = _parts_of(f"{CELL}_{TRIAL}.{tail}", accounts, page, names)
        where = "" if page is None else f", page {page}"
        found[tail] = Explanation(
            ref=f"{CELL}_{TRIAL}.{tail}",
            kind="trial balance",
            title=f"{CHART[Code(code)].title}, {currency}{where}",
            amounts=summed(part.amount for part in parts) or (Money.zero(currency),),
            parts=tuple(parts),
        )
    return found


def _parts_of(ref: str, accounts: Sequence[Any], page: int | None, names: dict[str, str]) -> list[Part]:
    if page is None and len(accounts) > PARTS_MAX:
        pages = range(0, len(accounts), PARTS_MAX)
        return [
            Part(
                f"accounts {start + 1} to {min(start + PARTS_MAX, len(accounts))}",
                Money(sum(row[5] for row in accounts[start : start + PARTS_MAX]), accounts[0][2]),
                f"{ref}.p{start // PARTS_MAX}",
            )
            for start in pages
        ]
    start = (page or 0) * PARTS_MAX
    return [_part(row, names) for row in accounts[start : start + PARTS_MAX]]


def of_owners(owners: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], list[Part]]:
    """Return the accounts of owners as parts, by (merchant, owner)."""
    parts: dict[tuple[UUID, str], list[Part]] = {owner: [] for owner in owners}
    rows = _rows(
        """SELECT a.public_uuid, b.merchant_id, b.currency, b.code, b.owner, b.balance FROM ledger_balance b
           JOIN ledger_account a USING (id, merchant_id)
           JOIN unnest(%s::uuid[], %s::text[]) AS w (merchant_id, owner)
             ON (w.merchant_id, w.owner) = (b.merchant_id, b.owner)
           ORDER BY b.currency, b.code, b.id""",
        [[merchant for merchant, _ in owners], [owner for _, owner in owners]],
    )
    for row in rows:
        parts[row[1], row[4]].append(_part(row, {}))
    return parts


def of_merchants(merchants: Sequence[UUID]) -> dict[UUID, list[Part]]:
    """Return the rows of merchants' trial balances as parts."""
    parts: dict[UUID, list[Part]] = {}
    rows = _rows(
        """SELECT merchant_id, currency, code, sum(balance)::bigint FROM ledger_balance
           WHERE merchant_id = ANY (%s::uuid[]) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
        [list(merchants)],
    )
    for merchant, currency, code, minor in rows:
        ref = cell_ref(TRIAL, short("mer", merchant), currency, code)
        parts.setdefault(merchant, []).append(Part(CHART[Code(code)].title, Money(minor, currency), ref))
    return parts


def _accounts_of(wanted: set[tuple[UUID, str, str]]) -> dict[tuple[UUID, str, str], list[Any]]:
    found: dict[tuple[UUID, str, str], list[Any]] = {}
    columns = [list(column) for column in zip(*wanted, strict=True)] if wanted else [[], [], []]
    rows = _rows(
        """SELECT a.public_uuid, b.merchant_id, b.currency, b.code, b.owner, b.balance FROM ledger_balance b
           JOIN ledger_account a USING (id, merchant_id)
           JOIN unnest(%s::uuid[], %s::text[], %s::text[]) AS w (merchant_id, currency, code)
             ON (w.merchant_id, w.currency, w.code) = (b.merchant_id, b.currency, b.code)
           ORDER BY b.id""",
        columns,
    )
    for row in rows:
        found.setdefault((row[1], row[2], row[3]), []).append(row)
    return found


def _part(row: Any, names: dict[str, str]) -> Part:
    return Part(account_text(row[3], row[4], names), Money(row[5], row[2]), ids.show("acc", row[0]))


def _rows(sql: str, parameters: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
