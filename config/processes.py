"""Child processes that cannot be lost: each has its own session, a log, and dies when its parent does.

A child's whole process group is ended with it, so a server killed with -9 leaves no workers behind that
hold its port. Linux only for the death signal; elsewhere the sweep at the next start (config.supervisor)
finds orphans.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
LOG_BYTES_MAX = 20 * 2**20


@dataclass
class Child:
    """A program we start, watch and stop."""

    name: str
    command: list[str]
    log: Path
    environment: dict[str, str] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 30.0
    identity: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    url: str = ""
    is_ready: Callable[[], bool] = lambda: True
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start the program; its output is added to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=self.environment,
                preexec_fn=_dies_with_parent(self.stop_signal),  # noqa: PLW1509  the supervisor has one thread
                **{"cwd": self.folder, **self.identity},
            )

    def has_ended(self) -> bool:
        """Say whether the program is gone; then kill the rest of its group, while its id is still its own."""
        if self.process is None:
            return True
        if self.process.returncode is not None:
            return True
        if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        self._signal_group(signal.SIGKILL)
        self.process.wait()
        return True

    def ask_to_stop(self) -> None:
        """Send the signal on which the program ends cleanly."""
        if not self.has_ended() and self.process:
            self.process.send_signal(self.stop_signal)

    def await_end(self, seconds: float | None = None) -> None:
        """Wait until the program has ended; kill it and its group after the grace period."""
        deadline = time.monotonic() + (self.grace_seconds if seconds is None else seconds)
        while not self.has_ended():
            if time.monotonic() > deadline:
                self._signal_group(signal.SIGKILL)
            time.sleep(0.02)

    def stop(self) -> None:
        """Ask the program to stop and wait until it has."""
        self.ask_to_stop()
        self.await_end()

    def how_it_ended(self) -> str:
        """Say the exit status, or the signal that killed it."""
        status = self.process.returncode if self.process else None
        return f"signal {-status}" if status is not None and status < 0 else f"status {status}"

    def last_words(self, lines: int = 3) -> str:
        """Return the end of the log, on one line."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 4000))
            return " | ".join(file.read().decode(errors="replace").strip().splitlines()[-lines:])

    def _signal_group(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            return


def _dies_with_parent(number: signal.Signals) -> Callable[[], None]:
    parent = os.getpid()

    def between_fork_and_exec() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before we asked
            os._exit(1)

    return between_fork_and_exec


def marked(variable: str, value: str) -> list[int]:
    """Return the ids of living processes, other than this one, whose environment holds `variable=value`."""
    wanted = f"{variable}={value}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # ended meanwhile, or not ours
            continue
        if wanted in environment and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def sweep(variable: str, value: str, *, grace_seconds: float = 20.0) -> int:
    """End what a killed supervisor left behind, known by the mark it gave; return how many there were."""
    orphans = marked(variable, value)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        # SIGINT: an embedded PostgreSQL waits for its clients after SIGTERM
        deadline = time.monotonic() + (grace_seconds if number is not signal.SIGTERM else 3.0)
        for process_id in marked(variable, value):
            try:
                os.kill(process_id, number)
            except ProcessLookupError:
                continue
        while marked(variable, value) and time.monotonic() < deadline:
            time.sleep(0.1)
    return len(orphans)
