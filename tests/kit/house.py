"""A whole house for one test: its own PostgreSQL, Valkey, network, web server, workers and timetable.

The programs are those of `make run` (config.house), on free ports and throw-away data. A test may kill any
of them with -9, arm crash points, wipe the broker, or stop PostgreSQL dead; `mend` starts again what has
died, as the supervisor would. Everything is stopped at the end, whatever the test did.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis

from config import database_roles, servers
from config import house as plan
from config.processes import Child
from tests.kit.polling import eventually

START_SECONDS = 60.0
COMMAND_SECONDS = 900.0
# No fsync (the machine does not crash, processes do), but a commit is a commit when PostgreSQL dies.
POSTGRES = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "jit": "off",
}
IMPATIENT = {
    "PROVIDER_READ_TIMEOUT_SECONDS": "1.5",
    "PROVIDER_QUIET_SECONDS": "3",
    "FRAUD_FACTS_TIMEOUT_SECONDS": "10",
    "LOG_LEVEL": "WARNING",
}
LATE_SECONDS = "2.5"
PENDING_SECONDS = "0.5"
SERVERS = ("postgres", "valkey")


class House:
    """The running programs of one house; made by `running_house`."""

    def __init__(self, folder: Path, database: Mapping[str, str] | None = None, **settings: str) -> None:
        self.folder = folder
        self._database = database
        self.logs = folder / "logs"
        self.crashpoints = folder / "crashpoints"
        self._wanted = settings
        self._children: dict[str, Child] = {}
        self.environment: dict[str, str] = {}
        # One hand kills and starts, for as long as the house stands: a program dies with the *thread* that
        # started it (config.processes asks the kernel for that), so a passing thread must not start any.
        self._hand = ThreadPoolExecutor(1)

    # --- start and stop ---------------------------------------------------------------------------------
    def start(self) -> None:
        """Start everything and wait until it answers."""
        self.logs.mkdir(parents=True)
        self.crashpoints.mkdir()
        for name in plan.PREFERRED_PORTS:
            plan.port(self.folder, name, is_fresh=True)
        valkey = servers.valkey(
            self.folder / "valkey",
            plan.port(self.folder, "valkey"),
            self.logs / "valkey.log",
            durable=False,
        )
        database = self._database or database_roles.addresses(self._serve(self._postgres()))
        self.environment = {
            **plan.environment(self.folder),
            **database,
            "REDIS_URL": self._serve(valkey),
            "CRASHPOINT_DIR": str(self.crashpoints),
            **IMPATIENT,
            **self._wanted,
        }
        if not self._database:
            self.manage("migrate", "--no-input", "-v", "0")
        for child in plan.programs(self.folder, self.logs, self.environment):
            if child.name == "network":
                child.command += ["--late-seconds", LATE_SECONDS, "--pending-seconds", PENDING_SECONDS]
            self._children[child.name] = child
            child.start()
        self.await_ready()

    def _postgres(self) -> Child:
        return servers.postgres(
            self.folder / "postgres",
            plan.port(self.folder, "postgres"),
            self.logs / "postgres.log",
            **POSTGRES,
        )

    def _serve(self, server: Child) -> str:
        self._children[server.name] = server
        servers.start(server)
        return server.url

    def stop(self) -> None:
        """Stop everything, the programs first; what does not go is killed."""
        programs = [child for name, child in self._children.items() if name not in SERVERS]
        for child in programs:
            child.ask_to_stop()
        for child in programs:
            child.await_end(5.0)
        for name in reversed(SERVERS):
            if name in self._children:
                self._children[name].stop()
        self._hand.shutdown()

    def await_ready(self) -> None:
        """Wait until every program answers; what has died meanwhile is started again."""

        def are_all_ready() -> bool:
            self.mend()
            return all(child.is_ready() for child in self._children.values())

        eventually(are_all_ready, seconds=START_SECONDS, what=self._why_not_ready)

    def _why_not_ready(self) -> str:
        silent = [child for child in self._children.values() if not child.is_ready()]
        return "the house to be ready; silent: " + "; ".join(f"{c.name}: {c.last_words(5)}" for c in silent)

    # --- what a test does to it -----------------------------------------------------------------------
    def mend(self) -> list[str]:
        """Start what has ended, as the supervisor does; return its names."""
        return self._hand.submit(self._mend).result()

    def kill(self, name: str) -> None:
        """Kill a program and all its processes with -9, and wait until they are gone."""
        self._hand.submit(self._kill, name).result()

    def restart_postgres(self) -> None:
        """Stop PostgreSQL as a power cut of the process does (immediate), and start it on the same data."""
        self._hand.submit(self._restart_postgres).result()

    def _mend(self) -> list[str]:
        ended = [name for name, child in self._children.items() if child.has_ended()]
        for name in ended:
            if name in SERVERS:
                servers.start(self._children[name])
            else:
                self._children[name].start()
        return ended

    def _kill(self, name: str) -> None:
        child = self._children[name]
        assert child.process is not None
        if not child.has_ended():
            os.killpg(child.process.pid, signal.SIGKILL)
            eventually(child.has_ended, seconds=10, what=f"{name} to be dead")

    def _restart_postgres(self) -> None:
        server = self._children["postgres"]
        assert server.process is not None
        server.process.send_signal(signal.SIGQUIT)
        eventually(server.has_ended, seconds=30, what="postgres to be dead")
        servers.start(server)

    def names(self) -> list[str]:
        """Return the programs other than the two servers."""
        return [name for name in self._children if name not in SERVERS]

    def wipe_broker(self) -> int:
        """Delete everything in Valkey; return how many keys were lost."""
        with redis.Redis.from_url(self.environment["REDIS_URL"]) as client:
            lost = int(client.dbsize())
            client.flushall()
        return lost

    def arm(self, point: str) -> None:
        """Ask for one kill -9 at a crash point."""
        (self.crashpoints / point).touch()

    def has_fired(self, point: str) -> bool:
        """Say whether an armed crash point has killed its process."""
        return not (self.crashpoints / point).exists()

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Let a program and all its processes stand still for the length of the block."""
        process = self._children[name].process
        assert process is not None
        os.killpg(process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGCONT)

    @contextmanager
    def mended(self) -> Iterator[None]:
        """Keep starting again what dies, for the length of the block; afterwards everything is up."""
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(0.2):
                self.mend()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            is_over.set()
            watcher.join(30)
            self.await_ready()

    # --- ways in ----------------------------------------------------------------------------------------
    @property
    def url(self) -> str:
        """Where the web server listens."""
        return self.environment["EVERYCENT_URL"]

    def manage(self, *arguments: str, check: bool = True, seconds: float = COMMAND_SECONDS) -> str:
        """Run a management command to its end and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=plan.ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a management command and return it while it runs."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=plan.ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def ask(self, function: str, *arguments: str) -> Any:
        """Run a function of tests.kit.inside in a process of this house and return its JSON answer."""
        done = subprocess.run(
            [sys.executable, "-m", "tests.kit.inside", function, *arguments],
            cwd=plan.ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"{function} failed:\n{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout)

    def select(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read the house's database."""
        with psycopg.connect(self.environment["DATABASE_URL"], connect_timeout=30) as connection:
            return connection.execute(query, parameters).fetchall()

    @contextmanager
    def network(self) -> Iterator[httpx.Client]:
        """The network's operator: scripts faults, reads the truth."""
        key = self.environment["VELOCITYPAY_API_KEY"]
        with httpx.Client(
            base_url=self.environment["VELOCITYPAY_URL"],
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
            trust_env=False,
        ) as client:
            yield client


@contextmanager
def running_house(database: Mapping[str, str] | None = None, **settings: str) -> Iterator[House]:
    """Run a house for the length of the block; `settings` are environment variables of all its programs.

    `database` names one that is migrated, by the variables of both roles; else it has a PostgreSQL of its
    own.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(
                prefix="everycent-house-", dir=servers.open_folder(), ignore_cleanup_errors=True
            )
        )
        house = House(Path(folder) / "house", database, **settings)
        stack.callback(house.stop)
        began = time.monotonic()
        house.start()
        sys.stderr.write(f"a house is up after {time.monotonic() - began:.1f} s: {house.url}\n")
        yield house
