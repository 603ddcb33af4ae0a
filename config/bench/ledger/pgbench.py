"""Runs at the level of SQL: PostgreSQL's own pgbench, prepared statements; no client's code counts."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from config import database_roles
from config.bench.ledger.figures import Run, run_of
from config.bench.ledger.filling import Books
from config.bench.ledger.noise import noise
from config.bench.ledger.serving import Server

OURS = """
SELECT ledger_post_one(
    uuidv7(), '{merchant}', 'transfer', 'bench', uuidv7(), 'transfer', now(), NULL,
    ARRAY[:line, :other_line]::int[], ARRAY[:low, :high]::bigint[], ARRAY[:amount, :other_amount]::bigint[],
    ARRAY['transfer', 'transfer']);
"""
RAW = """
SELECT bench_raw.post(uuidv7(), '{merchant}', uuidv7(), :debited::bigint, :credited::bigint, 1);
"""
SPREAD = """\
\\set debited {first} + random(0, {count} - 1)
\\set credited {first} + (:debited - {first} + 1 + random(0, {count} - 2)) % {count}
"""
HOT = """\
\\set debited {first} + random(0, {count} - 1)
\\set credited {hot}
"""
# Legs come in the order of accounts, as the journal sends them.
IN_ORDER = """\
\\set low least(:debited, :credited)
\\set high greatest(:debited, :credited)
\\set amount case when :debited < :credited then 1 else -1 end
\\set other_amount -:amount
\\set line case when :debited < :credited then 1 else 2 end
\\set other_line 3 - :line
"""


def spread_script(books: Books) -> str:
    """Return the script that posts between two of the many accounts."""
    return (SPREAD + IN_ORDER + OURS).format(**_values(books))


def hot_script(books: Books) -> str:
    """Return the script that posts between one of the many accounts and the hot one."""
    return (HOT + IN_ORDER + OURS).format(**_values(books))


def raw_script(books: Books, *, hot: bool = False) -> str:
    """Return the script that does the same by the raw function."""
    return ((HOT if hot else SPREAD) + RAW).format(**_values(books))


def _values(books: Books) -> dict[str, object]:
    return {"merchant": books.merchant, "first": books.first, "count": books.count, "hot": books.hot}


class PgbenchFailed(RuntimeError):
    """A script ended early or had failed transactions: its figures would mean nothing."""


def run(
    server: Server, script: str, *, clients: int, seconds: float, schema: str = "public", slow: str = ""
) -> Run:
    """Run a script with this many connections of the application for whole seconds, in a schema.

    `slow` are options of the sessions, as libpq's PGOPTIONS has them.

    :raises PgbenchFailed: a transaction failed.
    """
    folder = server.folder / "pgbench"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    file = folder / "script.sql"
    file.write_text(script, encoding="utf-8")
    whole = max(1, round(seconds))
    with noise() as around:
        ended = subprocess.run(
            [server.bin_dir / "pgbench", "-n", "-M", "prepared", "-c", str(clients),
             "-j", str(min(2, clients)), "-T", str(whole), "-l", "--log-prefix", folder / "log", "-f", file],
            env=_environment(server, f"-c search_path={schema},public {slow}"), cwd=folder,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if ended.returncode or "failed transactions: 0 (0.000%)" not in ended.stdout:
        raise PgbenchFailed(f"{ended.stdout[-300:]} {ended.stderr[-600:]}")
    found = run_of(_latencies(folder), whole)
    return around.note(replace(found, rate=_rate(ended.stdout)), whole)


def _environment(server: Server, options: str) -> dict[str, str]:
    at = urlsplit(server.url)
    return {
        **os.environ, "PGHOST": at.hostname or "", "PGPORT": str(at.port),
        "PGUSER": database_roles.APPLICATION,
        "PGDATABASE": at.path.strip("/"), "PGOPTIONS": options,
    }  # fmt: skip


def _rate(output: str) -> float:
    line = next(line for line in output.splitlines() if line.startswith("tps = "))
    return float(line.split()[2])


def _latencies(folder: Path) -> list[float]:
    """Read pgbench's log; its third column is a transaction's time in microseconds."""
    found = []
    for log in folder.glob("log.*"):
        with log.open(encoding="ascii") as lines:
            found += [int(line.split(" ", 3)[2]) / 1000 for line in lines]
    return found
