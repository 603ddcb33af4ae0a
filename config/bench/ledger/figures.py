"""What the benchmark measures, and its arithmetic: medians of interleaved rounds, ratios round by round.

The machine is rarely ours alone. Rounds of all variants take turns, so that noise hits all alike, and a ratio
is the median of the rounds' ratios. Each run notes the share of the machine that others used meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one variant: pieces of work a second, latencies in milliseconds, what it cost others."""

    rate: float
    p50_ms: float
    p99_ms: float
    foreign: float = 0.0  # share of the machine's CPU that went to others, 0 to 1
    cpu_us: float = 0.0  # CPU of client and server for one piece of work, microseconds
    extra: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio (or a figure) that was asked for, and what was measured."""

    name: str
    value: float
    limit: float
    unit: str = "ratio"
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        """Say whether the measured value is on the right side of the limit."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit


@dataclass(slots=True)
class Section:
    """One part of the benchmark: its runs by variant, its targets, and remarks."""

    title: str
    runs: dict[str, list[Run]] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    unit: str = "/s"

    def as_dict(self) -> dict[str, Any]:
        """Return the section for the JSON file."""
        found = asdict(self)
        found["targets"] = [{**asdict(target), "met": target.is_met} for target in self.targets]
        return found


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value of an ordered sequence below which this share of it lies; 0 when it is empty."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def run_of(latencies_ms: Sequence[float], seconds: float, *, each: int = 1) -> Run:
    """Return the run that these latencies make; `each` is the work of one of them (entries of a batch)."""
    ordered = sorted(latencies_ms)
    return Run(len(ordered) * each / seconds, percentile(ordered, 0.5), percentile(ordered, 0.99))


def interleave(variants: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Run all variants in turn, `rounds` times, each round beginning with another one."""
    found: dict[str, list[Run]] = {name: [] for name in variants}
    names = list(variants)
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            found[name].append(variants[name]())
    return found


def middle(runs: Sequence[Run]) -> Run:
    """Return the median run by rate (the lower one of two)."""
    return sorted(runs, key=lambda run: run.rate)[(len(runs) - 1) // 2]


def ratio(ours: Sequence[Run], reference: Sequence[Run]) -> float:
    """Return the median of the rounds' ratios of rates.

    :raises ValueError: the two do not have the same number of rounds.
    """
    return median(own.rate / other.rate for own, other in zip(ours, reference, strict=True))
