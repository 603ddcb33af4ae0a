"""What all processes have seen of each provider in the last hour: noted in memory, shared through Valkey.

The hot path writes to memory only; at most once in `FRESH_SECONDS` one thread of a process hands over what
was noted and takes home what all have seen, in one round trip, outside every transaction. While Valkey is
away there is nothing to go by: `look` says so, and routing keeps its default order. Nothing about money is
decided here: it is which provider is asked first.

A call counts for a provider or against it only where the provider has a part in its end: a card without
money says nothing of who asked (D-140).
"""

import json
import logging
import math
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import redis
from django.conf import settings
from django.db import connection
from prometheus_client import Gauge

from ledger import clock
from payments.models import ProviderOperation
from payments.models.operations import Kind
from payments.providers import registry
from payments.providers.declines import DECLINES, RetryNow
from payments.providers.outcomes import (
    Approved,
    Declined,
    NotSent,
    Outcome,
    Pending,
    RequiresAction,
    Unknown,
)
from payments.rules.routing_scores import Seen

FRESH_SECONDS: Final = 1.0
KEPT_SECONDS: Final = 30.0  # a picture that is older is none
PROBE_KEPT_SECONDS: Final = 60
_TIMEOUT_SECONDS: Final = 0.25
_SCRIPT: Final = (Path(__file__).parent / "provider_health.lua").read_text()
_ELSEWHERE: Final = (RetryNow.OTHER, RetryNow.ANY)
_log = logging.getLogger("everycent.routing")

PROVIDER_UP: Final = Gauge(
    "everycent_provider_up", "Whether a provider's last health probe was answered.", ["provider"]
)


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known now: by provider, and where it comes from (`shared`, or `away` when nothing is known)."""

    source: str
    seen: dict[str, Seen] = field(default_factory=dict)
    generation: str = ""


AWAY: Final = Picture("away")


class Watch:
    """One process's notes and its last picture."""

    def __init__(self, url: str, place: str) -> None:
        self._client = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, max_connections=8
        )
        self._script = self._client.register_script(_SCRIPT)
        self._place = place
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._notes: dict[str, dict[str, int]] = {}
        self._picture = AWAY
        self._taken_at = self._tried_at = -math.inf

    def note(self, provider: str, counts: dict[str, int]) -> None:
        """Add counts to what will be handed over."""
        with self._lock:
            notes = self._notes.setdefault(provider, {})
            for name, number in counts.items():
                notes[name] = notes.get(name, 0) + number

    def look(self) -> Picture:
        """Return the newest picture, asking Valkey when it is old; whoever comes meanwhile takes the last."""
        if clock.monotonic() - self._tried_at >= FRESH_SECONDS and self._asking.acquire(blocking=False):
            try:
                self._exchange()
            finally:
                self._asking.release()
        return self.last()

    def last(self) -> Picture:
        """Return the last picture without asking anybody."""
        return self._picture if clock.monotonic() - self._taken_at < KEPT_SECONDS else AWAY

    def probed(self, provider: str, *, is_up: bool) -> None:
        """Keep the result of a probe for all processes."""
        self._ask(
            lambda: self._client.set(
                f"{self._place}:{provider}:probe", "up" if is_up else "down", ex=PROBE_KEPT_SECONDS
            )
        )

    def new_policies(self) -> None:
        """Let all processes read the merchants' policies anew."""
        self._ask(lambda: self._client.incr(f"{self._place}:policies"))
        self._tried_at = -math.inf

    def forget(self) -> None:
        """Forget everything, also in Valkey (tests)."""
        keys = [f"{self._place}:{name}{more}" for name in registry.names() for more in ("", ":probe")]
        self._ask(lambda: self._client.delete(*keys))
        with self._lock:
            self._notes.clear()
        self._picture, self._taken_at, self._tried_at = AWAY, -math.inf, -math.inf

    def _exchange(self) -> None:
        self._tried_at = clock.monotonic()
        with self._lock:
            notes, self._notes = self._notes, {}
        told = [json.dumps(notes), json.dumps(registry.names())]
        found = self._ask(lambda: self._script(keys=[self._place], args=told))
        if found is None:
            return
        answer = json.loads(found)
        self._picture = Picture(
            "shared", {name: _seen(row) for name, row in answer["seen"].items()}, answer["generation"]
        )
        self._taken_at = clock.monotonic()

    def _ask(self, what: Any) -> Any:
        try:
            return what()
        except redis.RedisError as error:
            _log.warning("Valkey is away; routing keeps its default order", extra={"error": str(error)})
            return None


def note(operation: ProviderOperation, outcome: Outcome, seconds: float) -> None:
    """Note how a call ended and how long it took."""
    counts = {"calls": 1}
    if operation.kind == Kind.AUTHORIZE:
        counts["asked"] = 1
        match outcome:
            case NotSent() | Unknown():
                counts |= {"silent": 1, "bad": 1}
            case Approved() | RequiresAction():
                counts |= {"good": 1}
            case Declined(code=code) if code not in DECLINES or DECLINES[code].retry_now not in _ELSEWHERE:
                pass
            case Pending():
                pass
            case _:
                counts |= {"bad": 1}
        if not isinstance(outcome, NotSent):
            counts |= {"timed": 1, "ms": round(seconds * 1_000)}
    if isinstance(outcome, Approved) and operation.amount_minor > 0:
        fee = _fee(operation, outcome)
        if fee is not None:
            counts |= {"priced": 1, "bps": fee * 10_000 // operation.amount_minor}
    watch().note(operation.provider, counts)


def look() -> Picture:
    """Return what is known of the providers; may ask Valkey, so outside transactions only."""
    return watch().look()


def last() -> Picture:
    """Return what was known last, asking nobody: for use inside a phase."""
    return watch().last()


def probe() -> int:
    """Ask each provider whether it answers, and let all processes know; return how many do."""
    answering = 0
    for name in registry.names():
        is_up = registry.provider(name).health()
        watch().probed(name, is_up=is_up)
        PROVIDER_UP.labels(name).set(is_up)
        answering += is_up
    return answering


def watch() -> Watch:
    """Return this process's watch."""
    return _watch(settings.REDIS_URL, connection.settings_dict["NAME"])


@lru_cache(maxsize=2)
def _watch(url: str, database: str) -> Watch:
    return Watch(url, f"{{routing:{database}}}")  # databases that share a server share nothing


def _fee(operation: ProviderOperation, outcome: Approved) -> int | None:
    """Return what a capture cost; an authorization alone costs nothing yet."""
    if outcome.taken is not None:
        return outcome.taken.fee.minor
    return outcome.fee.minor if operation.kind == Kind.CAPTURE else None


def _seen(row: Any) -> Seen:
    # An empty table of Lua is a list in JSON.
    hour = row["hour"] if isinstance(row["hour"], dict) else {}
    return Seen(
        good=hour.get("good", 0), bad=hour.get("bad", 0), timed=hour.get("timed", 0), ms=hour.get("ms", 0),
        priced=hour.get("priced", 0), bps=hour.get("bps", 0), calls_last_minutes=row["calls"],
        asked_lately=row["asked"], silent_lately=row["silent"], is_probed_down=row["down"],
    )  # fmt: skip
