"""Races with real connections: threads that start together, and a switch that takes the row locks away.

Use with real commits (`@pytest.mark.django_db(transaction=True)`); each thread has a connection of its own.
The switch is the negative control: a race test whose fault does not show without the lock proves nothing.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from django.db import connection, connections

from ledger import locks

PATIENCE_SECONDS = 60.0
MEETING_SECONDS = 20.0  # who waits holds a transaction open, for which PostgreSQL has 30
LOOK_EVERY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one runner came to: its result or its error."""

    result: Any = None
    error: BaseException | None = None


_meetings: "WeakSet[Meeting]" = WeakSet()


def together(*runners: Callable[[], Any]) -> list[Outcome]:
    """Run all at once, each in a thread with its own connection; return their outcomes in order."""
    barrier = threading.Barrier(len(runners))
    outcomes: list[Outcome] = [Outcome()] * len(runners)

    def run(index: int, runner: Callable[[], Any]) -> None:
        try:
            barrier.wait(PATIENCE_SECONDS)
            outcomes[index] = Outcome(result=runner())
        except BaseException as error:
            outcomes[index] = Outcome(error=error)
        finally:
            for meeting in list(_meetings):
                meeting.leave()
            connections.close_all()

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in enumerate(runners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert not any(thread.is_alive() for thread in threads), "a runner is stuck"
    return outcomes


def results(outcomes: Sequence[Outcome]) -> list[Any]:
    """Return the results of those that succeeded."""
    return [outcome.result for outcome in outcomes if outcome.error is None]


def errors(outcomes: Sequence[Outcome]) -> list[BaseException]:
    """Return the errors of those that failed."""
    return [outcome.error for outcome in outcomes if outcome.error is not None]


class Meeting:
    """A place where `parties` threads of one race wait for each other, as often as they come by.

    Put between the reading and the writing of a step whose lock was taken away, it makes the fault certain,
    however late the second party is. Nobody waits for who cannot come: because he has ended, or because he
    waits for a lock of ours (with the lock in place, and behind the law that stops him); then it is open for
    good.
    """

    def __init__(self, parties: int = 2) -> None:
        self._parties = parties
        self._changed = threading.Condition()
        self._waiting = self._round = 0
        self._is_open = False
        self.met = False
        _meetings.add(self)

    def wait(self) -> None:
        """Wait for the others, or go on alone when one of them cannot come."""
        with self._changed:
            if self._is_open:
                return
            self._waiting += 1
            if self._waiting == self._parties:
                self._waiting, self._round, self.met = 0, self._round + 1, True
                self._changed.notify_all()
                return
            mine, until = self._round, time.monotonic() + MEETING_SECONDS
            while self._round == mine and not self._is_open:
                if not self._changed.wait(LOOK_EVERY_SECONDS) and (
                    time.monotonic() > until or _is_waited_for()
                ):
                    self._open()

    def leave(self) -> None:
        """Let nobody wait any more: a thread of the race has ended."""
        with self._changed:
            self._open()

    def _open(self) -> None:
        self._is_open = True
        self._changed.notify_all()


def _is_waited_for() -> bool:
    """Say whether another connection waits for a lock of this thread's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks"
            " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
        )
        return bool(cursor.fetchone()[0])


@contextmanager
def locks_taken_away(monkeypatch: Any, meeting: Meeting | None = None) -> Iterator[None]:
    """Make `ledger.locks.lock` read without locking (and meet after reading): the negative control."""

    def read(queryset: Any) -> list[Any]:
        unit = locks.require_phase()
        rows = list(queryset.order_by("pk"))
        for row in rows:
            locks.stamp(row, unit)
        if meeting is not None:
            meeting.wait()
        return rows

    def read_pair(queryset: Any, before: str) -> Any:
        unit = locks.require_phase()
        row = queryset.select_related(before).get()
        locks.stamp(row, unit)
        locks.stamp(getattr(row, before), unit)
        if meeting is not None:
            meeting.wait()
        return row, getattr(row, before)

    with monkeypatch.context() as patch:
        patch.setattr(locks, "lock", read)
        patch.setattr(locks, "lock_pair", read_pair)
        yield
