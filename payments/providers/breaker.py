"""Restraint before a call: circuit breaker per operation, calls at once, calls per second. Process-local.

A refused call was certainly not sent. The breaker opens at 50 % failures of at least 20 calls in 30 s;
after 10 s one probe is let through: its success closes the breaker, its failure opens it for 10 s more.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

from payments.providers.errors import NotDelivered

WINDOW_SECONDS = 30.0
CALLS_MIN = 20
OPEN_SECONDS = 10.0
PROBE_SECONDS = 30.0
LIMITER_PATIENCE_SECONDS = 0.25

Clock = Callable[[], float]


class Breaker:
    """The circuit breaker of one operation at one provider."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: deque[tuple[float, bool]] = deque()
        self._failures = 0
        self._open_until: float | None = None
        self._probe_since: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls are refused, a probe excepted."""
        return self._open_until is not None

    def admit(self) -> None:
        """Let a call through, or refuse it.

        :raises NotDelivered: open.
        """
        with self._lock:
            if self._open_until is None:
                return
            now = self._clock()
            if now < self._open_until:
                raise NotDelivered("breaker_open", retry_after_seconds=self._open_until - now)
            if self._probe_since is not None and now - self._probe_since < PROBE_SECONDS:
                raise NotDelivered("breaker_open", retry_after_seconds=1.0)
            self._probe_since = now

    def report(self, is_success: bool) -> None:
        """Count a call's end."""
        with self._lock:
            now = self._clock()
            if self._open_until is not None:
                if self._probe_since is None:
                    return  # a call from before it opened
                self._probe_since = None
                self._open_until = None if is_success else now + OPEN_SECONDS
                self._calls.clear()
                self._failures = 0
                return
            self._calls.append((now, is_success))
            self._failures += not is_success
            while self._calls and self._calls[0][0] < now - WINDOW_SECONDS:
                self._failures -= not self._calls.popleft()[1]
            if len(self._calls) >= CALLS_MIN and self._failures * 2 >= len(self._calls):
                self._open_until = now + OPEN_SECONDS


class Limiter:
    """A token bucket: so many calls a second on average, as many at once."""

    def __init__(
        self,
        calls_per_second: int,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = float(calls_per_second)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._tokens = self._rate
        self._at = clock()

    def admit(self) -> None:
        """Take a token, waiting a moment for it when need be.

        :raises NotDelivered: the wait would be too long.
        """
        with self._lock:
            now = self._clock()
            self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate)
            self._at = now
            wait = max(0.0, (1 - self._tokens) / self._rate)
            if wait > LIMITER_PATIENCE_SECONDS:
                raise NotDelivered("rate_limited_by_us", retry_after_seconds=wait)
            self._tokens -= 1
        if wait:
            self._sleep(wait)


class Permit:
    """One admitted call: used as a block; `failed()` inside it counts against the breaker."""

    def __init__(self, breaker: Breaker, slots: threading.Semaphore) -> None:
        self._breaker = breaker
        self._slots = slots
        self._is_success = True

    def failed(self) -> None:
        """Count this call as a failure of the provider."""
        self._is_success = False

    def __enter__(self) -> "Permit":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._slots.release()
        self._breaker.report(self._is_success and kind is None)


class Guard:
    """Everything that may hold a call to one provider back."""

    def __init__(self, *, calls_at_once: int, calls_per_second: int, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._slots = threading.BoundedSemaphore(calls_at_once)
        self._limiter = Limiter(calls_per_second, clock)
        self._lock = threading.Lock()
        self._breakers: dict[str, Breaker] = {}

    def breaker(self, operation: str) -> Breaker:
        """The breaker of an operation."""
        with self._lock:
            return self._breakers.setdefault(operation, Breaker(self._clock))

    def admit(self, operation: str) -> Permit:
        """Admit a call.

        :raises NotDelivered: rate, bulkhead or breaker says no; nothing was sent.
        """
        breaker = self.breaker(operation)
        self._limiter.admit()
        if not self._slots.acquire(timeout=LIMITER_PATIENCE_SECONDS):
            raise NotDelivered("too_many_calls_at_once", retry_after_seconds=1.0)
        try:
            breaker.admit()
        except NotDelivered:
            self._slots.release()
            raise
        return Permit(breaker, self._slots)
