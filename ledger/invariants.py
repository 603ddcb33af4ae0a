"""The invariants of the house: numbered sentences that are always true, each with a query that must find
nothing.

Every app registers its own in `<app>/invariants.py`. They run after every flow test, at the end of a day's
proof, and by the timetable; a violation names the rows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from django.db import connection

Check = Callable[[], Iterable[str]]

SHOWN_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Invariant:
    """A numbered sentence and its check, which yields violations."""

    number: str
    sentence: str
    check: Check


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found; empty is good."""

    invariant: Invariant
    violations: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.violations


registry: Final[dict[str, Invariant]] = {}


def invariant(number: str, sentence: str) -> Callable[[Check], Check]:
    """Register a check under its number."""

    def register(check: Check) -> Check:
        if number in registry and registry[number].check.__module__ != check.__module__:
            raise LookupError(f"{number} is taken by {registry[number].sentence!r}")
        registry[number] = Invariant(number, sentence, check)
        return check

    return register


def check_all() -> list[Result]:
    """Run every invariant, in the order of their numbers."""
    return [
        Result(found, tuple(islice(found.check(), SHOWN_MAX)))
        for _, found in sorted(registry.items(), key=lambda item: int(item[0].partition("-")[2]))
    ]


def rows(sql: str, message: str) -> Iterable[str]:
    """Run a query that must find nothing; yield `message` formatted with each row's columns."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        for row in cursor.fetchall():
            yield message.format(*row)


@invariant("I-01", "Every journal entry balances in each currency.")
def entries_balance() -> Iterable[str]:
    return rows(
        "SELECT entry_id, currency, sum(amount) FROM ledger_posting GROUP BY 1, 2 HAVING sum(amount) <> 0",
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


@invariant("I-03", "Every journal entry has postings.")
def entries_have_postings() -> Iterable[str]:
    return rows(
        """SELECT e.id, e.kind FROM ledger_entry e
           WHERE (SELECT p.entry_id FROM ledger_posting p WHERE p.entry_id = e.id LIMIT 1) IS NULL""",
        "entry {0} ({1}) has no postings",
    )


@invariant("I-04", "Every subject's events are a sequence without gaps.")
def sequences_have_no_gaps() -> Iterable[str]:
    return rows(
        """SELECT subject_type, subject_id, count(*), max(sequence) FROM ledger_event GROUP BY 1, 2
           HAVING count(*) <> max(sequence) OR min(sequence) <> 1""",
        "{0} {1} has {2} events, the last is number {3}",
    )


@invariant("I-05", "Every event that moved money names an entry that exists or is archived.")
def entries_of_events_exist() -> Iterable[str]:
    return rows(
        """SELECT v.id, v.type FROM ledger_event v
           WHERE v.entry_id IS NOT NULL AND (SELECT e.id FROM ledger_entry e WHERE e.id = v.entry_id) IS
           NULL AND NOT EXISTS (SELECT FROM ledger_archive a WHERE a."table" = 'ledger_entry'
                                AND v.entry_id >= ledger_uuid_at(a.range_from)
                                AND v.entry_id < ledger_uuid_at(a.range_to))""",
        "event {0} ({1}) names an entry that is not there",
    )


@invariant("I-06", "Every journal entry is named by an event.")
def entries_are_announced() -> Iterable[str]:
    return rows(
        """SELECT e.id, e.kind FROM ledger_entry e
           LEFT JOIN ledger_event v ON v.entry_id = e.id WHERE v.id IS NULL""",
        "entry {0} ({1}) belongs to no event",
    )


@invariant("I-07", "Every change of state in the history is an edge of its machine, or a restoration.")
def moves_are_edges() -> Iterable[str]:
    return rows(
        """SELECT v.id, v.subject_type, v.from_state, v.to_state FROM ledger_event v
           LEFT JOIN ledger_state_edge g
             ON (g.machine, g.source, g.target) = (v.subject_type, v.from_state, v.to_state)
           WHERE g.machine IS NULL AND NOT (
               v.type = v.subject_type || '.restored' AND v.cause_type = 'restoration' AND EXISTS (
                   SELECT 1 FROM ledger_restoration r
                   WHERE r.id::text = v.cause_id AND r.state = 'applied'
                     AND (r.subject_type, r.subject_key) = (v.subject_type, v.subject_id::text)))""",
        "event {0}: {1} has no edge from '{2}' to '{3}'",
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
