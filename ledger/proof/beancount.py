"""The books as text for beancount, a third party's program: `bean-check` adds them up again, to the cent.

One transaction for each entry, dated by the day (UTC) on which it took effect or was recorded; balances
carried forward when the text does not begin at the beginning; at the end of each period the balance of
every account, computed back from the balances that the accounts keep, not from the postings above it. An
assertion says `~ 0`: without it bean-check lets a difference of one cent pass. Rows are streamed; memory
does not grow with them.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

from django.db import connection, transaction

from ledger.chart import CHART, Code
from ledger.errors import NotFound
from ledger.money import Money

_ROOT: Final = {
    "asset": "Assets", "liability": "Liabilities", "income": "Income", "expense": "Expenses",
    "equity": "Equity",
}  # fmt: skip
_CHUNK: Final = 2_000


class NothingWritten(NotFound):
    """There are no entries in the time asked for."""

    code = "no_entries"


class Moment(StrEnum):
    """By which of an entry's two times it is dated."""

    EFFECTIVE = "effective"
    RECORDED = "recorded"


class Period(StrEnum):
    """How often balances are asserted."""

    DAY = "day"
    MONTH = "month"


_COLUMN: Final = {Moment.EFFECTIVE: "e.occurred_at", Moment.RECORDED: "e.recorded_at"}

_BOUNDS: Final = """
    SELECT min({moment}), max({moment}) FROM ledger_entry e
    WHERE %(merchant)s::uuid IS NULL OR e.merchant_id = %(merchant)s"""

_ENTRIES: Final = """
    SELECT e.id, {moment}, e.kind, e.source_type, e.source_id, e.step, e.occurred_at, e.recorded_at,
           e.reverses_id, l.lines
    FROM ledger_entry e CROSS JOIN LATERAL (
        SELECT json_agg(json_build_array(p.account_id, a.code, a.owner, p.currency, p.amount, p.purpose)
                        ORDER BY p.line)::text AS lines
        FROM ledger_posting p JOIN ledger_account a ON a.id = p.account_id AND a.merchant_id = p.merchant_id
        WHERE p.entry_id = e.id) l
    WHERE {moment} >= %(begin)s AND {moment} < %(end)s
      AND (%(merchant)s::uuid IS NULL OR e.merchant_id = %(merchant)s)
    ORDER BY {moment}, e.id"""

_BALANCES: Final = """
    SELECT b.id, b.code, b.owner, b.currency, b.merchant_id, (b.balance - coalesce(later.amount, 0))::bigint
    FROM ledger_balance b
    LEFT JOIN (
        SELECT p.account_id, sum(p.amount) AS amount
        FROM ledger_posting p JOIN ledger_entry e ON e.id = p.entry_id
        WHERE {moment} >= %(end)s AND (%(merchant)s::uuid IS NULL OR e.merchant_id = %(merchant)s)
        GROUP BY p.account_id
    ) later ON later.account_id = b.id
    WHERE %(merchant)s::uuid IS NULL OR b.merchant_id = %(merchant)s
    ORDER BY b.id"""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: days from the first to the last, itself included."""

    first: date
    last: date
    entries: int
    accounts: int
    assertions: int


@dataclass(frozen=True, slots=True)
class Extract:
    """Which part of the books: whose, from when to when (half-open, None: all), dated and asserted how."""

    merchant: UUID | None = None
    begin: date | None = None
    end: date | None = None
    moment: Moment = Moment.EFFECTIVE
    period: Period = Period.MONTH


def export(path: Path, extract: Extract) -> Written:
    """Write the books, or a part of them, of one instant.

    :raises NothingWritten: there are no entries.
    """
    with _one_state():
        begin, end = _days(extract)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            entries = assertions = 0
            accounts = _write_accounts(file, extract, begin)
            if extract.begin:
                _write_opening(file, extract, begin)
            for low, high in _periods(extract, begin, end):
                for row in _stream(_ENTRIES, extract, low, high):
                    file.write(_transaction(row))
                    entries += 1
                for row in _stream(_BALANCES, extract, low, high):
                    amount = Money(row[5], row[3])
                    file.write(f"{high} balance {_name(*row[:3])} {amount.major():f} ~ 0 {amount.currency}\n")
                    assertions += 1
    return Written(begin, end - timedelta(days=1), entries, accounts, assertions)


@contextmanager
def _one_state() -> Iterator[None]:
    """Look at one instant's state; inside a transaction of the caller's, at what that one sees."""
    is_ours = not connection.in_atomic_block
    with transaction.atomic():
        if is_ours:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _days(extract: Extract) -> tuple[date, date]:
    """Return the first day and the one after the last."""
    with connection.cursor() as cursor:
        cursor.execute(_sql(_BOUNDS, extract), {"merchant": extract.merchant})
        low, high = cursor.fetchone()
    if low is None:
        raise NothingWritten("there are no entries")
    begin = extract.begin or low.astimezone(UTC).date()
    end = extract.end or high.astimezone(UTC).date() + timedelta(days=1)
    if begin >= end:
        raise NothingWritten("there are no entries in the time asked for")
    return begin, end


def _periods(extract: Extract, begin: date, end: date) -> Iterator[tuple[date, date]]:
    while begin < end:
        if extract.period == Period.DAY:
            following = begin + timedelta(days=1)
        else:
            following = (begin.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield begin, min(following, end)
        begin = following


def _write_accounts(file: IO[str], extract: Extract, begin: date) -> int:
    file.write('option "title" "Everycent"\n\n')
    accounts = 0
    for account_id, code, owner, currency, merchant, _ in _stream(_BALANCES, extract, begin, begin):
        file.write(f"{begin} open {_name(account_id, code, owner)} {currency}\n")
        file.write(f'  title: "{_quoted(CHART[Code(code)].title)}"\n  merchant: "{merchant}"\n')
        if owner:
            file.write(f'  owner: "{_quoted(owner)}"\n')
        accounts += 1
    file.write("\n")
    return accounts


def _write_opening(file: IO[str], extract: Extract, begin: date) -> None:
    """Carry forward what the accounts held when the first day began: it sums to zero as entries do."""
    is_begun = False
    for account_id, code, owner, currency, _, minor in _stream(_BALANCES, extract, begin, begin):
        if not minor:
            continue
        if not is_begun:
            file.write(f'{begin} * "carried forward" "balances before {begin}"\n')
            is_begun = True
        file.write(_leg(account_id, code, owner, Money(minor, currency)))
    file.write("\n")


def _transaction(row: tuple[Any, ...]) -> str:
    entry_id, moment, kind, source_type, source_id, step, occurred_at, recorded_at, reverses_id, lines = row
    day = moment.astimezone(UTC).date()
    text = [
        f'{day} * "{_quoted(kind)}" "{_quoted(source_type)} {_quoted(step)}"\n'
        f'  entry: "{entry_id}"\n  source: "{_quoted(source_type)} {source_id}"\n  step: "{_quoted(step)}"\n'
        f'  effective: "{occurred_at.astimezone(UTC).isoformat()}"\n'
        f'  recorded: "{recorded_at.astimezone(UTC).isoformat()}"\n'
    ]
    if reverses_id:
        text.append(f'  reverses: "{reverses_id}"\n')
    for account_id, code, owner, currency, minor, purpose in json.loads(lines):
        text.append(_leg(account_id, code, owner, Money(minor, currency)))
        text.append(f'    purpose: "{_quoted(purpose)}"\n')
    return "".join(text) + "\n"


def _leg(account_id: int, code: str, owner: str, amount: Money) -> str:
    return f"  {_name(account_id, code, owner)} {amount.major():f} {amount.currency}\n"


def _name(account_id: int, code: str, owner: str) -> str:
    """Return an account's name: its side of the chart, its code, its id (which makes it one) and owner."""
    root = _ROOT[CHART[Code(code)].category]
    kind = "".join(word.capitalize() for word in code.split("_"))
    return f"{root}:{kind}:{account_id}-{re.sub('[^A-Za-z0-9]+', '-', owner)}".rstrip("-")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _stream(sql: str, extract: Extract, begin: date, end: date) -> Iterator[tuple[Any, ...]]:
    parameters = {"begin": _start_of(begin), "end": _start_of(end), "merchant": extract.merchant}
    with connection.chunked_cursor() as cursor:
        cursor.execute(_sql(sql, extract), parameters)
        while rows := cursor.fetchmany(_CHUNK):
            yield from rows


def _sql(template: str, extract: Extract) -> str:
    return template.format(moment=_COLUMN[extract.moment])


def _start_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
