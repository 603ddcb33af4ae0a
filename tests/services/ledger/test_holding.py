"""Holds: money set aside is neither spent nor held twice, is committed in parts, and comes back in time."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from ledger import clock
from ledger.accounts import opening
from ledger.chart import Code
from ledger.ids import uuid7
from ledger.journal import AccountClosed
from ledger.models import Account, Event, Hold, JournalEntry
from ledger.models.transfers import HoldNotFound, HoldTooSmall
from ledger.states import StateConflict
from ledger.transfers import holding, movements
from ledger.transfers.holding import HoldExpired, NotToBeHeld
from ledger.transfers.kinds import TransferType
from ledger.transfers.movements import InsufficientFunds
from tests.kit.books import assert_all_invariants_hold
from tests.kit.queries import statement_budget
from tests.kit.wallets import Purses

pytestmark = pytest.mark.django_db


@pytest.fixture
def purses() -> Purses:
    return Purses()


@pytest.fixture
def carla(purses: Purses) -> Account:
    return purses.wallet("carla", 10_000)


@pytest.fixture
def shop(purses: Purses) -> Account:
    return purses.open(code=Code.MERCHANT_BALANCE)


class TestPlace:
    def test_sets_money_aside_without_moving_it(self, purses, carla, shop):
        hold = purses.hold(carla, shop, 4_000)
        assert (hold.state, hold.remaining.minor) == ("open", 4_000)
        assert purses.figures(carla) == (10_000, 4_000, 6_000)
        assert purses.figures(shop) == (0, 0, 0)
        assert not JournalEntry.objects.filter(source_id=hold.pk).exists()
        assert_all_invariants_hold()

    def test_what_is_held_can_neither_be_spent_nor_held_again(self, purses, carla, shop):
        purses.hold(carla, shop, 4_000)
        for act in (purses.move, purses.hold):
            with pytest.raises(InsufficientFunds) as refused:
                act(carla, shop, 6_001, TransferType.PAYMENT)
            assert refused.value.facts["available"] == 6_000
        purses.move(carla, shop, 6_000, TransferType.PAYMENT)
        assert purses.figures(carla) == (4_000, 4_000, 0)

    def test_run_again_under_its_id_holds_nothing_more(self, purses, carla, shop):
        key = uuid7()
        first, second = (purses.hold(carla, shop, 100, hold_id=key) for _ in range(2))
        assert (first, purses.figures(carla)[1]) == (second, 100)

    def test_takes_five_statements(self, purses, carla, shop):
        purses.hold(carla, shop, 1)
        with statement_budget(exactly=5):
            # it is not there yet; two accounts; their locks; held; the row with its event
            purses.hold(carla, shop, 1)

    @pytest.mark.parametrize("kind", [kind for kind in TransferType if kind not in holding.HOLD_TYPES])
    def test_is_for_types_that_move_one_amount_one_way(self, purses, carla, shop, kind):
        with pytest.raises(NotToBeHeld):
            purses.hold(carla, shop, 1, kind)

    def test_an_account_with_held_money_is_not_closed(self, purses, carla, shop):
        purses.hold(carla, shop, 10_000)
        with pytest.raises(opening.AccountNotEmpty):
            purses.close(carla)


class TestCommit:
    def test_moves_a_part_then_the_rest(self, purses, carla, shop):
        hold = purses.hold(carla, shop, 4_000)
        done = purses.commit(hold, 1_500)
        assert (done.hold.state, done.hold.remaining.minor) == ("partly_committed", 2_500)
        assert (done.transfer.state, done.transfer.hold_id) == ("completed", hold.pk)
        assert purses.figures(carla) == (8_500, 2_500, 6_000)
        done = purses.commit(hold)
        assert (done.hold.state, done.transfer.amount_minor) == ("committed", 2_500)
        assert (purses.figures(carla), purses.figures(shop)) == ((6_000, 0, 6_000), (4_000, 0, 4_000))
        told = Event.objects.filter(subject_id=hold.pk).order_by("sequence")
        assert [event.type for event in told] == ["hold.placed", "hold.partly_committed", "hold.committed"]
        assert [event.entry_id is not None for event in told] == [False, True, True]
        assert_all_invariants_hold()

    def test_takes_the_last_cent_that_it_keeps(self, purses, carla, shop):
        hold = purses.hold(carla, shop, 10_000)
        purses.commit(hold)
        assert purses.figures(carla) == (0, 0, 0)

    def test_refuses_more_than_remains(self, purses, carla, shop):
        hold = purses.hold(carla, shop, 4_000)
        purses.commit(hold, 3_000)
        with pytest.raises(HoldTooSmall):
            purses.commit(hold, 1_001)
        assert purses.figures(carla) == (7_000, 1_000, 6_000)

    def test_run_again_under_its_id_moves_nothing_more(self, purses, carla, shop):
        hold, key = purses.hold(carla, shop, 4_000), uuid7()
        first, second = (purses.commit(hold, 1_000, transfer_id=key) for _ in range(2))
        assert (first.transfer, purses.figures(shop)[0]) == (second.transfer, 1_000)

    def test_refuses_a_closed_hold(self, purses, carla, shop):
        hold = purses.hold(carla, shop, 4_000)
        purses.void(hold)
        with pytest.raises(StateConflict):
            purses.commit(hold)

    def test_refuses_when_its_time_is_over_though_nobody_let_it_go(self, purses, carla, shop):
        hold = purses.hold(carla, shop, 4_000, seconds=60)
        with pytest.raises(HoldExpired):
            purses.commit(hold, at=hold.expires_at)
        purses.commit(hold, 1, at=hold.expires_at - timedelta(microseconds=1))
        assert purses.figures(carla) == (9_999, 3_999, 6_000)

    def test_refuses_a_target_that_was_closed_meanwhile(self, purses, carla):
        dora = purses.wallet("dora")
        hold = purses.hold(carla, dora, 4_000)
        purses.close(dora)
        with pytest.raises(AccountClosed):
            purses.commit(hold)
        assert purses.figures(carla) == (10_000, 4_000, 6_000)

    def test_of_another_merchant_is_not_found(self, purses, carla, shop):
        hold = purses.hold(carla, shop, 1)
        with pytest.raises(HoldNotFound):
            Purses().commit(hold)


class TestLetGo:
    def test_void_frees_what_remains_once(self, purses, carla, shop):
        hold = purses.hold(carla, shop, 4_000)
        purses.commit(hold, 1_000)
        assert purses.void(hold).state == "voided"
        assert purses.figures(carla) == (9_000, 0, 9_000)
        with pytest.raises(StateConflict):
            purses.void(hold)
        assert purses.figures(carla) == (9_000, 0, 9_000)
        assert_all_invariants_hold()

    def test_what_is_due_expires_and_what_is_not_stays(self, purses, carla, shop):
        at = clock.now()
        short = purses.hold(carla, shop, 1_000, seconds=60, at=at)
        long = purses.hold(carla, shop, 2_000, seconds=3_600, at=at)
        purses.commit(short, 100, at=at)
        holding.expire_due(at + timedelta(seconds=59))
        assert purses.figures(carla) == (9_900, 2_900, 7_000)
        holding.expire_due(at + timedelta(seconds=60))
        assert holding.expire_due(at + timedelta(seconds=60)) == 0
        assert purses.figures(carla) == (9_900, 2_000, 7_900)
        assert [Hold.objects.get(pk=hold.pk).state for hold in (short, long)] == ["expired", "open"]


class TestLaw:
    """What is held is attacked in SQL, past all Python."""

    @pytest.mark.parametrize(
        "attack",
        [
            "UPDATE ledger_account SET held = held + 6001 WHERE id = %(account)s",
            "UPDATE ledger_account SET held = -1 WHERE id = %(account)s",
            "UPDATE ledger_account SET balance = -3999 WHERE id = %(account)s",
            "SELECT ledger_hold(%(account)s, %(merchant)s, 6001)",
            "SELECT ledger_hold(%(account)s, %(merchant)s, 0)",
            "SELECT ledger_hold(%(account)s, %(merchant)s, -1)",
            "SELECT ledger_hold(%(account)s, gen_random_uuid(), 1)",
            "SELECT ledger_hold(%(bank)s, %(merchant)s, 1)",
            "SELECT ledger_release(%(account)s, %(merchant)s, 4001)",
            "SELECT ledger_release(%(account)s, %(merchant)s, -1)",
            "SELECT ledger_release(%(account)s, gen_random_uuid(), 1)",
            "UPDATE ledger_hold SET state = 'gone' WHERE account_id = %(account)s",
            "UPDATE ledger_hold SET committed_minor = 4001 WHERE account_id = %(account)s",
        ],
    )
    def test_is_refused_by_the_database(self, purses, carla, shop, attack):
        purses.hold(carla, shop, 4_000)
        bank = Account.objects.get(merchant_id=purses.merchant_id, code="suspense")
        names = {"account": carla.pk, "merchant": purses.merchant_id, "bank": bank.pk}
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(attack, names)
        assert purses.figures(carla) == (10_000, 4_000, 6_000)

    def test_without_the_check_in_python_the_hold_is_refused_by_name(self, purses, carla, shop, monkeypatch):
        monkeypatch.setattr(movements, "check", lambda *a, **k: None)
        with pytest.raises(InsufficientFunds):
            purses.hold(carla, shop, 10_001)
