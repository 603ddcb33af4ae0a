"""`make run`: the whole house under one supervisor, on 127.0.0.1.

Starts embedded servers (unless DATABASE_URL and REDIS_URL name others), migrates, starts web, workers,
timetable and the payment network, makes the demo data, takes the day, and stays up; restarts what dies;
stops what it started. What it must not do: touch a process that does not bear its mark, or anything
outside the data folder (PostgreSQL's place for root, see config.servers, excepted).
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config import database_roles, house, processes, servers
from config.processes import Child

MARK = "EVERYCENT_HOUSE"
START_SECONDS = 120.0
RESTART_PAUSE_SECONDS_MAX = 15.0
STEADY_SECONDS = 60.0
POSTGRES_SETTINGS = {
    "max_connections": "100",  # web 2 x 16, workers 4 and their parents, beat, the day, people; far below
    "shared_buffers": "256MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "jit": "off",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "0",
}


class Failed(Exception):
    """The start cannot go on; the message says what to do."""


class Supervisor:
    """Holds the children of one house, in the order in which they start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.children: list[Child] = []
        self.restarts: dict[str, tuple[int, float]] = {}  # name -> failures in a row, earliest next start
        self.started_at: dict[str, float] = {}
        self.stop_asked = False

    def run(self) -> int:
        """Start all, take the day, stay up until asked to stop; return the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note_stop)
        with _only_one(self.folder):
            try:
                return self._run()
            except (Failed, servers.ServerDidNotStart) as error:
                if self.stop_asked:
                    return 0
                say(f"run failed: {error}")
                return 1
            finally:
                self._stop_all()

    def _run(self) -> int:
        began = time.monotonic()
        swept = processes.sweep(MARK, str(self.folder))
        if swept:
            say(f"ended {swept} processes that an earlier run had left behind")
        environment = self._prepare()
        say("bringing the database up to date")
        self._command("migrate", ["manage.py", "migrate", "--no-input", "-v", "0"], environment)
        for child in house.programs(self.folder, self.logs, environment):
            self._launch(child)
        self._command("seed", ["manage.py", "seed_demo"], environment)
        self._await_ready()
        house.greet(self.folder, environment, time.monotonic() - began)
        status = self._day(environment)
        if os.environ.get("ONCE"):
            return status
        if not self.stop_asked:
            say("running; Ctrl-C stops everything")
        while not self.stop_asked:
            self._watch()
            time.sleep(0.2)
        return 0

    def _prepare(self) -> dict[str, str]:
        environment = house.environment(self.folder)
        environment[MARK] = str(self.folder)
        if not os.environ.get("DATABASE_URL"):
            say("starting PostgreSQL")
            server = self._serve(
                "postgres",
                lambda port: servers.postgres(
                    self.folder / "postgres",
                    port,
                    self.logs / "postgres.log",
                    environment,
                    **POSTGRES_SETTINGS,
                ),
            )
            environment.update(database_roles.addresses(server))
        if not os.environ.get("REDIS_URL"):
            say("starting Valkey")
            environment["REDIS_URL"] = self._serve(
                "valkey",
                lambda port: servers.valkey(
                    self.folder / "valkey", port, self.logs / "valkey.log", environment
                ),
            )
        house.write(self.folder, environment)
        return environment

    def _serve(self, name: str, describe: Callable[[int], Child]) -> str:
        # Another checkout may take the port between our look and the server's: then once more, with another.
        for attempt in range(3):
            server = describe(house.port(self.folder, name, is_fresh=attempt > 0))
            self.children.append(server)
            try:
                servers.start(server, lambda: self.stop_asked)
            except servers.ServerDidNotStart:
                self.children.remove(server)
                if attempt == 2 or self.stop_asked:
                    raise
            else:
                self.started_at[name] = time.monotonic()
                return server.url
        raise Failed(f"{name} found no port; see {self.logs / name}.log")

    def _launch(self, child: Child) -> None:
        self.children.append(child)
        child.start()
        self.started_at[child.name] = time.monotonic()

    def _command(self, name: str, arguments: list[str], environment: dict[str, str]) -> None:
        """Run one management command to its end, with its words in a log of its own."""
        child = Child(
            name, [sys.executable, *arguments], self.logs / f"{name}.log", environment, folder=house.ROOT
        )
        self._launch(child)
        self._wait(child.has_ended)
        self.children.remove(child)
        if child.process is None or child.process.returncode:
            raise Failed(f"{' '.join(arguments)} ended badly; see {child.log}: {child.last_words(1)}")

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        for child in self.children:
            while not child.is_ready():
                self._wait(lambda: True)
                self._watch()
                if time.monotonic() > deadline:
                    raise Failed(f"{child.name} does not answer; see {child.log}: {child.last_words(1)}")
                time.sleep(0.05)

    def _day(self, environment: dict[str, str]) -> int:
        """Take the day unless it was taken already with the same wishes; its words go to the terminal."""
        if not house.has_day() or os.environ.get("DAYS") == "0":
            return 0
        note = self.folder / "day.json"
        wishes = {name: os.environ[name] for name in ("DAYS", "ORDERS", "SEED") if os.environ.get(name)}
        if note.exists():
            done = json.loads(note.read_text())
            if done["status"] == 0 and (not wishes or done["wishes"] == wishes):
                say(f"the day was taken already ({done['at']}); its book: {self.logs / 'day.log'}")
                return 0
        command = [sys.executable, "manage.py", *house.day_arguments(self.folder, wishes)]
        with (self.logs / "day.log").open("ab") as copy:
            day = subprocess.Popen(
                command, cwd=house.ROOT, env=environment, stdin=subprocess.DEVNULL, start_new_session=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            os.set_blocking(day.stdout.fileno(), False)  # type: ignore[union-attr]
            while day.poll() is None and not self.stop_asked:
                self._watch()
                _pass_on(day, copy.write)
                time.sleep(0.1)
            _pass_on(day, copy.write)
        if self.stop_asked and day.poll() is None:
            os.killpg(day.pid, signal.SIGTERM)
            day.wait(10)
            return 1
        status = day.returncode
        at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        note.write_text(json.dumps({"status": status, "wishes": wishes, "at": at}))
        if status:
            say(f"the day ended with status {status}: read the lines above, or {self.logs}")
        return status

    def _watch(self) -> None:
        """Start again what has ended, with a growing pause while it keeps ending."""
        now = time.monotonic()
        for child in self.children:
            if not child.has_ended():
                if now - self.started_at[child.name] > STEADY_SECONDS:
                    self.restarts.pop(child.name, None)
                continue
            self._start_again(child, now)

    def _start_again(self, child: Child, now: float) -> None:
        failures, not_before = self.restarts.get(child.name, (0, 0.0))
        if not not_before:
            pause = min(0.25 * 2**failures, RESTART_PAUSE_SECONDS_MAX) if failures else 0.0
            self.restarts[child.name] = (failures, now + pause)
            say(f"{child.name} ended ({child.how_it_ended()}); starting it again")
        elif now >= not_before:
            self.restarts[child.name] = (failures + 1, 0.0)
            child.start()
            self.started_at[child.name] = time.monotonic()

    def _wait(self, is_done: Callable[[], bool]) -> None:
        while not is_done():
            if self.stop_asked:
                raise Failed("stopped")
            time.sleep(0.05)
        if self.stop_asked:
            raise Failed("stopped")

    def _stop_all(self) -> None:
        """Stop the programs together, then the servers they use, last the database."""
        programs = [child for child in self.children if child.name not in ("postgres", "valkey")]
        for child in programs:
            child.ask_to_stop()
        for child in programs:
            child.await_end()
        for name in ("valkey", "postgres"):
            for child in self.children:
                if child.name == name:
                    child.stop()
        if self.children:
            say("stopped")

    def _note_stop(self, _number: int, _frame: Any) -> None:
        if self.stop_asked:  # asked twice: do not wait for anyone's last task
            for child in self.children:
                child.grace_seconds = 0.0
        else:
            say("stopping (once more to hurry)")
        self.stop_asked = True


class _only_one:
    """Holds the data folder for one supervisor at a time, by a lock that ends with the process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = (folder / "supervisor.lock").open("a+")

    def __enter__(self) -> None:
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.file.seek(0)
            owner = self.file.read().strip()
            sys.exit(f"run failed: this checkout runs already (process {owner}): stop that one first")
        self.file.truncate(0)
        self.file.write(str(os.getpid()))
        self.file.flush()

    def __exit__(self, *_: object) -> None:
        self.file.truncate(0)
        self.file.close()


def say(text: str) -> None:
    """Print one line for the person at the terminal; a closed terminal is no reason to fail."""
    try:
        sys.stdout.write(f"everycent: {text}\n")
        sys.stdout.flush()
    except OSError:
        return


def _pass_on(day: "subprocess.Popen[bytes]", keep: Callable[[bytes], object]) -> None:
    assert day.stdout is not None
    while chunk := day.stdout.read(65536):
        keep(chunk)
        try:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        except OSError:
            return


def main() -> int:
    """Run the house of this checkout."""
    house.tidy_environment()
    return Supervisor(house.data_folder()).run()


if __name__ == "__main__":
    sys.exit(main())
