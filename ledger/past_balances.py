"""Balances of the past, statements and trial balances, whose cost does not follow an account's history.

Two clocks: what was *recorded* at a moment is what the books said then, for ever the same; what was *in
effect* at a moment is what we know now of then, back-dated entries included. The SQL is in
`migrations/0006_balances.sql` and `0018_displaced.sql`: checkpoints of deferred accounts, postings that took
effect at another time than they were recorded, and the settled mark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import connection

from ledger.archives.carrying import refuse_archived
from ledger.chart import CHART, Code
from ledger.errors import Invalid
from ledger.models import Account, Posting
from ledger.money import Money

LINES_MAX: Final = 1_000
_INSTANT: Final = timedelta(microseconds=1)


class Basis(StrEnum):
    """By which clock a balance of the past is asked for."""

    RECORDED = "recorded"
    EFFECTIVE = "effective"


class BadPeriod(Invalid):
    """A statement's period that ends before it begins."""

    code = "period_invalid"
    advice = "Send `from` before `to`."


class NoSuchLine(Invalid):
    """A cursor that names no posting of this account."""

    code = "cursor_invalid"
    advice = "Send the id of a line of an earlier page."


@dataclass(frozen=True, slots=True)
class Line:
    """One posting of a statement, with the balance after it; debit positive."""

    entry_id: UUID
    line: int
    kind: str
    purpose: str
    source_type: str
    source_id: UUID
    amount: Money
    balance: Money
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """A page of an account's postings in the order in which they were recorded.

    `opening` is the balance before the page's first line, `closing` that after its last one.
    """

    opening: Money
    lines: Sequence[Line]
    closing: Money
    has_more: bool


@dataclass(frozen=True, slots=True)
class TrialRow:
    """The sum of all accounts of one code in one currency, on its side; debit positive."""

    code: Code
    currency: str
    debit: int
    credit: int
    accounts: int


def settle() -> int:
    """Bring checkpoints and displaced postings up to date; return how many rows moved."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_settle_balances()")
        return int(cursor.fetchone()[0])


def balance_at(account: Account, moment: datetime, basis: Basis = Basis.RECORDED) -> Money:
    """Return an account's balance at a moment, the moment included; debit positive.

    :raises MonthArchived: the moment lies in a month whose postings are in an archive file.
    """
    refuse_archived(account, moment)
    function = {
        Basis.RECORDED: "ledger_balance_recorded",
        Basis.EFFECTIVE: "ledger_balance_effective",
    }[basis]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {function}(%s, %s, %s, %s)",
            [account.pk, account.merchant_id, account.is_deferred, moment],
        )
        return Money(cursor.fetchone()[0], account.currency)


def statement(
    account: Account,
    begins: datetime,
    ends: datetime,
    *,
    limit: int = 100,
    after: tuple[UUID, int] | None = None,
) -> Statement:
    """Return a page of the postings recorded in [begins, ends), the oldest first, with the running balance.

    `after` is the entry and line of the last posting seen.

    :raises BadPeriod: it ends before it begins. :raises NoSuchLine: `after` is none of this account's.
    """
    if ends < begins:
        raise BadPeriod("the period ends before it begins", param="to")
    if after is None:
        opening = balance_at(account, begins - _INSTANT).minor
        cursor_at: tuple[datetime, UUID, int] = (begins - _INSTANT, UUID(int=0), 0)
    else:
        seen = Posting.objects.filter(entry_id=after[0], line=after[1], account_id=account.pk).first()
        if seen is None:
            raise NoSuchLine("the line is none of this account", param="starting_after")
        cursor_at = (seen.recorded_at, *after)
        opening = _balance_after(account, seen)
    rows = _rows(account, cursor_at, ends, min(limit, LINES_MAX) + 1)
    shown, running, lines = rows[: min(limit, LINES_MAX)], opening, []
    for entry_id, line, amount, purpose, recorded_at, kind, source_type, source_id, occurred_at in shown:
        running += amount
        lines.append(
            Line(
                entry_id, line, kind, purpose, source_type, source_id, Money(amount, account.currency),
                Money(running, account.currency), occurred_at, recorded_at,
            )
        )  # fmt: skip
    return Statement(
        Money(opening, account.currency), lines, Money(running, account.currency), len(rows) > len(shown)
    )


def trial_balance(merchant_id: UUID | None, moment: datetime | None = None) -> list[TrialRow]:
    """Return the trial balance of a merchant or of the house, now or as it was recorded at a moment.

    Debits and credits of each currency are equal: the books balance (double-entry bookkeeping).
    """
    balance = (
        "ledger_balance_recorded(a.id, a.merchant_id, a.is_deferred, %(moment)s)"
        if moment is not None
        else "(SELECT b.balance FROM ledger_balance b WHERE b.id = a.id AND b.merchant_id = a.merchant_id)"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT code, currency, coalesce(sum(balance) FILTER (WHERE balance > 0), 0)::bigint,
                       coalesce(-sum(balance) FILTER (WHERE balance < 0), 0)::bigint, count(*)
                FROM (SELECT a.code, a.currency, {balance} AS balance FROM ledger_account a
                      WHERE %(merchant)s::uuid IS NULL OR a.merchant_id = %(merchant)s) each
                GROUP BY code, currency""",  # noqa: S608 - one of the two above
            {"merchant": merchant_id, "moment": moment},
        )
        found = [TrialRow(Code(row[0]), *row[1:]) for row in cursor.fetchall()]
    order = {code: number for number, code in enumerate(CHART)}
    return sorted(found, key=lambda row: (row.currency, order[row.code]))


def _balance_after(account: Account, posting: Posting) -> int:
    if posting.balance_after is not None:
        return int(posting.balance_after)
    before = balance_at(account, posting.recorded_at - _INSTANT).minor
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT coalesce(sum(amount), 0)::bigint FROM ledger_posting
               WHERE account_id = %s AND merchant_id = %s AND recorded_at = %s
                 AND (entry_id, line) <= (%s, %s)""",
            [account.pk, account.merchant_id, posting.recorded_at, posting.entry_id, posting.line],
        )
        return before + int(cursor.fetchone()[0])


def _rows(account: Account, after: tuple[datetime, UUID, int], ends: datetime, limit: int) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT p.entry_id, p.line, p.amount, p.purpose, p.recorded_at, e.kind, e.source_type,
                      e.source_id, e.occurred_at
               FROM ledger_posting p
               JOIN ledger_entry e ON e.id = p.entry_id AND e.merchant_id = p.merchant_id
               WHERE p.account_id = %(account)s AND p.merchant_id = %(merchant)s
                 AND p.recorded_at >= %(at)s AND p.recorded_at < %(ends)s
                 AND (p.recorded_at, p.entry_id, p.line) > (%(at)s, %(entry)s, %(line)s)
               ORDER BY p.recorded_at, p.entry_id, p.line LIMIT %(limit)s""",
            {
                "account": account.pk, "merchant": account.merchant_id, "at": after[0], "entry": after[1],
                "line": after[2], "ends": ends, "limit": limit,
            },
        )  # fmt: skip
        return list(cursor.fetchall())
