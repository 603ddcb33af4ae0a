"""The server of a measurement: embedded PostgreSQL on a disk, durable commits, our tables, our upkeep.

It is made for one run and thrown away after it. The data lies where files survive a restart of the machine,
because a flush to a file system in memory costs nothing and would flatter every figure.
"""

import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from config import database_roles, memory, servers
from config.celery import TIMETABLE
from ledger import clock

SETTINGS = {
    "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "wal_sync_method": "fdatasync",
    "shared_buffers": "1GB", "max_wal_size": "4GB", "checkpoint_timeout": "30min", "max_connections": "100",
    "jit": "off", "autovacuum": "on",
}  # fmt: skip
SLOW_COMMIT = ("commit_delay=1000", "commit_siblings=0")  # microseconds: a flush that takes a millisecond
FLUSHES = 200
NEARLY = 0.9  # of a period: what runs twice in a run has run its second time when the run ends
# What runs beside every measurement of ours; without laws and seals, balances are kept up as well.
BALANCES = ("ledger.tasks.roll_balances", "ledger.tasks.settle_balances")
UPKEEP = (*BALANCES, "ledger.tasks.seal_books")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its database, as its superuser reaches it, and its programs."""

    url: str
    bin_dir: Path
    folder: Path

    def execute(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Run one statement in a connection of its own and return its rows, if it has any."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute(sql, parameters)
            return found.fetchall() if found.description else []

    def settle(self) -> None:
        """Gather statistics and write everything out, so that no run pays for what was filled before it."""
        self.execute("VACUUM ANALYZE")
        self.execute("CHECKPOINT")


@contextmanager
def server() -> Iterator[Server]:
    """Start a server of our own for the block, with Django set up on it and the books' tables made."""
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(
            prefix="everycent-bench-", dir=servers.OUTSIDE, ignore_cleanup_errors=True
        )
        folder = Path(stack.enter_context(temporary))
        folder.chmod(0o711)  # as root, the server runs as nobody and must reach its data
        child = servers.postgres(
            folder / "postgres", servers.free_port(), folder / "postgres.log", None, **SETTINGS
        )
        servers.start(child)
        stack.callback(child.stop)
        _set_up_django(child.url, folder)
        yield Server(database_roles.as_superuser(child.url), Path(child.command[0]).parent, folder)


def _set_up_django(url: str, folder: Path) -> None:
    os.environ.update(
        database_roles.addresses(url), DATA_DIR=str(folder / "data"),
        DJANGO_SETTINGS_MODULE="config.settings.dev", LOG_LEVEL="ERROR",
    )  # fmt: skip
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def flush_microseconds(folder: Path) -> float:
    """Return how long one durable write of 8 kB takes on the disk of the data, the median of some."""
    block, taken = b"x" * 8192, []
    with (folder / "flush").open("wb") as file:
        for _ in range(FLUSHES):
            began = clock.monotonic()
            os.pwrite(file.fileno(), block, 0)
            os.fdatasync(file.fileno())
            taken.append((clock.monotonic() - began) * 1_000_000)
    return sorted(taken)[FLUSHES // 2]


@contextmanager
def upkeep(schema: str = "public", *, seal: bool = True, seconds: float = 60.0) -> Iterator[None]:
    """Let roller, sealer and the like run beside the block, as often as the timetable says.

    A run of some `seconds` may be shorter than their periods; then they come round twice in it, the last
    time near its end, so that every run has its share of the work that follows what was written. They have
    come round once when the block begins: a worker planned its statements long ago, and what was written
    before the block is none of its work.
    """
    context = multiprocessing.get_context("fork")
    stop, ready = context.Event(), context.Event()
    _close_connections()
    memory.settle()
    process = context.Process(target=_keep_up, args=(schema, seal, seconds, stop, ready), daemon=True)
    process.start()
    ready.wait(60)
    try:
        yield
    finally:
        stop.set()
        process.join(60)


def _keep_up(schema: str, seal: bool, seconds: float, stop: Any, ready: Any) -> None:
    from django.db import connection
    from django.utils.module_loading import import_string

    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('search_path', %s, false)", [f"{schema},public"])
        cursor.execute("SET statement_timeout = 0")
    work = [
        (min(float(row.when.run_every.total_seconds()), seconds / 2), import_string(row.task))
        for row in TIMETABLE
        if row.task in (UPKEEP if seal else BALANCES)
    ]
    for _, task in work:
        task()
    ready.set()
    due = [clock.monotonic() + period * NEARLY for period, _ in work]
    while not stop.wait(max(0.0, min(due) - clock.monotonic())):
        for index, (period, task) in enumerate(work):
            if due[index] <= clock.monotonic():
                task()
                due[index] += period * NEARLY
    _close_connections()


def seal_all() -> None:
    """Seal whatever stands unsealed, as the timetable's task does, until nothing more is sealed."""
    from ledger import tasks
    from ledger.models import SealBlock

    blocks = -1
    while blocks != (blocks := SealBlock.objects.count()):
        tasks.seal_books()


def _close_connections() -> None:
    from django.db import connections

    connections.close_all()
