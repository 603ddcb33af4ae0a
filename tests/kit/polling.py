"""Waiting for a condition with a deadline: the only way in which tests wait."""

import time
from collections.abc import Callable

PAUSE_SECONDS = 0.05


def eventually(condition: Callable[[], object], *, seconds: float, what: str | Callable[[], str]) -> None:
    """Return as soon as the condition holds; fail, saying what was waited for, when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s for {what() if callable(what) else what}")
        time.sleep(PAUSE_SECONDS)
