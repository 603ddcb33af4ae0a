"""What the operator of any face may set under `/sim`: fault scripts, latency, downtime, an empty start.

A face adds its own routes, and says in its provider's own form that a request was refused.
"""

import json
import re
import time
from abc import ABC, abstractmethod
from typing import Any

from payments.simulator.answers import Answer
from payments.simulator.faults import Faults
from payments.simulator.storage import Storage

PAGE_MAX = 1000


class Controls(ABC):
    """Scripts one face, and holds its requests up."""

    def __init__(self, storage: Storage, faults: Faults) -> None:
        self._storage = storage
        self._faults = faults
        self._latency_seconds = 0.0
        self._is_down = False

    @abstractmethod
    def unavailable(self) -> Exception:
        """Return how the provider says that it is down."""

    @abstractmethod
    def refused(self, status: int, text: str) -> Exception:
        """Return how the provider says that a request is not understood."""

    def hold_up(self) -> None:
        """Let a request wait, or refuse it as `unavailable` says: nothing was done then."""
        if self._latency_seconds:
            time.sleep(self._latency_seconds)
        if self._is_down:
            raise self.unavailable()

    def reset(self) -> None:
        """Forget everything."""
        self._storage.reset()
        self.clear()

    def clear(self) -> None:
        """Drop scripts, latency and downtime."""
        self._faults.clear()
        self._latency_seconds, self._is_down = 0.0, False

    def set(self, method: str, path: str, raw: bytes) -> Answer | None:
        """Answer a request that every face knows; None: it is another. Refuses as `refused` says."""
        match method, path:
            case "GET", "/sim/faults":
                return Answer(200, {"data": self._faults.scripts(), "hits": self._faults.hits()})
            case "POST", "/sim/faults":
                return self._script(self.body(raw))
            case "DELETE", "/sim/faults":
                self.clear()
                return Answer(200, {"data": [], "hits": self._faults.hits()})
            case "POST", "/sim/latency":
                self._latency_seconds = int(str(self.body(raw).get("ms", 0))) / 1000
                return Answer(200, {"ms": round(self._latency_seconds * 1000)})
            case "POST", "/sim/down":
                self._is_down = self.body(raw).get("down") is True
                return Answer(200, {"down": self._is_down})
            case "POST", "/sim/reset":
                self.reset()
                return Answer(200, {"status": "empty"})
        return None

    def body(self, raw: bytes) -> dict[str, Any]:
        """Read a JSON object; nothing sent is an empty one. Refuses as `refused` says."""
        try:
            value = json.loads(raw or b"{}")
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise self.refused(400, "The body is a JSON object")
        return value

    def _script(self, body: dict[str, Any]) -> Answer:
        match, faults, nth = body.get("match", {}), body.get("faults"), body.get("nth", 1)
        if not isinstance(match, dict) or not isinstance(faults, list) or not isinstance(nth, int):
            raise self.refused(422, "A script is {match: {…}, faults: [text, …], nth: number}")
        return Answer(200, {"id": self._faults.script(match, [str(fault) for fault in faults], nth)})


def whole(asked: dict[str, str], name: str, default: int) -> int:
    """A whole number of a query, or what it is without."""
    return int(asked[name]) if re.fullmatch("[0-9]{1,15}", asked.get(name, "")) else default
