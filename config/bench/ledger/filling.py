"""What lies in the tables before anything is timed: funded accounts, entries, and fresh statistics.

Tables that are created empty and used at once give false figures, because plans made for no rows are kept.
"""

import random
import uuid
from dataclasses import dataclass

from config.bench.ledger.serving import Server
from ledger import chart, clock, journal, locks
from ledger.chart import AccountRef, Code, account
from ledger.ids import uuid7
from ledger.journal import EntryDraft, Leg, credit, debit
from ledger.money import Money

BATCH = 1_000
FUNDS = 10**9


@dataclass(frozen=True, slots=True)
class Books:
    """A merchant with accounts `first` to `first + count - 1`, all strict and funded, and a hot one."""

    merchant: uuid.UUID
    first: int
    count: int
    hot: int


def prepare(server: Server, accounts: int, entries: int) -> Books:
    """Open and fund the accounts, post entries between them at random, gather statistics."""
    merchant = uuid.uuid4()
    refs = [spread(merchant, number) for number in range(accounts)]
    hot = hot_account(merchant)
    with locks.phase():
        ids = chart.ids_of([*refs, hot])
    spread_ids = sorted(ids[ref] for ref in refs)
    if spread_ids[-1] - spread_ids[0] != accounts - 1:
        raise RuntimeError("the accounts' ids have gaps: the scripts draw them at random from a range")
    bank = account(Code.BANK, merchant, "USD", "bench")
    _post([_move(merchant, bank, ref, FUNDS) for ref in refs])
    dice = random.Random(1)
    _post([transfer(merchant, dice, accounts) for _ in range(entries)])
    server.execute("SELECT ledger_roll()")
    server.settle()
    return Books(merchant, spread_ids[0], accounts, ids[hot])


def spread(merchant: uuid.UUID, number: int) -> AccountRef:
    """Return one of the many strict accounts."""
    return account(Code.VENDOR_AVAILABLE, merchant, "USD", f"vendor-{number:06d}")


def hot_account(merchant: uuid.UUID) -> AccountRef:
    """Return the deferred account that every entry hits."""
    return account(Code.COMMISSION, merchant, "USD")


def transfer(merchant: uuid.UUID, dice: random.Random, accounts: int) -> EntryDraft:
    """Return an entry of one cent between two of the many accounts, drawn at random."""
    return _entry(merchant, transfer_legs(merchant, dice, accounts))


def transfer_legs(merchant: uuid.UUID, dice: random.Random, accounts: int) -> list[Leg]:
    """Return the legs of such an entry."""
    source, target = dice.sample(range(accounts), 2)
    return _legs(spread(merchant, source), spread(merchant, target), 1)


def _move(merchant: uuid.UUID, source: AccountRef, target: AccountRef, minor: int) -> EntryDraft:
    return _entry(merchant, _legs(source, target, minor))


def _legs(source: AccountRef, target: AccountRef, minor: int) -> list[Leg]:
    money = Money(minor, "USD")
    return [debit(source, money, "transfer"), credit(target, money, "transfer")]


def _entry(merchant: uuid.UUID, legs: list[Leg]) -> EntryDraft:
    return EntryDraft(
        merchant_id=merchant, kind="transfer", source_type="bench", source_id=uuid7(), step="transfer",
        occurred_at=clock.now(), legs=legs,
    )  # fmt: skip


def _post(drafts: list[EntryDraft]) -> None:
    for start in range(0, len(drafts), BATCH):
        with locks.phase():
            journal.post(drafts[start : start + BATCH])
