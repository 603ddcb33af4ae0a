"""Runs from Django: processes of their own that repeat a piece of work and note how long each took."""

import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.db import connection, connections

from config import memory
from config.bench.ledger.figures import Run, run_of
from config.bench.ledger.noise import noise
from ledger import clock

Work = Callable[[], None]
WARM_UP_SECONDS = 1.0
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True, slots=True)
class Part:
    """What one process did, in how long, and the memory it held before and after."""

    latencies_ms: list[float]
    seconds: float
    before_mb: float
    after_mb: float


def run(
    make: Callable[..., Work], *arguments: Any, clients: int, seconds: float, each: int = 1,
    schema: str = "public",
) -> Run:  # fmt: skip
    """Let processes repeat `make(number, *arguments)` for some seconds; each call does `each` entries.

    The extra figures are the memory of the largest process at the end, and by how much it grew meanwhile.
    """
    connections.close_all()
    memory.settle()  # as the workers of the house do (config/celery.py, config/wsgi.py)
    with multiprocessing.get_context("fork").Pool(clients) as pool:
        start = clock.monotonic() + WARM_UP_SECONDS
        jobs = [(make, number, arguments, start, seconds, schema) for number in range(clients)]
        with noise() as around:
            parts = pool.starmap(_repeat, jobs, chunksize=1)
    found = run_of([value for part in parts for value in part.latencies_ms], seconds)
    # Each client's own time: its last call ends after the others'.
    rate = sum(len(part.latencies_ms) * each / part.seconds for part in parts)
    found.extra["RSS MB"] = round(max(part.after_mb for part in parts), 1)
    found.extra["grew MB"] = round(max(part.after_mb - part.before_mb for part in parts), 1)
    return around.note(replace(found, rate=rate), seconds + WARM_UP_SECONDS)


def _repeat(
    make: Callable[..., Work],
    number: int,
    arguments: tuple[Any, ...],
    start: float,
    seconds: float,
    schema: str,
) -> Part:  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('search_path', %s, false)", [f"{schema},public"])
        cursor.execute("SET statement_timeout = 0")
    work, kept = make(number, *arguments), []
    work()
    while clock.monotonic() < start:
        work()
    before, end = _resident_mb(), clock.monotonic() + seconds
    while (began := clock.monotonic()) < end:
        work()
        kept.append((clock.monotonic() - began) * 1000)
    took, after = clock.monotonic() - end + seconds, _resident_mb()
    connections.close_all()
    return Part(kept, took, before, after)


def _resident_mb() -> float:
    """Return the memory that this process holds (proc(5); 0 where there is no such file)."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text(encoding="ascii").split()[1]) * _PAGE_MB if statm.exists() else 0.0
