"""Races with real connections: threads that start together, and a switch that takes the row locks away.

Use with real commits (`@pytest.mark.django_db(transaction=True)`); each thread has a connection of its own.
The switch is the negative control: a race test whose fault does not show without the lock proves nothing.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connections

from ledger import locks

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one runner came to: its result or its error."""

    result: Any = None
    error: BaseException | None = None


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
    """A place where `parties` threads wait for each other once, at most `seconds`; then it is open for good.

    Put between the reading and the writing of a step whose lock was taken away, it makes the fault certain;
    with the lock in place the second party cannot come, and the first goes on after the wait.
    """

    def __init__(self, parties: int = 2, seconds: float = 1.0) -> None:
        self._barrier = threading.Barrier(parties)
        self._seconds = seconds
        self.met = False

    def wait(self) -> None:
        """Wait for the others, or give up quietly after the time."""
        try:
            self._barrier.wait(self._seconds)
            self.met = True
        except threading.BrokenBarrierError:
            return


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
