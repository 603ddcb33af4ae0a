"""A step in a process of its own that kills itself at a crash point: a fork of the test, which costs little.

The connections are closed first: parent and child open their own. The child never comes back into the test.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from django.db import connections
from django.test import override_settings


def killed_at(point: str, folder: Path, step: Callable[[], object]) -> None:
    """Run a step in a child with the point armed; it must die of it, and the point must have fired.

    :raises AssertionError: it lived, or died of something else.
    """
    armed = folder / point
    armed.touch()
    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            with override_settings(CRASHPOINT_DIR=folder):
                step()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"the step came past {point}"
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not armed.exists(), f"{point} did not fire"
