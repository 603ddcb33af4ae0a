"""django-hordak (PyPI, MIT) as the reference of the same kind: `Account.transfer_to` on the same server.

It runs in processes of its own, with its own settings and its own database, started as
`python -m config.bench.ledger.hordak ADDRESS ...`; nothing of it is imported beside our code.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from config.bench.ledger.figures import Run, run_of
from config.bench.ledger.noise import noise
from config.bench.ledger.serving import Server

DATABASE = "hordak"
FILL = 5_000
LINES = 500


@dataclass(frozen=True, slots=True)
class Peer:
    """Hordak's database, filled and ready to be measured."""

    url: str

    def run(self, clients: int, seconds: float, *, loads: bool = False) -> Run:
        """Let this many processes transfer between random accounts, held in memory or loaded each time."""
        arguments = ["--clients", str(clients), "--seconds", str(seconds), *(["--loads"] if loads else [])]
        with noise() as around:
            answer = _call(self.url, *arguments)
        return around.note(run_of(json.loads(answer), seconds), seconds)


def prepare(server: Server, accounts: int) -> Peer | None:
    """Make and fill its database; None when the package is not installed."""
    if importlib.util.find_spec("hordak") is None:
        return None
    server.execute(f"CREATE DATABASE {DATABASE}")
    url = f"{server.url.rpartition('/')[0]}/{DATABASE}"
    _call(url, "--fill", str(accounts))
    return Peer(url)


def _call(url: str, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-m", "config.bench.ledger.hordak", url, *arguments]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def _set_up(url: str) -> None:
    import django
    import environ
    from django.conf import settings

    settings.configure(
        SECRET_KEY=os.urandom(16).hex(), USE_TZ=True, DEFAULT_CURRENCY="USD", CURRENCIES=["USD"],
        HORDAK_INTERNAL_CURRENCY="USD", HORDAK_CURRENCIES=["USD"],
        DATABASES={"default": {**environ.Env.db_url_config(url), "CONN_MAX_AGE": 600}},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "mptt", "hordak"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", SILENCED_SYSTEM_CHECKS=["models.W042"],
    )  # fmt: skip
    django.setup()


def _fill(accounts: int) -> None:
    """Make the accounts (their names' tree is flat), some transfers, and statistics."""
    from django.core.management import call_command
    from django.db import connection
    from hordak.models import Account

    call_command("migrate", verbosity=0)
    with Account.objects.disable_mptt_updates():
        Account.objects.bulk_create(
            (
                Account(
                    name=f"account-{number}", code=str(number), type="LI", currencies=["USD"],
                    lft=1, rght=2, tree_id=number + 1, level=0,
                )
                for number in range(accounts)
            ),
            batch_size=LINES,
        )  # fmt: skip
    work = _work(0)
    for _ in range(FILL):
        work()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _work(number: int, *, loads: bool = False) -> Callable[[], None]:
    from hordak.models import Account
    from moneyed import Money

    dice, accounts = random.Random(number), list(Account.objects.all())
    one = Money(1, "USD")

    def work() -> None:
        source, target = dice.sample(accounts, 2)
        if loads:
            source, target = Account.objects.get(pk=source.pk), Account.objects.get(pk=target.pk)
        source.transfer_to(target, one)

    return work


def _run(number: int, seconds: float, start: float, loads: bool) -> list[float]:
    work, kept = _work(number, loads=loads), []
    for _ in range(20):
        work()
    while time.monotonic() < start:
        work()
    end = time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        work()
        kept.append((time.monotonic() - began) * 1000)
    return kept


def main() -> None:
    """Fill the database, or transfer for a while and write the latencies in milliseconds as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--fill", type=int, default=0)
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--loads", action="store_true", help="load both accounts for each transfer")
    options = parser.parse_args()
    _set_up(options.url)
    if options.fill:
        _fill(options.fill)
        return
    from django.db import connections

    connections.close_all()
    with multiprocessing.get_context("fork").Pool(options.clients) as pool:
        start = time.monotonic() + 1.0
        jobs = [(number, options.seconds, start, options.loads) for number in range(options.clients)]
        parts = pool.starmap(_run, jobs, chunksize=1)
    json.dump([value for part in parts for value in part], sys.stdout)


if __name__ == "__main__":
    main()
