"""The rules in force for a merchant, kept in the process and never stale.

Every screening learns the token of the rules (sum of revisions and time of the last change) in the statement
that gathers its facts. While it is the token of the rules kept here, they are used; otherwise they are read
again. Which versions hold is decided by the time asked for, so a rule of next Monday is kept and waits.
"""

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from fraud import selectors
from fraud.engine.types import Decision, Rule, RuleKind
from fraud.models import RiskRule

KEPT_MAX: Final = 2_000


class NoRules(RuntimeError):
    """Nothing to hold a payment against: the house's rules were not seeded. A defect; nothing is approved."""


@dataclass(frozen=True, slots=True)
class _Book:
    """Rows under their token, and the rules that they come to from one moment up to another."""

    token: str
    rows: tuple[RiskRule, ...]
    rules: Sequence[Rule]
    since: datetime
    until: datetime


_books: dict[uuid.UUID, _Book] = {}
_guard = threading.Lock()


def in_force(merchant_id: uuid.UUID, token: str | None, at: datetime) -> Sequence[Rule]:
    """Return the rules that hold for a merchant at a time; `token` is that of the rules stored now.

    All who ask get the same rules: they are for reading.
    """
    book = _books.get(merchant_id)
    if book is None or book.token != (token or ""):
        book = _open(token or "", tuple(selectors.rule_rows(merchant_id)), at)
    elif not book.since <= at < book.until:
        book = _open(book.token, book.rows, at)
    else:
        return book.rules
    with _guard:
        if len(_books) >= KEPT_MAX:
            _books.clear()
        _books[merchant_id] = book
    return book.rules


def _open(token: str, rows: tuple[RiskRule, ...], at: datetime) -> _Book:
    """Return a book with the rules of a moment, and how long before and after it they are the same."""
    edges = {edge for row in rows for edge in (row.valid_from, row.valid_until) if edge is not None}
    since = max((edge for edge in edges if edge <= at), default=datetime.min.replace(tzinfo=UTC))
    until = min((edge for edge in edges if edge > at), default=datetime.max.replace(tzinfo=UTC))
    return _Book(token, rows, tuple(resolve(rows, at)), since, until)


def read_now(merchant_id: uuid.UUID, at: datetime) -> list[Rule]:
    """Return the rules that hold, read from the table (where no token is at hand)."""
    return resolve(selectors.rule_rows(merchant_id), at)


def resolve(rows: Sequence[RiskRule], at: datetime) -> list[Rule]:
    """Return the rules out of rows of the house and of one merchant, ordered by code.

    A merchant's row replaces the house's; where it names no limits for a currency, the house's hold. An
    inactive row of the merchant switches the rule off for it.

    :raises NoRules: the house has no rules at that time.
    """
    house: dict[str, RiskRule] = {}
    own: dict[str, RiskRule] = {}
    for row in sorted(rows, key=lambda row: row.version):
        if row.valid_from <= at and (row.valid_until is None or at < row.valid_until):
            (house if row.merchant_id is None else own)[row.code] = row
    if not house:
        raise NoRules("the house has no fraud rules; migrate writes them")
    rules = []
    for code in sorted({*house, *own}):
        row = own.get(code) or house[code]
        if row.is_active:
            rule = as_rule(row)
            if code in house and house[code] is not row:
                rule = replace(rule, limits={**house[code].limits, **rule.limits})
            rules.append(rule)
    return rules


def as_rule(row: RiskRule) -> Rule:
    """Return a row as the engine sees it."""
    return Rule(
        code=row.code,
        kind=RuleKind(row.kind),
        limits=row.limits,
        dimension=row.dimension,
        window_seconds=row.window_seconds,
        review_weight=row.review_weight,
        decline_weight=row.decline_weight,
        fail_posture=Decision(row.fail_posture),
        version=row.version,
    )
