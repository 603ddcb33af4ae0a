"""Crash points: named places where a test may kill the process, to prove that nothing is lost or doubled
there.

A point does nothing unless the setting CRASHPOINT_DIR names a folder that holds a file with the point's
name; then it removes that file (the proof that it fired, once) and kills its own process at once.
Production refuses the setting.
"""

import functools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from django.conf import settings

from ledger import locks

P = ParamSpec("P")
R = TypeVar("R")

registry: Final[set[str]] = set()


def register(*names: str) -> None:
    """Name the points of a flow, so that the sweep finds every one."""
    registry.update(names)


def crashpoint(name: str) -> None:
    """Kill this process here, when a test has armed the point.

    :raises LookupError: the point was not registered.
    """
    folder: Path | None = settings.CRASHPOINT_DIR
    if folder is None:
        return
    if name not in registry:
        raise LookupError(f"crash point {name} is not registered")
    try:
        (folder / name).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def phased(step: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function one phase (see `locks.phased`) with two points: `step.before_commit`, when all is
    written, and `step.after_commit`, when the caller does not know of it yet.
    """
    before, after = f"{step}.before_commit", f"{step}.after_commit"
    register(before, after)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @locks.phased
        def in_phase(*args: P.args, **kwargs: P.kwargs) -> R:
            locks.before_commit(lambda: crashpoint(before))
            return function(*args, **kwargs)

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            done = in_phase(*args, **kwargs)
            crashpoint(after)
            return done

        return run

    return decorate
