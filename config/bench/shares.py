"""Where the CPU of a measurement goes: seconds by program of the house, read from /proc (Linux, proc(5))."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# A word of a command line, and the program that it betrays; the first that fits.
PROGRAMS: Final = (
    ("postgres", "database"),
    ("valkey", "broker and cache"),
    ("payments.simulator", "sandbox network"),
    ("config.bench.bare", "baseline"),
    ("granian", "web"),
    ("webhook_in", "worker: callbacks"),
    ("webhook_out", "worker: reports"),
    ("money", "worker: money"),
    ("beat", "timetable"),
    ("manage.py bench", "load generator"),
)
_HOUSE: Final = (
    "config.bench"  # the house of the measurement: what it has started counts, no other house's programs
)
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds() -> dict[str, float]:
    """Return the CPU seconds of every program of this house so far; nothing where there is no /proc."""
    found = dict(_processes())
    house = _ancestors(os.getpid(), found)
    used: dict[str, float] = {}
    for number, (_, command, seconds) in found.items():
        name = next((program for word, program in PROGRAMS if word in command), None)
        if name is not None and house & _ancestors(number, found):
            used[name] = used.get(name, 0.0) + seconds
    return used


def _processes() -> Iterator[tuple[int, tuple[int, str, float]]]:
    """Yield each process: its number, its parent's, its command line and its CPU seconds."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            fields = (folder / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        yield int(folder.name), (int(fields[1]), command, (int(fields[11]) + int(fields[12])) / _TICKS)


def _ancestors(number: int, found: dict[int, tuple[int, str, float]]) -> set[int]:
    """Return the processes above this one up to the house's supervisor; none when it is of another house."""
    above: set[int] = set()
    while number in found:
        above.add(number)
        if f"-m {_HOUSE}" in found[number][1] and f"-m {_HOUSE}." not in found[number][1]:
            return above
        number = found[number][0]
    return set()
