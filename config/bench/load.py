"""Clients for measurements: persistent connections in threads, latencies in milliseconds, nothing between."""

import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ledger import clock


@dataclass(frozen=True, slots=True)
class Figures:
    """What one measurement came to."""

    done: int
    seconds: float
    latencies_ms: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Completed pieces of work a second."""
        return self.done / self.seconds

    def percentile(self, share: float) -> float:
        """Return the latency in milliseconds below which this share of the work was done."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Refused(RuntimeError):
    """A measured request was not answered as it should be: the figure would mean nothing."""


class Client:
    """One persistent connection that sends JSON and expects a status."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self._headers = {"Content-Type": "application/json", **headers}

    def send(
        self, method: str, path: str, body: Any, expected: int, headers: dict[str, str] | None = None
    ) -> Any:
        """Send one request and return the decoded answer.

        :raises Refused: another status came back.
        """
        self._connection.request(method, path, json.dumps(body), {**self._headers, **(headers or {})})
        response = self._connection.getresponse()
        content = response.read()
        if response.status != expected:
            raise Refused(
                f"{method} {path} answered {response.status}: {content[:300].decode(errors='replace')}"
            )
        return json.loads(content)


def measure(make: Callable[[int], Callable[[], None]], clients: int, seconds: float) -> Figures:
    """Let `clients` threads repeat their work for `seconds` (after one warm-up each); `make(n)` makes one's
    work."""
    works = [make(number) for number in range(clients)]
    for work in works:
        work()
    barrier = threading.Barrier(clients + 1)
    latencies: list[list[float]] = [[] for _ in works]
    failures: list[Exception] = []

    def repeat(work: Callable[[], None], kept: list[float]) -> None:
        barrier.wait()
        end = clock.monotonic() + seconds
        try:
            while (began := clock.monotonic()) < end:
                work()
                kept.append((clock.monotonic() - began) * 1000)
        except (Refused, OSError) as error:
            failures.append(error)

    threads = [
        threading.Thread(target=repeat, args=pair, daemon=True) for pair in zip(works, latencies, strict=True)
    ]
    for thread in threads:
        thread.start()
    barrier.wait()
    began = clock.monotonic()
    for thread in threads:
        thread.join()
    took = clock.monotonic() - began
    if failures:
        raise Refused(str(failures[0]))
    every = tuple(value for kept in latencies for value in kept)
    return Figures(len(every), took, every)
