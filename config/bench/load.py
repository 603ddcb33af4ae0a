"""Load for measurements, closed (so many clients, each waits for its answer) and open (so many arrivals a
second, whatever becomes of them).

In an open run the latency of a request counts from the moment at which it was to be sent: a server that
stalls is charged for all who had to wait for it, and not only for the one whom it had in hand ("coordinated
omission" would leave the others out).
"""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from config.bench.wire import Refused
from ledger import clock

Work = Callable[[], Any]  # one piece of work; what it returns is kept


@dataclass(frozen=True, slots=True)
class Figures:
    """What one measurement came to; `answers` are what the work returned, in the order of `latencies_ms`."""

    done: int
    seconds: float
    latencies_ms: tuple[float, ...]
    answers: tuple[Any, ...] = ()

    @property
    def rate(self) -> float:
        """Completed pieces of work a second."""
        return self.done / self.seconds

    def percentile(self, share: float) -> float:
        """Return the latency in milliseconds below which this share of the work was done."""
        return percentile(self.latencies_ms, share)


def percentile(values: tuple[float, ...], share: float) -> float:
    """Return the value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(make: Callable[[int], Work], clients: int, seconds: float) -> Figures:
    """Closed: let `clients` threads repeat their work for `seconds` (after one warm-up each); `make(n)` makes
    one's work.

    :raises Refused: a piece of work failed.
    """
    works = [make(number) for number in range(clients)]
    for work in works:
        work()

    def turns(kept: list[tuple[float, Any]], work: Work, began: float) -> None:
        while (asked := clock.monotonic()) < began + seconds:
            found = work()
            kept.append(((clock.monotonic() - asked) * 1000, found))

    return _run(works, turns)


def offer(make: Callable[[int], Work], rate: float, seconds: float, senders: int) -> Figures:
    """Open: have `rate` pieces of work a second begun for `seconds`, evenly, by `senders` connections.

    When all of these wait for answers, the next piece is begun late, and its latency counts from when it was
    due.

    :raises Refused: a piece of work failed.
    """
    works = [make(number) for number in range(senders)]
    total = int(rate * seconds)
    numbers = itertools.count()

    def turns(kept: list[tuple[float, Any]], work: Work, began: float) -> None:
        while (number := next(numbers)) < total:
            due = began + number / rate
            if (early := due - clock.monotonic()) > 0:
                time.sleep(early)
            found = work()
            kept.append(((clock.monotonic() - due) * 1000, found))

    return _run(works, turns)


def _run(works: list[Work], turns: Callable[[list[tuple[float, Any]], Work, float], None]) -> Figures:
    barrier = threading.Barrier(len(works) + 1)
    lists: list[list[tuple[float, Any]]] = [[] for _ in works]
    failures: list[Exception] = []
    begins: list[float] = []

    def take(kept: list[tuple[float, Any]], work: Work) -> None:
        barrier.wait()
        try:
            turns(kept, work, begins[0])
        except (Refused, OSError) as error:
            failures.append(error)

    threads = [
        threading.Thread(target=take, args=pair, daemon=True) for pair in zip(lists, works, strict=True)
    ]
    for thread in threads:
        thread.start()
    begins.append(clock.monotonic())
    barrier.wait()
    for thread in threads:
        thread.join()
    took = clock.monotonic() - begins[0]
    if failures:
        raise Refused(str(failures[0]))
    every = [one for kept in lists for one in kept]
    return Figures(len(every), took, tuple(one[0] for one in every), tuple(one[1] for one in every))
