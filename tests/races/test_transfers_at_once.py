"""Transfers and holds at once: the last cent goes to one, a hold is committed once, opposite directions do
not deadlock. Each fault is shown with the locks taken away."""

import random

import pytest

from ledger.chart import Code
from ledger.ids import uuid7
from ledger.journal import Overdraft
from ledger.models import Account, Hold, Transfer
from ledger.models.transfers import HoldTooSmall
from ledger.states import StateConflict
from ledger.transfers import movements
from ledger.transfers.kinds import TransferType
from ledger.transfers.movements import InsufficientFunds
from tests.kit.race import Meeting, errors, locks_taken_away, results, together
from tests.kit.wallets import Purses

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def purses() -> Purses:
    return Purses()


@pytest.fixture
def carla(purses: Purses) -> Account:
    return purses.wallet("carla", 1_000)


@pytest.fixture
def shop(purses: Purses) -> Account:
    return purses.open(code=Code.MERCHANT_BALANCE)


def test_the_last_cent_is_moved_or_held_by_one_of_many(purses, carla, shop):
    acts = [
        lambda: purses.move(carla, shop, 600, TransferType.PAYMENT),
        lambda: purses.hold(carla, shop, 600),
    ] * 4
    outcomes = together(*acts)
    assert len(results(outcomes)) == 1
    assert {type(error) for error in errors(outcomes)} == {InsufficientFunds}
    balance, held, available = purses.figures(carla)
    assert (available, balance + held) in {(400, 1_600), (400, 400)}


def test_a_hold_is_committed_whole_once(purses, carla, shop):
    hold = purses.hold(carla, shop, 1_000)
    outcomes = together(*[lambda: purses.commit(hold)] * 6)
    assert len(results(outcomes)) == 1
    assert {type(error) for error in errors(outcomes)} == {StateConflict}
    assert (purses.figures(carla), purses.figures(shop)[0]) == ((0, 0, 0), 1_000)


def test_parts_of_a_hold_at_once_never_exceed_it(purses, carla, shop):
    hold = purses.hold(carla, shop, 1_000)
    outcomes = together(*[lambda: purses.commit(hold, 300)] * 6)
    assert len(results(outcomes)) == 3
    assert {type(error) for error in errors(outcomes)} == {HoldTooSmall}
    assert purses.figures(carla) == (100, 100, 0)
    assert Hold.objects.get(pk=hold.pk).remaining.minor == 100


def test_a_hold_is_committed_or_voided_never_both(purses, carla, shop):
    hold = purses.hold(carla, shop, 1_000)
    outcomes = together(*[lambda: purses.commit(hold), lambda: purses.void(hold)] * 3)
    assert len(results(outcomes)) == 1
    assert {type(error) for error in errors(outcomes)} == {StateConflict}
    left, held, _ = purses.figures(carla)
    assert (held, left + purses.figures(shop)[0]) == (0, 1_000)


def test_one_request_at_once_moves_once(purses, carla, shop):
    key = uuid7()
    outcomes = together(*[lambda: purses.move(carla, shop, 100, TransferType.PAYMENT, transfer_id=key)] * 6)
    assert results(outcomes)
    assert purses.figures(shop)[0] == 100
    assert Transfer.objects.filter(merchant_id=purses.merchant_id).count() == 1


def test_refunds_at_once_never_exceed_their_payment(purses, carla, shop):
    purses.fund(shop, 5_000)
    paid = purses.move(carla, shop, 1_000, TransferType.PAYMENT)
    outcomes = together(*[lambda: purses.move(shop, carla, 300, TransferType.REFUND, refunds=paid.pk)] * 6)
    assert len(results(outcomes)) == 3
    assert Transfer.objects.get(pk=paid.pk).refunded_minor == 900


def test_opposite_directions_and_holds_neither_deadlock_nor_lose_a_cent(purses):
    wallets = [purses.wallet(name, 1_000) for name in ("ada", "bruno", "chen", "dora")]

    def shuffle(seed: int):
        dice = random.Random(seed)

        def run() -> int:
            for _ in range(12):
                source, target = dice.sample(wallets, 2)
                if dice.random() < 0.5:
                    purses.move(source, target, dice.randint(1, 9))
                else:
                    purses.commit(purses.hold(source, target, 9, TransferType.TRANSFER), dice.randint(1, 9))
            return 12

        return run

    outcomes = together(*(shuffle(seed) for seed in range(6)))
    assert errors(outcomes) == []
    figures = [purses.figures(wallet) for wallet in wallets]
    assert sum(balance for balance, _, _ in figures) == 4_000
    assert sum(held for _, held, _ in figures) == sum(
        hold.remaining.minor for hold in Hold.objects.filter(merchant_id=purses.merchant_id)
    )


class TestWithoutLocks:
    """The negative controls: what the locks are for."""

    def test_a_hold_would_be_committed_twice(self, purses, carla, shop, monkeypatch):
        purses.fund(carla, 1_000)
        hold = purses.hold(carla, shop, 500)
        meeting = Meeting()
        with locks_taken_away(monkeypatch, meeting):
            _committed_twice(purses, hold)
        assert meeting.met

    def test_the_database_still_keeps_the_last_cent(self, purses, carla, shop, monkeypatch):
        meeting = Meeting()
        with locks_taken_away(monkeypatch, meeting):
            outcomes = together(*[lambda: purses.move(carla, shop, 600, TransferType.PAYMENT)] * 2)
        assert meeting.met
        assert len(results(outcomes)) == 1
        assert [type(error) for error in errors(outcomes)] == [Overdraft]
        assert purses.figures(carla) == (400, 0, 400)

    def test_the_version_would_be_read_by_two(self, purses, carla, shop, monkeypatch):
        carla.refresh_from_db()
        meeting = Meeting()
        with locks_taken_away(monkeypatch, meeting):
            outcomes = together(
                *[lambda: purses.move(carla, shop, 10, TransferType.PAYMENT, expected_version=carla.version)]
                * 2
            )
        assert (meeting.met, len(results(outcomes))) == (True, 2)


def test_one_version_serves_one_transfer(purses, carla, shop):
    carla.refresh_from_db()
    outcomes = together(
        *[lambda: purses.move(carla, shop, 10, TransferType.PAYMENT, expected_version=carla.version)] * 6
    )
    assert len(results(outcomes)) == 1
    assert {type(error) for error in errors(outcomes)} == {movements.VersionMismatch}


def _committed_twice(purses: Purses, hold: Hold) -> None:
    """Without the lock both see the whole hold; the ledger's own sequence of events refuses the second."""
    outcomes = together(*[lambda: purses.commit(hold)] * 2)
    assert len(errors(outcomes)) == 1
    assert type(errors(outcomes)[0]) is not StateConflict
