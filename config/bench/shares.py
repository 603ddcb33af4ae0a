"""Where the CPU of a measurement goes: seconds by program of the house, read from /proc (Linux, proc(5))."""

import os
from collections import Counter
from pathlib import Path
from typing import Final

# A word of a command line, and the program that it betrays; the first that fits.
PROGRAMS: Final = (
    ("postgres", "database"),
    ("valkey", "broker and cache"),
    ("payments.simulator", "sandbox network"),
    ("config.bench.bare", "baseline"),
    ("granian", "web"),
    ("webhook_in", "worker: callbacks, reports"),
    ("money", "worker: money"),
    ("beat", "timetable"),
    ("manage.py bench", "load generator"),
)
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds() -> Counter[str]:
    """Return the CPU seconds that every program has used so far; nothing where there is no /proc."""
    used: Counter[str] = Counter()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            fields = (folder / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        name = next((program for word, program in PROGRAMS if word in command), None)
        if name is not None:
            used[name] += (int(fields[11]) + int(fields[12])) / _TICKS
    return used
