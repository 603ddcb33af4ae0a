"""Rows that a process has read before, taken again only when PostgreSQL says that they are still the same.

PostgreSQL writes a new version of a row at each change; where it lies and which transaction wrote it (`ctid`,
`xmin`) name that version. So a statement that returns only these says whether a row is as it was read, at the
moment of asking: this is no cache that may be behind, and what is decided about money may rest on it. It
saves reading and building the rows, which takes longer than asking.

Both come again together only on a server that lost transactions and gives their ids out anew: one that was
restored, that took over from another, or that crashed. No connection outlives that, so with each new
connection to the database a process forgets all that it knows. A pooler that turns to another server must
close its clients' connections too. (Ids wrap round after four thousand million transactions; a row that old
is frozen, and its process long gone.)
"""

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, Generic, TypeVar
from weakref import WeakSet

from django.db.backends.signals import connection_created

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class KnownRows(Generic[Key, Value]):
    """What was made of rows, by key, with the version of each; it is shared by threads, so nobody changes it.

    At most `rows_max` are kept; the one that was read first goes first. Take `era` before versions are asked
    for: what was asked in one era is neither kept nor taken in the next, whatever other threads do meanwhile.
    """

    def __init__(self, rows_max: int) -> None:
        self._rows_max = rows_max
        self._rows: dict[Key, tuple[object, Value]] = {}
        self._lock = threading.Lock()
        self._era = 0
        _instances.add(self)

    @property
    def era(self) -> int:
        """How often everything was forgotten so far."""
        return self._era

    def forget(self) -> None:
        """Forget every row."""
        with self._lock:
            self._era += 1
            self._rows.clear()

    def __contains__(self, key: Key) -> bool:
        """Say whether some version of a row is known."""
        return key in self._rows

    def get(self, key: Key, version: object, era: int) -> Value | None:
        """Return what was made of this version of a row, when it is known."""
        held = self._rows.get(key)
        return held[1] if held is not None and held[0] == version and era == self._era else None

    def keep(self, key: Key, version: object, value: Value, era: int) -> None:
        """Keep what was made of a row; its version is of the same statement, or of one before."""
        with self._lock:
            if era != self._era:
                return
            self._rows.pop(key, None)
            self._rows[key] = (version, value)
            while len(self._rows) > self._rows_max:
                del self._rows[next(iter(self._rows))]

    def recall(
        self, versions: Mapping[Key, object], load: Callable[[list[Key]], Mapping[Key, Value]], era: int
    ) -> dict[Key, Value]:
        """Return what was made of the rows that have these versions now; `load` reads those not known.

        A row that changed between both statements is newer than its version says, so it is read again next
        time; one that `load` does not find is left out.
        """
        known = {
            key: value
            for key, version in versions.items()
            if (value := self.get(key, version, era)) is not None
        }
        missing = [key for key in versions if key not in known]
        if missing:
            loaded = load(missing)
            for key, value in loaded.items():
                self.keep(key, versions[key], value, era)
            known.update(loaded)
        return known


_instances: Final[WeakSet[KnownRows[Any, Any]]] = WeakSet()


def _hear_connected(**_: object) -> None:
    for known in list(_instances):
        known.forget()


connection_created.connect(_hear_connected, dispatch_uid="known_rows")
