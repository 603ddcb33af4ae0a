"""Rows that a process has read before, taken again only when PostgreSQL says that they are still the same.

PostgreSQL writes a new version of a row at each change; where it lies and which transaction wrote it (`ctid`,
`xmin`) name that version, and both never come again together. So a statement that returns only these says
whether a row is as it was read, at the moment of asking: this is no cache that may be behind, and what is
decided about money may rest on it. It saves reading and building the rows, which takes longer than asking.
"""

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class KnownRows(Generic[Key, Value]):
    """What was made of rows, by key, with the version of each; it is shared by threads, so nobody changes it.

    At most `rows_max` are kept; the one that was read first goes first.
    """

    def __init__(self, rows_max: int) -> None:
        self._rows_max = rows_max
        self._rows: dict[Key, tuple[object, Value]] = {}
        self._lock = threading.Lock()

    def __contains__(self, key: Key) -> bool:
        """Say whether some version of a row is known."""
        return key in self._rows

    def get(self, key: Key, version: object) -> Value | None:
        """Return what was made of this version of a row, when it is known."""
        held = self._rows.get(key)
        return held[1] if held is not None and held[0] == version else None

    def keep(self, key: Key, version: object, value: Value) -> None:
        """Keep what was made of a row; its version is of the same statement, or of one before."""
        with self._lock:
            self._rows.pop(key, None)
            self._rows[key] = (version, value)
            while len(self._rows) > self._rows_max:
                del self._rows[next(iter(self._rows))]

    def recall(
        self, versions: Mapping[Key, object], load: Callable[[list[Key]], Mapping[Key, Value]]
    ) -> dict[Key, Value]:
        """Return what was made of the rows that have these versions now; `load` reads those not known.

        A row that changed between both statements is newer than its version says, so it is read again next
        time; one that `load` does not find is left out.
        """
        known = {
            key: value for key, version in versions.items() if (value := self.get(key, version)) is not None
        }
        missing = [key for key in versions if key not in known]
        if missing:
            loaded = load(missing)
            for key, value in loaded.items():
                self.keep(key, versions[key], value)
            known.update(loaded)
        return known
