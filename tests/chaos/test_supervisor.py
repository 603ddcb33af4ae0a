"""`make run` as a process: what dies is started again, a stop leaves nothing, a lost supervisor neither."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from config import house, processes, servers
from config.supervisor import MARK
from tests.kit.polling import eventually
from tests.kit.source import ROOT

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400), pytest.mark.xdist_group("house")]
START_SECONDS = 120
CHILDREN = 8  # two servers, network, web, three workers, timetable


class Running:
    """One supervisor on throw-away data, with its words."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.words = folder.parent / f"{folder.name}.out"
        unwanted = ("DATABASE_URL", "REDIS_URL", "ONCE", "ORDERS", "SEED", "DJANGO_SETTINGS_MODULE")
        environment = {name: value for name, value in os.environ.items() if name not in unwanted}
        # What may be set on somebody's machine and must not matter:
        environment |= {"PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error", "http_proxy": "http://127.0.0.1:9"}
        environment |= {"PGOPTIONS": "-c nonsense=1", "DATA_DIR": str(folder), "DAYS": "0"}
        with self.words.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-E", "-m", "config.supervisor"],
                cwd=ROOT, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self.words.read_text(errors="replace")

    def await_ready(self, times: int = 1) -> None:
        """Wait until it says that it runs."""
        eventually(
            lambda: self.said.count("Ctrl-C stops everything") >= times or self.process.poll() is not None,
            seconds=START_SECONDS,
            what=lambda: f"the house to run; it said: {self.said}",
        )
        assert self.process.poll() is None, self.said

    def marked(self) -> list[int]:
        """Return the processes that bear this house's mark."""
        return processes.marked(MARK, str(self.folder))

    def children(self) -> set[int]:
        """Return the supervisor's own children."""
        return _children(self.process.pid)

    def web(self) -> int | None:
        """Return the web server's first process."""
        named = (child for child in self.children() if b"granian" in _command(child))
        return next(named, None)

    def is_ready(self) -> bool:
        return house.answers(house.read_ports(self.folder)["web"], "/readyz", '"status": "ready"')


def _children(parent: int | None) -> set[int]:
    try:
        return {int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()}
    except FileNotFoundError:  # it ended
        return set()


def _command(process_id: int) -> bytes:
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@pytest.fixture
def folder():
    """Return a data folder that PostgreSQL's user reaches, with ports of its own."""
    place = Path(tempfile.mkdtemp(prefix="everycent-house-", dir=servers.open_folder()))
    place.chmod(0o711)
    data = place / "data"
    data.mkdir()
    ports = {name: servers.free_port() for name in house.PREFERRED_PORTS}
    house.write_ports(data, ports)
    yield data
    processes.sweep(MARK, str(data))
    shutil.rmtree(place)


def test_the_house_stands_up_again_and_leaves_nothing(folder):
    first = Running(folder)
    first.await_ready()
    assert first.is_ready()
    assert len(first.children()) == CHILDREN
    key = house.credentials(folder)["api_key"]

    second = Running(folder)
    assert second.process.wait(30) == 1
    assert "runs already" in second.said

    before = first.children()
    for child in before:
        os.kill(child, signal.SIGKILL)
    eventually(lambda: not before & first.children(), seconds=30, what="the dead to be noticed")
    eventually(
        lambda: len(first.children()) == CHILDREN and first.is_ready(), seconds=90, what=lambda: first.said
    )
    assert first.said.count("(signal 9); starting it again") >= CHILDREN

    # Lost while a web server starts: its workers do not listen to signals yet.
    web = first.web()
    os.kill(web, signal.SIGKILL)
    eventually(lambda: first.web() not in (None, web) and _children(first.web()), seconds=60, what="the web")
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    # A worker lets its task come to an end, and nothing that the task asks answers any more.
    eventually(lambda: not first.marked(), seconds=150, what=lambda: f"{first.marked()} to end")

    again = Running(folder)
    again.await_ready(times=2)
    assert house.credentials(folder)["api_key"] == key  # it found its data

    again.process.send_signal(signal.SIGTERM)
    assert again.process.wait(60) == 0, again.said
    assert again.marked() == []
    assert again.said.rstrip().endswith("stopped")


def test_a_start_that_cannot_work_ends_with_one_line(folder):
    (folder / "postgres").mkdir()
    (folder / "postgres" / "PG_VERSION").write_text("9.6\n")
    failed = Running(folder)
    assert failed.process.wait(60) == 1
    assert "run failed: postgres did not start" in failed.said.splitlines()[-1]
    assert failed.marked() == []
