"""Requests of a busy caller, taken from his bucket ahead: so not each of them asks Valkey.

1. Ahead is taken only by who asked a moment ago, and only while more than half of a large bucket is left:
   near its limit each request is taken by itself, so who is refused is refused by the exact count.
2. What was taken and is not used in a tenth of a second is lost to the caller: he may be allowed a little
   less than his limit, never more, whatever the number of processes.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from ledger import clock

MOST: Final = 16  # at once; twice as many as last time, up to this
SECONDS: Final = 0.1
BURST_MIN: Final = 256  # of a smaller bucket nothing is taken ahead
_CALLERS_MAX: Final = 10_000


@dataclass(slots=True)
class _Taken:
    count: int
    unused: int
    left: int  # in the bucket, when these were taken
    full_in_seconds: float
    until: float


class TakenAhead:
    """What this process has taken from buckets and not used yet."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, _Taken] = OrderedDict()
        self._lock = threading.Lock()

    def use(self, bucket: str) -> tuple[int, float] | None:
        """Use one that was taken; return how many are left to the caller, and the seconds until his bucket is
        full; None when there is none."""
        with self._lock:
            taken = self._of.get(bucket)
            if taken is None or not taken.unused or clock.monotonic() >= taken.until:
                return None
            taken.unused -= 1
            return taken.left + taken.unused, taken.full_in_seconds

    def count(self, bucket: str, burst: int) -> int:
        """Return how many to take from a bucket now, with the one that is asked for."""
        with self._lock:
            taken = self._of.get(bucket)
            if burst < BURST_MIN or taken is None or clock.monotonic() >= taken.until:
                return 1
            return min(2 * taken.count, MOST) if taken.left > burst // 2 else 1

    def keep(self, bucket: str, count: int, left: int, full_in_seconds: float) -> int:
        """Keep what was taken, but the one that was asked for; return how many are left to the caller."""
        with self._lock:
            before = self._of.pop(bucket, None)
            now = clock.monotonic()
            unused = before.unused if before is not None and now < before.until else 0
            unused += count - 1
            self._of[bucket] = _Taken(count, unused, left, full_in_seconds, now + SECONDS)
            if len(self._of) > _CALLERS_MAX:
                self._of.popitem(last=False)
            return left + unused
