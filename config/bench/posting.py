"""How fast the journal posts, beside a minimal SQL function that does the same durable work without laws.

The raw side writes the same rows into tables of the same columns and indexes, updates the same two balances
and commits as durably; it has no triggers, no hash, no check. Both sides work on strict accounts spread at
random.
"""

import multiprocessing
import random
import uuid
from statistics import median
from typing import Any

from django.db import connection, connections

from config.bench.load import Figures
from ledger import chart, clock, journal, locks
from ledger.chart import Code, account
from ledger.ids import uuid7
from ledger.journal import EntryDraft, credit, debit
from ledger.money import Money

ACCOUNTS = 2_000
FILL = 20_000
RAW = """
DROP SCHEMA IF EXISTS bench_raw CASCADE;
CREATE SCHEMA bench_raw;
CREATE TABLE bench_raw.account (LIKE ledger_account INCLUDING ALL) WITH (fillfactor = 50);
CREATE TABLE bench_raw.entry (LIKE ledger_entry INCLUDING ALL);
CREATE TABLE bench_raw.posting (LIKE ledger_posting INCLUDING ALL);
INSERT INTO bench_raw.account SELECT * FROM ledger_account WHERE merchant_id = %(merchant)s;
CREATE FUNCTION bench_raw.post(
    entry uuid, merchant uuid, source uuid, debit bigint, credit bigint, amount bigint
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO bench_raw.entry
        (id, merchant_id, kind, source_type, source_id, step, occurred_at, content_hash)
    VALUES (entry, merchant, 'transfer', 'bench', source, 'transfer', now(), '');
    UPDATE bench_raw.account
    SET balance = balance + CASE WHEN id = debit THEN amount ELSE -amount END, version = version + 1
    WHERE id IN (debit, credit);
    INSERT INTO bench_raw.posting
        (entry_id, line, merchant_id, account_id, currency, amount, balance_after, purpose)
    SELECT entry, 1, merchant, debit, 'USD', amount, balance, 'transfer'
    FROM bench_raw.account WHERE id = debit
    UNION ALL
    SELECT entry, 2, merchant, credit, 'USD', -amount, balance, 'transfer'
    FROM bench_raw.account WHERE id = credit;
$$;
"""
FILL_RAW = """
INSERT INTO bench_raw.entry SELECT * FROM ledger_entry;
INSERT INTO bench_raw.posting SELECT * FROM ledger_posting;
ANALYZE bench_raw.entry; ANALYZE bench_raw.posting; ANALYZE bench_raw.account;
ANALYZE ledger_entry; ANALYZE ledger_posting; ANALYZE ledger_account;
"""


def prepare() -> uuid.UUID:
    """Open and fund the accounts, fill both sides' tables, gather statistics; return the merchant."""
    merchant = uuid.uuid4()
    numbers = range(ACCOUNTS)
    for start in range(0, ACCOUNTS, 500):
        with locks.phase():
            journal.post([_funding(merchant, number) for number in numbers[start : start + 500]])
    dice = random.Random(1)
    for start in range(0, FILL, 1000):
        with locks.phase():
            journal.post([_transfer(merchant, dice) for _ in range(start, start + 1000)])
    with connection.cursor() as cursor:
        cursor.execute(RAW, {"merchant": merchant})
        cursor.execute(FILL_RAW)
    return merchant


def compare(merchant: uuid.UUID, clients: int, seconds: float, rounds: int) -> dict[str, Figures]:
    """Measure raw and journal in turn, `rounds` times; return each side's median round."""
    found: dict[str, list[Figures]] = {"raw SQL": [], "ledger.journal": []}
    for _ in range(rounds):
        for name, runs in found.items():
            runs.append(_in_processes(name, merchant, clients, seconds))
    return {
        name: min(runs, key=lambda figures: abs(figures.rate - median(run.rate for run in runs)))
        for name, runs in found.items()
    }


def clear() -> None:
    """Take the raw side's tables away again; the journal's rows stay, as rows do."""
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS bench_raw CASCADE")


def _in_processes(name: str, merchant: uuid.UUID, clients: int, seconds: float) -> Figures:
    connections.close_all()
    with multiprocessing.get_context("fork").Pool(clients) as pool:
        parts = pool.starmap(_run, [(name, merchant, number, seconds) for number in range(clients)])
    every = tuple(value for part in parts for value in part)
    return Figures(len(every), seconds, every)


def _run(name: str, merchant: uuid.UUID, number: int, seconds: float) -> list[float]:
    dice, kept = random.Random(number), []
    work = _raw_work(merchant, dice) if name == "raw SQL" else _journal_work(merchant, dice)
    for _ in range(50):
        work()
    end = clock.monotonic() + seconds
    while (began := clock.monotonic()) < end:
        work()
        kept.append((clock.monotonic() - began) * 1000)
    connections.close_all()
    return kept


def _raw_work(merchant: uuid.UUID, dice: random.Random) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM bench_raw.account WHERE code = 'vendor_available'")
        ids = [row[0] for row in cursor.fetchall()]

    def work() -> None:
        # In id order, as the journal does, or the two sides would not wait for each other alike.
        pair = sorted(dice.sample(ids, 2))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT bench_raw.post(%s, %s, %s, %s, %s, 1)", [uuid7(), merchant, uuid.uuid4(), *pair]
            )

    return work


def _journal_work(merchant: uuid.UUID, dice: random.Random) -> Any:
    chart.ids_of(_vendor(merchant, number) for number in range(ACCOUNTS))

    def work() -> None:
        with locks.phase():
            journal.post([_transfer(merchant, dice)])

    return work


def _vendor(merchant: uuid.UUID, number: int) -> chart.AccountRef:
    return account(Code.VENDOR_AVAILABLE, merchant, "USD", f"vendor-{number}")


def _funding(merchant: uuid.UUID, number: int) -> EntryDraft:
    million = Money(10**9, "USD")
    return EntryDraft(
        merchant_id=merchant, kind="funding", source_type="bench", source_id=uuid.uuid4(), step="funding",
        occurred_at=clock.now(),
        legs=[
            debit(account(Code.BANK, merchant, "USD", "bench"), million, "funding"),
            credit(_vendor(merchant, number), million, "transfer"),
        ],
    )  # fmt: skip


def _transfer(merchant: uuid.UUID, dice: random.Random) -> EntryDraft:
    source, target = dice.sample(range(ACCOUNTS), 2)
    return EntryDraft(
        merchant_id=merchant, kind="transfer", source_type="bench", source_id=uuid.uuid4(), step="transfer",
        occurred_at=clock.now(),
        legs=[
            debit(_vendor(merchant, source), Money(1, "USD"), "transfer"),
            credit(_vendor(merchant, target), Money(1, "USD"), "transfer"),
        ],
    )  # fmt: skip
