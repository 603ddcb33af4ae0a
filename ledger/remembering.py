"""Remember what is read often, near (in this process) and far (in Valkey), and let many at once ask once.

1. Near: what this process read, good as long as Valkey names the same generation; while Valkey is away, for
   two seconds. Far: what any process read (`ledger.shelf`), signed.
2. On a cold key one thread of a process asks, the others wait for it; of several processes one asks, by a
   lead that ends by itself, and the others look for what it put down, for a moment.
3. A change forgets its scope after its commit: the generation is new, in all processes. If Valkey does not
   hear of it, what is near or far is old for `seconds` at most.
4. Never for a decision about money: it cannot be asked inside a phase, where those are taken, and it gives
   back what is shown, not rows that could be locked.

What is remembered must not be changed by whoever gets it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from django.db import connection

from ledger import clock, metrics
from ledger.locks import after_commit, is_in_phase
from ledger.shelf import Shelf

T = TypeVar("T")
Hears = Callable[[Any], None]

NEAR_MOST: Final = 2_000
AWAY_SECONDS: Final = 2.0  # how long what is near is believed while Valkey is away
JOIN_SECONDS: Final = 2.0  # how long a thread waits for another one's reading before it reads itself
OTHERS_SECONDS: Final = 0.2  # how long a process looks for what another one reads
LOOK_SECONDS: Final = 0.01

memories: Final[list["Memory[Any]"]] = []
hearers: Final[dict[str, Hears]] = {}


class AskedInPhase(RuntimeError):
    """A decision would rest on what is remembered: a defect."""


@dataclass(slots=True)
class _Near(Generic[T]):
    generation: str
    read_at: float
    value: T


@dataclass(slots=True)
class _Flight(Generic[T]):
    """A reading that is under way, and those who wait for it."""

    is_over: threading.Event = field(default_factory=threading.Event)
    landed: list[T] = field(default_factory=list)


class Memory(Generic[T]):
    """What is remembered of one kind of thing. `pack` and `unpack` are to and from JSON."""

    def __init__(
        self, kind: str, *, seconds: int, pack: Callable[[T], Any], unpack: Callable[[Any], T]
    ) -> None:
        self.kind, self.seconds = kind, seconds
        self.shelf = Shelf(kind, seconds)
        self._pack, self._unpack = pack, unpack
        self._near: OrderedDict[tuple[str, str, str], _Near[T]] = OrderedDict()
        self._flights: dict[tuple[str, str, str, str], _Flight[T]] = {}
        self._guard = threading.Lock()
        memories.append(self)

    def recall(
        self, scope: str, name: str, ask: Callable[[], T], is_good: Callable[[T], bool] = lambda _: True
    ) -> T:
        """Return what is remembered and good, else what `ask` reads now; what `ask` raises is not kept.

        :raises AskedInPhase: a phase is open.
        """
        if is_in_phase():
            raise AskedInPhase(f"{self.kind} is remembered for showing; a phase reads its own rows")
        generation = self.shelf.generation(scope)
        near = self._recall_near(scope, name, generation)
        if near is not None and is_good(near.value):
            return self._counted("near", near.value)
        if generation is None:
            return self._join(scope, "", name, ask, self._read_away)
        far = self.shelf.find(scope, generation, name)
        if far is not None:
            value = self._unpack(far)
            if is_good(value):
                self._keep_near(scope, generation, name, value)
                return self._counted("far", value)
        return self._join(scope, generation, name, ask, self._read_far)

    def forget(self, scope: str) -> None:
        """Forget a scope once the open phase, which changes it, has committed."""
        after_commit(lambda: self.forget_now(scope))

    def forget_near(self) -> None:
        """Forget what this process remembers, as a new one would (tests)."""
        with self._guard:
            self._near.clear()

    def forget_now(self, scope: str) -> None:
        """Forget a scope: its change is committed."""
        self.shelf.clear(scope)
        with self._guard:
            for key in [key for key in self._near if key[1] == scope]:
                del self._near[key]
            # Who asks from now on does not join a reading that began before the change.
            for flown in [key for key in self._flights if key[1] == scope]:
                del self._flights[flown]

    # --- near -------------------------------------------------------------------------------------------
    def _recall_near(self, scope: str, name: str, generation: str | None) -> _Near[T] | None:
        key = (self._place(), scope, name)
        with self._guard:
            kept = self._near.get(key)
            if kept is None:
                return None
            age = clock.monotonic() - kept.read_at
            is_known = kept.generation == generation and age < self.seconds
            if is_known or (generation is None and age < AWAY_SECONDS):
                self._near.move_to_end(key)
                return kept
            return None

    def _keep_near(self, scope: str, generation: str, name: str, value: T) -> None:
        with self._guard:
            self._near[self._place(), scope, name] = _Near(generation, clock.monotonic(), value)
            while len(self._near) > NEAR_MOST:
                self._near.popitem(last=False)

    # --- asking, once -----------------------------------------------------------------------------------
    def _join(
        self,
        scope: str,
        generation: str,
        name: str,
        ask: Callable[[], T],
        read: Callable[[str, str, str, Callable[[], T]], T],
    ) -> T:
        """Read, or wait for the thread that reads the same already."""
        key = (self._place(), scope, generation, name)
        mine: _Flight[T] = _Flight()
        with self._guard:
            flight = self._flights.setdefault(key, mine)
        if flight is not mine:
            flight.is_over.wait(JOIN_SECONDS)
            # Whoever failed, failed for himself: the error is his, so it is read again here.
            return self._counted("joined", flight.landed[0]) if flight.landed else ask()
        try:
            value = read(scope, generation, name, ask)
            mine.landed.append(value)
            return value
        finally:
            with self._guard:
                if self._flights.get(key) is mine:
                    del self._flights[key]
            mine.is_over.set()

    def _read_away(self, scope: str, generation: str, name: str, ask: Callable[[], T]) -> T:
        value = self._counted("asked", ask())
        self._keep_near(scope, generation, name, value)
        return value

    def _read_far(self, scope: str, generation: str, name: str, ask: Callable[[], T]) -> T:
        lead = self.shelf.lead(scope, generation, name)
        if lead is None:
            found = self._look_for(scope, generation, name)
            if found is not None:
                return self._counted("far", found)
        has_landed = lead is None
        try:
            value = self._counted("asked", ask())
            if lead is not None:
                self.shelf.put(scope, generation, name, self._pack(value), lead)
                has_landed = True
        finally:
            if lead is not None and not has_landed:
                self.shelf.leave(scope, generation, name, lead)
        self._keep_near(scope, generation, name, value)
        return value

    def _look_for(self, scope: str, generation: str, name: str) -> T | None:
        """Look for a moment for what another process is reading."""
        until = clock.monotonic() + OTHERS_SECONDS
        while clock.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            found = self.shelf.find(scope, generation, name)
            if found is not None:
                value = self._unpack(found)
                self._keep_near(scope, generation, name, value)
                return value
        return None

    def _counted(self, tier: str, value: T) -> T:
        metrics.recalls.labels(self.kind, tier).inc()
        return value

    def _place(self) -> str:
        return str(connection.settings_dict["NAME"])


def hears(subject: str) -> Callable[[Hears], Hears]:
    """Register what forgets when a recorded row of a kind changes; it runs in the phase that changes it."""

    def register(function: Hears) -> Hears:
        hearers[subject] = function
        return function

    return register


def forget_near() -> None:
    """Let this process forget everything near, as if it were new (tests)."""
    for memory in memories:
        memory.forget_near()
