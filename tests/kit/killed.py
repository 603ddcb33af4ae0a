"""A step in a process of its own that kills itself at a crash point: a fork of the test, which costs little.

The step runs in a thread of the child, for what a thread has is its own: the child opens connections to the
database and to Valkey, and those of the parent stay the parent's. The child never comes back into the test.
"""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from django.test import override_settings


def killed_at(point: str, folder: Path, step: Callable[[], object]) -> None:
    """Run a step in a child with the point armed; it must die of it, and the point must have fired.

    :raises AssertionError: it lived, or died of something else.
    """
    armed = folder / point
    armed.touch()
    status = in_child(step, folder)
    assert os.WIFSIGNALED(status), f"the step came past {point}"
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not armed.exists(), f"{point} did not fire"


def in_child(step: Callable[[], object], folder: Path) -> int:
    """Run a step in a child, with the crash points that are armed in a folder; return how it ended
    (`os.waitpid`): with status 0 when the step came to its end."""
    child = os.fork()
    if child == 0:
        try:
            with override_settings(CRASHPOINT_DIR=folder):
                os._exit(0 if _comes_to_its_end(step) else 1)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def _comes_to_its_end(step: Callable[[], object]) -> bool:
    ended = []

    def run() -> None:
        try:
            step()
            ended.append(True)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return bool(ended)
