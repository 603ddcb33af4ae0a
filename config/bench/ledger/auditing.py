"""Audit records in bulk: `audit.record_many`, masked, with all indexes, in durable commits."""

from collections.abc import Callable
from functools import partial
from uuid import uuid4

from config.bench.ledger.figures import Run, Section, Target, interleave, middle, run_of
from config.bench.ledger.noise import noise
from config.bench.ledger.serving import Server
from ledger import audit, clock, ids
from ledger.actors import Actor
from ledger.audit import Act
from ledger.locks import phase

BULK_MIN = 20_000
SIZES = (1_000, 10_000)
READY = 20_000  # acts made before the clock starts; what a caller spends on making them is not ours


def measure(server: Server, *, seconds: float, rounds: int) -> list[Section]:
    """Measure calls of a thousand and of ten thousand acts, and one act a commit beside them."""
    acts = _acts(READY)
    variants: dict[str, Callable[[], Run]] = {
        f"{size:,} in a call": partial(_bulk, acts, size, seconds) for size in SIZES
    }
    variants["one in a commit"] = partial(_single, acts, seconds)
    _bulk(acts, SIZES[0], 0.2)
    server.settle()
    section = Section("Audit records in bulk, one client", interleave(variants, rounds), unit="records/s")
    best = middle(section.runs[f"{SIZES[-1]:,} in a call"])
    section.targets = [Target("audit records a second in bulk", best.rate, BULK_MIN, unit="records/s")]
    return [section]


def _bulk(acts: list[Act], size: int, seconds: float) -> Run:
    return _timed(lambda turn: audit.record_many(acts[turn * size % READY :][:size]), size, seconds)


def _single(acts: list[Act], seconds: float) -> Run:
    return _timed(lambda turn: audit.record_one(acts[turn % READY]), 1, seconds)


def _timed(write: Callable[[int], object], each: int, seconds: float) -> Run:
    latencies: list[float] = []
    began = clock.monotonic()
    with noise() as cost:
        while (start := clock.monotonic()) - began < seconds:
            with phase():
                write(len(latencies))
            latencies.append((clock.monotonic() - start) * 1_000)
        taken = clock.monotonic() - began
    return cost.note(run_of(latencies, taken, each=each), taken)


def _acts(number: int) -> list[Act]:
    """Acts as the desks write them: a reason, states before and after, something to mask."""
    actor, merchant, at = Actor("staff", "7", "irene", role="risk"), uuid4(), clock.now()
    return [
        Act(
            actor, "vendor.suspended", "vendors.vendor", ids.show("ven", ids.uuid7()), at, merchant,
            "no longer sells here",
            before={"state": "active", "commission": {"rate_bps": 100 + n % 7}},
            after={"state": "suspended", "iban": "DE89370400440532013000", "notes": ["asked", "answered"]},
        )
        for n in range(number)
    ]  # fmt: skip
