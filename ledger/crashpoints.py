"""Crash points: named places where a test may kill the process, to prove that nothing is lost or doubled
there.

A point does nothing unless the setting CRASHPOINT_DIR names a folder that holds a file with the point's
name; then it removes that file (the proof that it fired, once) and kills its own process at once.
Production refuses the setting.
"""

import os
import signal
from pathlib import Path
from typing import Final

from django.conf import settings

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
