"""Who else uses the machine: the share of its CPU that did not go to this process and its descendants.

Read from /proc (Linux); elsewhere the share is 0 and says nothing. Time stolen by the hypervisor counts as
foreign, too.
"""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from config.bench.ledger.figures import Run
from ledger import clock

_STAT = Path("/proc/stat")
LOCK = "everycent-bench-ledger.lock"


@dataclass(slots=True)
class Noise:
    """What a block cost: the foreign share of the machine, and our own CPU seconds; known when it ends."""

    foreign: float = 0.0
    own_seconds: float = 0.0

    def note(self, run: Run, seconds: float) -> Run:
        """Return the run with what it cost, client and server together."""
        return replace(run, foreign=self.foreign, cpu_us=self.own_seconds / (run.rate * seconds) * 1_000_000)


def ask_for_priority() -> str:
    """Let this process and all its children go before others, when we may; return what came of it.

    Real time, round robin: a better nice value counts only among the processes of one session (sched(7)).
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (OSError, AttributeError):
        return "ordinary priority"
    return "real-time priority"


@contextmanager
def alone(say: Callable[[str], object]) -> Iterator[None]:
    """Run the block when no other measurement runs on this machine; say that we wait for one."""
    with (Path(tempfile.gettempdir()) / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another measurement on this machine to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def noise() -> Iterator[Noise]:
    """Measure the foreign share of the block."""
    found = Noise()
    if not _STAT.exists():
        yield found
        return
    busy, own, began = _busy(), _own(), clock.monotonic()
    try:
        yield found
    finally:
        ticks, used = os.sysconf("SC_CLK_TCK"), _own() - own
        others = (_busy() - busy - used) / ticks / (clock.monotonic() - began) / (os.cpu_count() or 1)
        found.own_seconds, found.foreign = used / ticks, max(0.0, min(1.0, others))


def _busy() -> int:
    # user, nice, system, irq, softirq, steal of the first line; idle and iowait are nobody's (proc(5)).
    fields = [int(value) for value in _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:]]
    return sum(fields[index] for index in (0, 1, 2, 5, 6, 7))


def _own() -> int:
    """Return the CPU ticks of this process and of all that descend from it, also of those that ended."""
    parents, ticks = {}, {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:  # ended meanwhile; its parent has its time once it was waited for
            continue
        parents[int(entry.parent.name)] = int(fields[1])
        ticks[int(entry.parent.name)] = sum(int(value) for value in fields[11:15])
    ours = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(ticks.get(process, 0) for process in ours)
