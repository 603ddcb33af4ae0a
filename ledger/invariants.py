"""The invariants of the house: numbered sentences that are always true, each with a query that must find
nothing.

Every app registers its own in `<app>/invariants.py`. They run after every flow test, at the end of a day's
proof, and by the timetable: every minute on what changed (`check_changed`, those that say how), nightly on
everything; a violation names the rows (`ledger.history.watching` keeps both).

One query serves both: where it stands, the comment `/*changed payment p.id*/` narrows it to subjects of that
kind with events in a window of transactions, and is nothing but a comment when everything is checked. In
place of a kind of subject stand `entry` and `account` (written, posted to in the window) or `written` (a
row's own column of transaction ids).
"""

import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from typing import Final

from django.db import connection

Check = Callable[[], Iterable[str]]

SHOWN_MAX: Final = 20


_MARK: Final = re.compile(r"/\*changed (\w+) ([\w.]+)\*/")


class Violation(str):
    """What breaks an invariant, in words; and which subject it is, where it is one."""

    subject_type: str = ""
    subject_key: str = ""

    @classmethod
    def of(cls, text: str, subject_type: str, subject_key: object) -> "Violation":
        """Return the violation of a subject."""
        made = cls(text)
        made.subject_type, made.subject_key = subject_type, str(subject_key)
        return made


@dataclass(frozen=True, slots=True)
class Window:
    """What was written by the transactions of [since, until), which have all ended."""

    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Invariant:
    """A numbered sentence and its check, which yields violations; whether it can look at changes only."""

    number: str
    sentence: str
    check: Check
    narrows: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found; empty is good."""

    invariant: Invariant
    violations: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.violations


registry: Final[dict[str, Invariant]] = {}
_window: ContextVar[Window | None] = ContextVar("window", default=None)


def invariant(number: str, sentence: str, *, narrows: bool = False) -> Callable[[Check], Check]:
    """Register a check under its number; one that `narrows` is run on what changed, too."""

    def register(check: Check) -> Check:
        if number in registry and registry[number].check.__module__ != check.__module__:
            raise LookupError(f"{number} is taken by {registry[number].sentence!r}")
        registry[number] = Invariant(number, sentence, check, narrows)
        return check

    return register


def check_all() -> list[Result]:
    """Run every invariant, in the order of their numbers."""
    return [_run(found) for found in in_order()]


def check_changed(looked_at: Window) -> list[Result]:
    """Run the invariants that can be narrowed on what changed in a window, in the order of their numbers."""
    token = _window.set(looked_at)
    try:
        return [_run(found) for found in in_order() if found.narrows]
    finally:
        _window.reset(token)


def in_order() -> list[Invariant]:
    """Return every invariant in the order of its number."""
    return [registry[number] for number in sorted(registry, key=lambda number: int(number.partition("-")[2]))]


def window() -> Window | None:
    """Return the window that a check shall look at; None means everything."""
    return _window.get()


def rows(sql: str, message: str, subject: str = "") -> Iterable[str]:
    """Run a query that must find nothing; yield `message` formatted with each row's columns.

    With a `subject` the first column is the key of a subject of that kind.

    :raises LookupError: a narrowed check has a query that does not say where to narrow it (a defect).
    """
    with connection.cursor() as cursor:
        cursor.execute(_narrowed(sql))
        for row in cursor.fetchall():
            yield Violation.of(message.format(*row), subject, row[0] if subject else "")


def archived(entry_id: str) -> str:
    """Return the condition, in SQL, that the entry with this id left with a month that was archived."""
    return f"""(EXISTS (SELECT FROM ledger_archive a WHERE a."table" = 'ledger_entry'
                        AND {entry_id} >= ledger_uuid_at(a.range_from)
                        AND {entry_id} < ledger_uuid_at(a.range_to))
                AND NOT EXISTS (SELECT FROM ledger_entry late WHERE late.id = {entry_id}))"""  # noqa: S608


def has_archived(source_id: str, source_type: str, step: str = "f.step") -> str:
    """Return the condition that an entry of this source, or of one step of it, was archived: its fact stays.

    All three are SQL.
    """
    return f"""EXISTS (SELECT FROM ledger_fact f
                       WHERE (f.source_id, f.source_type, f.step) = ({source_id}, {source_type}, {step})
                         AND {archived("f.entry_id")})"""


def _run(found: Invariant) -> Result:
    return Result(found, tuple(islice(found.check(), SHOWN_MAX)))


def _narrowed(sql: str) -> str:
    looked_at = _window.get()
    if looked_at is None:
        return sql
    if not _MARK.search(sql):
        raise LookupError("an invariant that narrows has /*changed … */ in each of its queries")

    def written(column: str) -> str:
        return f"{column} >= '{looked_at.since}'::xid8 AND {column} < '{looked_at.until}'::xid8"

    def narrow(mark: "re.Match[str]") -> str:
        kind, column = mark.groups()
        if kind == "written":
            return f"AND {written(column)}"
        if kind == "entry":
            return f"AND {column} IN (SELECT c.id FROM ledger_entry c WHERE {written('c.xid')})"  # noqa: S608
        if kind == "account":
            posted = "SELECT p.account_id FROM ledger_posting p JOIN ledger_entry c ON c.id = p.entry_id"
            return f"AND {column} IN ({posted} WHERE {written('c.xid')})"
        return (
            f"AND {column} IN (SELECT c.subject_id FROM ledger_event c "  # noqa: S608 - words of this file
            f"WHERE c.subject_type = '{kind}' AND {written('c.xid')})"
        )

    return _MARK.sub(narrow, sql)


@invariant("I-01", "Every journal entry balances in each currency.", narrows=True)
def entries_balance() -> Iterable[str]:
    return rows(
        """SELECT entry_id, currency, sum(amount) FROM ledger_posting WHERE true /*changed entry entry_id*/
           GROUP BY 1, 2 HAVING sum(amount) <> 0""",
        "entry {0} is off by {2} {1}",
    )


@invariant("I-02", "Every account's balance is the sum of its postings, archived ones carried forward.")
def balances_are_sums() -> Iterable[str]:
    return rows(
        """SELECT b.id, b.code, b.currency, b.balance, coalesce(p.total, 0) + coalesce(c.total, 0)
           FROM ledger_balance b
           LEFT JOIN (SELECT account_id, sum(amount) AS total FROM ledger_posting GROUP BY 1) p
             ON p.account_id = b.id
           LEFT JOIN (SELECT account_id, sum(amount) AS total FROM ledger_carried GROUP BY 1) c
             ON c.account_id = b.id
           WHERE b.balance <> coalesce(p.total, 0) + coalesce(c.total, 0)""",
        "account {0} ({1} {2}) says {3}, its postings and what was carried forward {4}",
    )


@invariant("I-03", "Every journal entry has postings.", narrows=True)
def entries_have_postings() -> Iterable[str]:
    return rows(
        """SELECT e.id, e.kind FROM ledger_entry e
           WHERE (SELECT p.entry_id FROM ledger_posting p WHERE p.entry_id = e.id LIMIT 1) IS NULL
           /*changed written e.xid*/""",
        "entry {0} ({1}) has no postings",
    )


@invariant("I-04", "Every subject's events are a sequence without gaps, archived ones before the others.")
def sequences_have_no_gaps() -> Iterable[str]:
    return rows(
        """SELECT v.subject_type, v.subject_id, count(*), max(sequence) FROM ledger_event v GROUP BY 1, 2
           HAVING (count(*) <> max(sequence) OR min(sequence) <> 1) AND NOT EXISTS (
               SELECT FROM ledger_archived_stream a
               WHERE (a.subject_id, a.subject_type) = (v.subject_id, v.subject_type)
               HAVING (min(a.first_sequence), max(a.last_sequence)) = (1, min(v.sequence) - 1)
                  AND max(a.last_sequence) + count(v.*) = max(v.sequence))""",
        "{0} {1} has {2} events, the last is number {3}",
    )


@invariant("I-05", "Every event that moved money names an entry that exists or is archived.", narrows=True)
def entries_of_events_exist() -> Iterable[str]:
    return rows(
        f"""SELECT v.id, v.type FROM ledger_event v
            WHERE v.entry_id IS NOT NULL
              AND NOT EXISTS (SELECT FROM ledger_entry e WHERE e.id = v.entry_id)
              AND NOT {archived("v.entry_id")} /*changed written v.xid*/""",  # noqa: S608 - our own columns
        "event {0} ({1}) names an entry that is not there",
    )


@invariant("I-06", "Every journal entry is named by an event.", narrows=True)
def entries_are_announced() -> Iterable[str]:
    return rows(
        """SELECT e.id, e.kind FROM ledger_entry e
           LEFT JOIN ledger_event v ON v.entry_id = e.id /*changed written v.xid*/
           WHERE v.id IS NULL /*changed written e.xid*/""",
        "entry {0} ({1}) belongs to no event",
    )


@invariant(
    "I-07", "Every change of state in the history is an edge of its machine, or a restoration.", narrows=True
)
def moves_are_edges() -> Iterable[str]:
    return rows(
        """SELECT v.id, v.subject_type, v.from_state, v.to_state FROM ledger_event v
           LEFT JOIN ledger_state_edge g
             ON (g.machine, g.source, g.target) = (v.subject_type, v.from_state, v.to_state)
           WHERE g.machine IS NULL /*changed written v.xid*/ AND NOT (
               v.type = v.subject_type || '.restored' AND v.cause_type = 'restoration' AND EXISTS (
                   SELECT 1 FROM ledger_restoration r
                   WHERE r.id::text = v.cause_id AND r.state = 'applied'
                     AND (r.subject_type, r.subject_key) = (v.subject_type, v.subject_id::text)))""",
        "event {0}: {1} has no edge from '{2}' to '{3}'",
    )


@invariant("I-73", "Every journal entry is the one entry of its fact.", narrows=True)
def entries_are_facts() -> Iterable[str]:
    """By its facts the entries of a payment are found, so what has none would be found by nobody."""
    return rows(
        """SELECT e.id, e.source_type, e.source_id, e.step FROM ledger_entry e
           WHERE NOT EXISTS (
               SELECT FROM ledger_fact f
               WHERE (f.source_id, f.source_type, f.step, f.merchant_id, f.entry_id)
                     = (e.source_id, e.source_type, e.step, e.merchant_id, e.id))
                 /*changed written e.xid*/""",
        "entry {0} is not the entry of {1} {2}, {3}",
    )


@invariant("I-08", "No message to a handler is dead.")
def no_dead_messages() -> Iterable[str]:
    return rows(
        "SELECT id, handler, last_error FROM ledger_outbox WHERE dead_at IS NOT NULL",
        "message {0} to {1} is dead: {2}",
    )


@invariant("I-09", "No job is dead.")
def no_dead_jobs() -> Iterable[str]:
    return rows(
        "SELECT id, kind, last_error FROM ledger_job WHERE dead_at IS NOT NULL", "job {0} ({1}) is dead: {2}"
    )
