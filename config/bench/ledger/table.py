"""The benchmark's table and its JSON file: what was measured, and whether each target is met."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from config.bench.ledger.figures import Section, middle

Say = Callable[[str], Any]


def show(section: Section, say: Say) -> None:
    """Write one section: the median run of each variant, and the targets with their ratios."""
    say(f"\n{section.title}")
    for name, runs in section.runs.items():
        run = middle(runs)
        foreign, cpu = max(one.foreign for one in runs), median(one.cpu_us for one in runs)
        extra = "".join(f"   {label} {value:g}" for label, value in run.extra.items())
        say(
            f"  {name:<26}{run.rate:>9,.0f}{section.unit}  p50 {run.p50_ms:>8.2f} ms"
            f"  p99 {run.p99_ms:>8.2f} ms  CPU {cpu:>6,.0f} us  foreign <= {foreign:>4.0%}{extra}"
        )
    for remark in section.remarks:
        say(f"  {remark}")


def show_targets(sections: Sequence[Section], say: Say) -> None:
    """Write the list of all targets, each met or not met."""
    say("\nTargets")
    for section in sections:
        for target in section.targets:
            sign = "<=" if target.at_most else ">="
            unit = "" if target.unit == "ratio" else f" {target.unit}"
            value, limit = _figure(target.value), _figure(target.limit)
            verdict = "met" if target.is_met else "NOT MET"
            say(f"  {target.name:<58} {value:>10}{unit}  {sign} {limit}{unit:<8} {verdict}")


def _figure(value: float) -> str:
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"


def write_json(path: Path, head: dict[str, Any], sections: Sequence[Section]) -> None:
    """Write everything, every single run too, for a program to read."""
    found = {**head, "sections": [section.as_dict() for section in sections]}
    path.write_text(json.dumps(found, indent=1), encoding="utf-8")
