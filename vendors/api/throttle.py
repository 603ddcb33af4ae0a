"""How often a key may call: GCRA, one Lua script in Valkey with Valkey's own clock, so it is exact.

One bucket per API key and route class (read, write). Of a large bucket that is more than half full, a busy
caller's requests are taken several at once (`taken_ahead`). While Valkey is away, requests go on under a
bucket in this process at the limit divided by the number of processes; nothing about money is decided here.
"""

import hashlib
import logging
import math
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import redis
from django.conf import settings
from rest_framework.exceptions import Throttled

from ledger import clock
from ledger.errors import Unavailable
from vendors.api.taken_ahead import BURST_MIN, TakenAhead

_SCRIPT: Final = (Path(__file__).parent / "gcra.lua").read_text()
_TIMEOUT_SECONDS: Final = 0.25
_REST_SECONDS: Final = 1.0
_BUCKETS_MAX: Final = 10_000
_MICRO: Final = 1_000_000
_log = logging.getLogger("everycent.api")


@dataclass(frozen=True)
class Limit:
    """So many requests a second on average, and so many at once."""

    per_second: float
    burst: int

    @cached_property
    def interval_micros(self) -> int:
        """Microseconds between two requests at the average rate."""
        return max(1, round(_MICRO / self.per_second))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may pass, and what its caller is told."""

    is_allowed: bool
    limit: int
    remaining: int
    retry_after_seconds: float
    reset_seconds: float

    def headers(self) -> dict[str, str]:
        """Return the RateLimit fields of the answer."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(math.ceil(self.reset_seconds)),
        }


class TooManyRequests(Throttled):
    """The bucket is empty."""

    default_code = "rate_limited"
    extra_detail_singular = extra_detail_plural = ""
    default_detail = "too many requests with this key"
    retryable = True

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(wait=max(1, math.ceil(verdict.retry_after_seconds)))
        self.headers = verdict.headers()


class LimiterAway(Unavailable):
    """The limit of this kind of request cannot be checked now, and without it none is served."""

    code = "limiter_unavailable"
    advice = "Send the same request again in a moment."


class LocalBuckets:
    """The same algorithm in this process, for the time in which Valkey is away."""

    def __init__(self) -> None:
        self._arrivals: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, bucket: str, limit: Limit) -> Verdict:
        """Take one request from a bucket, when it holds one."""
        now = int(clock.monotonic() * _MICRO)
        interval, tolerance = limit.interval_micros, limit.interval_micros * limit.burst
        with self._lock:
            tat = max(self._arrivals.pop(bucket, now), now)
            after = tat + interval
            wait = after - tolerance - now
            self._arrivals[bucket] = tat if wait > 0 else after
            if len(self._arrivals) > _BUCKETS_MAX:
                self._arrivals.popitem(last=False)
        full_at = tat if wait > 0 else after
        left = (tolerance - (full_at - now)) // interval
        return Verdict(wait <= 0, limit.burst, max(0, left), max(0, wait) / _MICRO, (full_at - now) / _MICRO)


class Throttle:
    """Takes requests from the shared buckets, or from those of this process while Valkey is away."""

    def __init__(self, url: str, processes: int) -> None:
        self._client = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, max_connections=64
        )
        # The name by which Valkey knows it.
        self._sha = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
        self._lines = _Lines()
        self._processes = processes
        self._local = LocalBuckets()
        self._ahead = TakenAhead()
        self._away_until = 0.0

    def take(self, bucket: str, limit: Limit) -> Verdict:
        """Take one request from a bucket; never fails."""
        if (used := self._ahead.use(bucket)) is not None:
            return Verdict(True, limit.burst, used[0], 0.0, used[1])
        count = self._ahead.count(bucket, limit.burst)
        verdict = self.take_shared(bucket, limit, count)
        if verdict is not None and not verdict.is_allowed and count > 1:
            count, verdict = 1, self.take_shared(bucket, limit)
        if verdict is None:
            share = Limit(limit.per_second / self._processes, max(1, limit.burst // self._processes))
            return self._local.take(bucket, share)
        if not verdict.is_allowed or limit.burst < BURST_MIN:
            return verdict
        left = self._ahead.keep(bucket, count, verdict.remaining, verdict.reset_seconds)
        return Verdict(True, limit.burst, left, 0.0, verdict.reset_seconds)

    def take_shared(self, bucket: str, limit: Limit, count: int = 1) -> Verdict | None:
        """Take one request, or several, from a shared bucket; None while Valkey is away."""
        if clock.monotonic() < self._away_until:
            return None
        try:
            found = self._ask(f"gcra:{bucket}", limit, count)
        except redis.RedisError as error:
            self._away_until = clock.monotonic() + _REST_SECONDS
            _log.warning("Valkey is away; limits are kept per process", extra={"error": str(error)})
            return None
        allowed, left, wait, reset = found
        return Verdict(bool(allowed), limit.burst, left, wait / _MICRO, reset / _MICRO)

    def _ask(self, key: str, limit: Limit, count: int) -> Any:
        """Run the script on this thread's own connection: the library's client takes longer than the script.

        A connection that the server has closed meanwhile is opened once more.
        """
        line = self._line()
        words = ("EVALSHA", self._sha, 1, key, limit.interval_micros, limit.burst, count)
        try:
            return _answered(line, words)
        except redis.exceptions.NoScriptError:
            _answered(line, ("SCRIPT LOAD", _SCRIPT))
            return _answered(line, words)
        except redis.ConnectionError:
            return _answered(line, words)

    def _line(self) -> Any:
        if self._lines.of != os.getpid():  # a child of a process must not read its parent's answers
            pool = self._client.connection_pool
            self._lines.connection = pool.connection_class(**pool.connection_kwargs)
            self._lines.of = os.getpid()
        return self._lines.connection


class _Lines(threading.local):
    connection: Any = None
    of = 0


def _answered(line: Any, words: tuple[Any, ...]) -> Any:
    line.send_command(*words)
    return line.read_response()  # the line closes itself when the answer does not come


@lru_cache(maxsize=1)
def shared() -> Throttle:
    """Return this process's throttle."""
    return Throttle(settings.REDIS_URL, settings.API_PROCESSES)


def admit_strictly(bucket: str, route_class: str) -> Verdict:
    """Take one request of a route class that is not served without its limit.

    :raises TooManyRequests: the bucket is empty. :raises LimiterAway: Valkey cannot be asked.
    """
    verdict = shared().take_shared(f"{bucket}:{route_class}", limit_of(route_class))
    if verdict is None:
        raise LimiterAway("the limit of these requests cannot be checked now")
    if not verdict.is_allowed:
        raise TooManyRequests(verdict)
    return verdict


def limit_of(route_class: str) -> Limit:
    """Return the limit of a route class: read or write."""
    wanted: Any = settings.API_RATE_LIMITS[route_class]
    return _limit(wanted["per_second"], wanted["burst"])


@lru_cache(maxsize=64)
def _limit(per_second: float, burst: int) -> Limit:
    return Limit(per_second, burst)


def admit(bucket: str, route_class: str) -> Verdict:
    """Take one request of a route class from a caller's bucket.

    :raises TooManyRequests: it is empty; the error says how long to wait.
    """
    verdict = shared().take(f"{bucket}:{route_class}", limit_of(route_class))
    if not verdict.is_allowed:
        raise TooManyRequests(verdict)
    return verdict
