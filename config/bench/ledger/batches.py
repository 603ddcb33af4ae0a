"""Batches of 1,000 entries: `journal.post` and `post_many`, beside the raw batch and our own SQL.

Each call makes what it sends, drafts or arrays, within its time. Two clients, for two cores: while one call
is in the database, the other is made.
"""

import random
from typing import Any
from uuid import UUID

from django.db import connection

from config.bench.ledger import filling, raw, workers
from config.bench.ledger.figures import Run, Section, Target, interleave, middle, ratio
from config.bench.ledger.filling import Books
from config.bench.ledger.serving import upkeep
from ledger import clock, journal, locks
from ledger.bulk import post_many
from ledger.ids import uuid7

ENTRIES = 1_000
CLIENTS = 2
SHARE_OF_RAW = 0.50
ENTRIES_A_SECOND = 12_000
COST_OF_LAWS = 0.25
GROWTH_MB = 8.0
RAW = "raw batch"
SQL = "ours in SQL"
LAWLESS = "ours in SQL without laws"
POST = "journal.post"
MANY = "post_many"

_RAW = "SELECT bench_raw.post_batch(%s::uuid[], %s, %s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[])"
_OURS = """
    SELECT ledger_post(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::uuid[], %s::text[],
                       %s::timestamptz[], %s::uuid[],
                       %s::int[], %s::int[], %s::bigint[], %s::bigint[], %s::text[])"""


def measure(books: Books, *, seconds: float, rounds: int) -> Section:
    """Measure all in turn; memory is that of the largest client."""

    def run(make: Any, *arguments: Any, schema: str = "public", seal: bool = True) -> Run:
        with upkeep(schema, seal=seal, seconds=seconds):
            return workers.run(
                make, *arguments, clients=CLIENTS, seconds=seconds, each=ENTRIES, schema=schema
            )

    section = Section(
        f"Batches of {ENTRIES:,} entries, {CLIENTS} clients",
        interleave(
            {
                RAW: lambda: workers.run(raw_work, books, clients=CLIENTS, seconds=seconds, each=ENTRIES),
                SQL: lambda: run(sql_work, books),
                LAWLESS: lambda: run(sql_work, books, schema=raw.LAWLESS, seal=False),
                POST: lambda: run(post_work, books),
                MANY: lambda: run(many_work, books),
            },
            rounds,
        ),
    )
    runs = section.runs
    by_lawless = ratio(runs[SQL], runs[LAWLESS])
    grew = max(run.extra["grew MB"] for name in (POST, MANY) for run in runs[name])
    section.targets = [
        Target("SQL batch beside raw batch", ratio(runs[SQL], runs[RAW]), SHARE_OF_RAW),
        Target("journal.post batch beside raw batch", ratio(runs[POST], runs[RAW]), SHARE_OF_RAW),
        Target("post_many beside raw batch", ratio(runs[MANY], runs[RAW]), SHARE_OF_RAW),
        Target("journal.post, entries a second", middle(runs[POST]).rate, ENTRIES_A_SECOND, "/s"),
        Target("post_many, entries a second", middle(runs[MANY]).rate, ENTRIES_A_SECOND, "/s"),
        Target("cost of laws and sealing, batch", 1 - by_lawless, COST_OF_LAWS, at_most=True),
        Target("memory grown in a run", grew, GROWTH_MB, "MB", at_most=True),
    ]  # fmt: skip
    return section


def raw_work(number: int, books: Books) -> workers.Work:
    """Return the raw side's work: arrays for one function that inserts and updates set by set."""
    dice = random.Random(number)

    def work() -> None:
        entries, sources, pairs = _facts(dice, books)
        debited, credited = ([pair[side] for pair in pairs] for side in (0, 1))
        with connection.cursor() as cursor:
            cursor.execute(_RAW, [entries, books.merchant, sources, debited, credited, [1] * ENTRIES])

    return work


def sql_work(number: int, books: Books) -> workers.Work:
    """Return the same by our own SQL function."""
    dice, one = random.Random(number), [1] * ENTRIES
    numbers = [entry for entry in range(1, ENTRIES + 1) for _ in (1, 2)]

    def work() -> None:
        entries, sources, pairs = _facts(dice, books)
        at = clock.now()
        with connection.cursor() as cursor:
            cursor.execute(
                _OURS,
                [
                    entries, [books.merchant] * ENTRIES, ["transfer"] * ENTRIES, ["bench"] * ENTRIES, sources,
                    ["transfer"] * ENTRIES, [at] * ENTRIES, [None] * ENTRIES, numbers, [1, 2] * ENTRIES,
                    [account for pair in pairs for account in pair],
                    [amount for _ in one for amount in (1, -1)], ["transfer"] * (2 * ENTRIES),
                ],
            )  # fmt: skip

    return work


def post_work(number: int, books: Books) -> workers.Work:
    """Return the work of a client of `journal.post`."""
    dice = random.Random(number)

    def work() -> None:
        drafts = _drafts(dice, books)
        with locks.phase():
            journal.post(drafts)

    return work


def many_work(number: int, books: Books) -> workers.Work:
    """Return the work of a client of `post_many`, which answers for each entry."""
    dice = random.Random(number)

    def work() -> None:
        drafts = _drafts(dice, books)
        with locks.phase():
            post_many(drafts)

    return work


def _drafts(dice: random.Random, books: Books) -> list[journal.EntryDraft]:
    return [filling.transfer(books.merchant, dice, books.count) for _ in range(ENTRIES)]


def _facts(dice: random.Random, books: Books) -> tuple[list[UUID], list[UUID], list[list[int]]]:
    numbers = range(books.first, books.first + books.count)
    entries, sources = ([uuid7() for _ in range(ENTRIES)] for _ in (1, 2))
    return entries, sources, [dice.sample(numbers, 2) for _ in range(ENTRIES)]
