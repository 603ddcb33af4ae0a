"""How long reading a balance takes, on an account of a hundred postings and on one of a million.

Reads of both take turns in one process, so that whatever disturbs one disturbs the other. Under load, four
clients post to the large deferred account meanwhile.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from django.db import connection

from config.bench.ledger import pgbench
from config.bench.ledger.figures import Run, Section, Target, run_of
from config.bench.ledger.filling import Books
from config.bench.ledger.noise import noise
from config.bench.ledger.serving import Server, upkeep
from ledger import balances, chart, clock, locks, past_balances
from ledger.chart import AccountRef, Code, account
from ledger.models import Account
from ledger.past_balances import Basis, balance_at

SMALL = 100
BATCH = 2_000
TIMES_SMALL = 2.0
LOAD_CLIENTS = 4
HISTORY = timedelta(days=30)  # over which what was posted took effect
FEW, LARGE = ", small", ", large"
_FILL = """
    WITH entry AS (SELECT array_agg(n) AS numbers FROM generate_series(1, %(count)s) n)
    SELECT ledger_post(
        array_agg(uuidv7()), array_agg(%(merchant)s::uuid), array_agg('transfer'::text),
        array_agg('bench'::text), array_agg(uuidv7()), array_agg('transfer'::text),
        array_agg(%(at)s::timestamptz), array_agg(NULL::uuid),
        (SELECT array_agg(n) FROM unnest(numbers) n, generate_series(1, 2)),
        (SELECT array_agg(line) FROM unnest(numbers), generate_series(1, 2) line),
        (SELECT array_agg(id) FROM unnest(numbers), unnest(ARRAY[%(debited)s, %(credited)s]) id),
        (SELECT array_agg(minor) FROM unnest(numbers), unnest(ARRAY[1, -1]::bigint[]) minor),
        (SELECT array_agg('transfer'::text) FROM unnest(numbers), generate_series(1, 2)))
    FROM entry, unnest(numbers) GROUP BY numbers"""


@dataclass(frozen=True, slots=True)
class Read:
    """An account to be read, and moments in the middle of its history, by either clock."""

    ref: AccountRef
    row: Account
    recorded: datetime
    effective: datetime


@dataclass(frozen=True, slots=True)
class Pair:
    """A small and a large account of one kind."""

    small: Read
    large: Read


def fill(books: Books, size: int) -> dict[str, Pair]:
    """Post `SMALL` entries between two accounts and `size` between two others, one strict, one deferred."""
    kinds = {"strict": Code.VENDOR_AVAILABLE, "deferred": Code.PROVIDER_CLEARING}
    refs = {
        (name, owner): account(code, books.merchant, "USD", owner)
        for name, code in kinds.items()
        for owner in ("small", "large")
    }
    with locks.phase():
        ids = chart.ids_of(refs.values())
    moments, began = {}, clock.now()
    with upkeep(), connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        for owner, count, batch in (("small", SMALL, SMALL // 2), ("large", size, BATCH)):
            debited, credited = (ids[refs[name, owner]] for name in ("deferred", "strict"))
            values: dict[str, Any] = {
                "merchant": books.merchant,
                "count": batch,
                "debited": debited,
                "credited": credited,
            }
            for number in range(count // batch):
                cursor.execute(_FILL, values | {"at": began - HISTORY * (1 - number * batch / count)})
                if number == count // batch // 2:
                    moments[owner] = clock.now()
    for _ in range(2):  # a mark is settled by the run after the one that set it, five seconds later
        past_balances.settle()
    return {
        name: Pair(
            *(
                Read(ref, Account.objects.get(pk=ids[ref]), moments[owner], began - HISTORY / 2)
                for owner in ("small", "large")
                for ref in [refs[name, owner]]
            )
        )
        for name in kinds
    }


def measure(server: Server, books: Books, *, size: int, seconds: float, rounds: int) -> Section:
    """Fill the accounts, then read them: at rest, and under load."""
    pairs = fill(books, size)
    deferred = pairs["deferred"]
    server.settle()
    section = Section(f"Reading a balance, {SMALL} and {size:,} postings, one reader")
    for _ in range(rounds):
        with upkeep():
            for name, pair in pairs.items():
                for what, read in READS.items():
                    _read(section, f"{name}, {what}", pair, read, seconds)
        with upkeep(), _load(server, replace(books, hot=deferred.large.row.pk), seconds * len(READS)):
            for what, read in READS.items():
                _read(section, f"deferred, {what}, loaded", deferred, read, seconds)
    for name in [name.removesuffix(LARGE) for name in section.runs if name.endswith(LARGE)]:
        pairs_of_runs = zip(section.runs[f"{name}{LARGE}"], section.runs[f"{name}{FEW}"], strict=True)
        times = median(large.p99_ms / small.p99_ms for large, small in pairs_of_runs)
        section.targets.append(Target(f"p99 large / small, {name}", times, TIMES_SMALL, at_most=True))
    return section


# What is read of an account.
READS: dict[str, Callable[["Read"], object]] = {
    "now": lambda read: balances.balance(read.ref),
    "as of": lambda read: balance_at(read.row, read.recorded),
    "in effect": lambda read: balance_at(read.row, read.effective, Basis.EFFECTIVE),
}


def _read(section: Section, name: str, pair: Pair, read: Callable[[Read], object], seconds: float) -> None:
    with noise() as around:
        small, large = _read_in_turn(pair, read, seconds)
    for suffix, run in ((FEW, small), (LARGE, large)):
        section.runs.setdefault(f"{name}{suffix}", []).append(replace(run, foreign=around.foreign))


def _read_in_turn(pair: Pair, read: Callable[[Read], object], seconds: float) -> tuple[Run, Run]:
    taken: tuple[list[float], list[float]] = [], []
    for _ in range(20):
        read(pair.small), read(pair.large)
    end = clock.monotonic() + seconds
    while clock.monotonic() < end:
        for what, kept in zip((pair.small, pair.large), taken, strict=True):
            began = clock.monotonic()
            read(what)
            kept.append((clock.monotonic() - began) * 1000)
    small, large = (run_of(kept, sum(kept) / 1000) for kept in taken)
    return small, large


@contextmanager
def _load(server: Server, books: Books, seconds: float) -> Iterator[None]:
    """Let clients post to the hot account of these books for the block, and a little longer."""
    script = pgbench.hot_script(books)

    def post() -> None:
        pgbench.run(server, script, clients=LOAD_CLIENTS, seconds=seconds + 1)

    thread = threading.Thread(target=post)
    thread.start()
    try:
        yield
    finally:
        thread.join()
