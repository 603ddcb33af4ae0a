"""Many postings on the same accounts at once: no deadlock, no lost cent, and a hot account that nobody
waits for."""

import random
import uuid

import pytest

from ledger import balances, clock, journal, locks
from ledger.chart import Code, account
from ledger.journal import EntryDraft, credit, debit
from ledger.models import Account, Posting
from ledger.money import Money
from tests.kit import books
from tests.kit.race import errors, results, together

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]


def transfer(merchant: uuid.UUID, source: str, target: str, minor: int) -> EntryDraft:
    return EntryDraft(
        merchant_id=merchant, kind="transfer", source_type="test", source_id=uuid.uuid4(), step="transfer",
        occurred_at=clock.now(),
        legs=[
            debit(account(Code.VENDOR_AVAILABLE, merchant, "USD", source), Money(minor, "USD"), "transfer"),
            credit(account(Code.VENDOR_AVAILABLE, merchant, "USD", target), Money(minor, "USD"), "transfer"),
        ],
    )  # fmt: skip


def fund(merchant: uuid.UUID, vendor: str, minor: int) -> EntryDraft:
    return EntryDraft(
        merchant_id=merchant, kind="funding", source_type="test", source_id=uuid.uuid4(), step="funding",
        occurred_at=clock.now(),
        legs=[
            debit(account(Code.BANK, merchant, "USD", "main"), Money(minor, "USD"), "funding"),
            credit(account(Code.VENDOR_AVAILABLE, merchant, "USD", vendor), Money(minor, "USD"), "sale"),
        ],
    )  # fmt: skip


def test_transfers_in_every_direction_neither_deadlock_nor_lose_a_cent():
    merchant = uuid.uuid4()
    vendors = ["ada", "bruno", "chen", "dora"]
    with locks.phase():
        books.post([fund(merchant, vendor, 1000) for vendor in vendors])

    def shuffle(seed: int):
        dice = random.Random(seed)

        def run() -> int:
            for _ in range(25):
                source, target = dice.sample(vendors, 2)
                with locks.phase():
                    books.post([transfer(merchant, source, target, dice.randint(1, 10))])
            return 25

        return run

    outcomes = together(*(shuffle(seed) for seed in range(6)))
    assert errors(outcomes) == []
    held = balances.balances(merchant, code=Code.VENDOR_AVAILABLE)
    assert sum(found.balance.minor for found in held) == -4000
    for found in held:
        last = Posting.objects.filter(account_id=found.id).count()
        assert Account.objects.get(pk=found.id).version == last
    assert balances.trial_balance(merchant) == {"USD": 0}


def test_two_spenders_of_one_balance_cannot_both_have_it():
    merchant = uuid.uuid4()
    with locks.phase():
        books.post([fund(merchant, "ada", 100), fund(merchant, "bruno", 1)])

    def spend() -> None:
        with locks.phase():
            books.post([transfer(merchant, "ada", "bruno", 60)])

    outcomes = together(*[spend] * 8)
    assert len(results(outcomes)) == 1
    assert {type(error) for error in errors(outcomes)} == {journal.Overdraft}
    ada = account(Code.VENDOR_AVAILABLE, merchant, "USD", "ada")
    assert balances.balance(ada).minor == -40


def test_a_deferred_account_is_exact_while_it_is_posted_to_and_rolled():
    merchant = uuid.uuid4()

    def post() -> None:
        for _ in range(40):
            with locks.phase():
                books.post([fund(merchant, f"vendor-{uuid.uuid4()}", 1)])

    def roll_and_read() -> list[int]:
        seen = []
        for _ in range(60):
            balances.roll()
            seen.append(balances.balance(account(Code.BANK, merchant, "USD", "main")).minor)
        return seen

    outcomes = together(post, post, post, roll_and_read)
    assert errors(outcomes) == []
    seen = outcomes[-1].result
    assert seen == sorted(seen)
    assert balances.balance(account(Code.BANK, merchant, "USD", "main")).minor == 120


def test_an_account_opened_by_many_at_once_is_one_account():
    merchant = uuid.uuid4()

    def post() -> None:
        with locks.phase():
            books.post([fund(merchant, "ada", 5)])

    assert errors(together(*[post] * 10)) == []
    assert Account.objects.filter(merchant_id=merchant).count() == 2
    assert balances.balance(account(Code.BANK, merchant, "USD", "main")).minor == 50
