"""Rules against money laundering: large transfers wait for a person with their money held, patterns are
flagged, and nobody decides on a wish of his own."""

from datetime import timedelta

import pytest

from ledger import clock
from ledger.chart import Code
from ledger.models import AmlAlert, AuditRecord, Event, Hold, JournalEntry, Transfer
from ledger.models.transfers import NotRefundable
from ledger.states import StateConflict
from ledger.transfers import screening
from ledger.transfers.holding import HoldForReview
from ledger.transfers.kinds import TransferType
from ledger.transfers.movements import InsufficientFunds
from ledger.transfers.reviewing import OwnTransfer
from tests.kit.books import assert_all_invariants_hold
from tests.kit.wallets import IRENE, Purses

pytestmark = pytest.mark.django_db

LIMIT = 1_000_000


@pytest.fixture
def purses() -> Purses:
    return Purses()


@pytest.fixture
def carla(purses):
    return purses.wallet("carla", 3 * LIMIT)


@pytest.fixture
def dora(purses):
    return purses.wallet("dora")


def alerts(purses) -> list[AmlAlert]:
    return list(AmlAlert.objects.filter(merchant_id=purses.merchant_id).order_by("id"))


class TestLargeTransfer:
    def test_waits_for_a_person_with_its_money_held(self, purses, carla, dora):
        moved = purses.move(carla, dora, LIMIT)
        assert (moved.state, moved.closed_at) == ("under_review", None)
        assert purses.figures(carla) == (3 * LIMIT, LIMIT, 2 * LIMIT)
        (alert,) = alerts(purses)
        assert (alert.rule, alert.transfer, alert.holds_transfer) == ("large_transfer", moved, True)
        assert alert.observed == {"amount_minor": LIMIT, "threshold_minor": LIMIT}
        assert not JournalEntry.objects.filter(source_id=moved.pk).exists()
        assert_all_invariants_hold()

    def test_one_unit_below_the_threshold_moves_at_once(self, purses, carla, dora):
        assert purses.move(carla, dora, LIMIT - 1).state == "completed"
        assert alerts(purses) == []

    @pytest.mark.parametrize(
        ("currency", "minor", "state"),
        [
            ("JPY", 1_499_999, "completed"), ("JPY", 1_500_000, "under_review"),
            ("KWD", 2_999_999, "completed"), ("KWD", 3_000_000, "under_review"),
            ("ISK", 1, "under_review"),  # a currency without a threshold
        ],
    )  # fmt: skip
    def test_the_threshold_is_the_currencys_own(self, currency, minor, state):
        purses = Purses(currency=currency)
        assert purses.move(purses.wallet("carla", minor), purses.wallet("dora"), minor).state == state

    def test_cleared_moves_the_money(self, purses, carla, dora):
        moved = purses.move(carla, dora, LIMIT)
        (alert,) = alerts(purses)
        assert purses.decide(alert, clear=True).state == "cleared"
        moved.refresh_from_db()
        assert (moved.state, moved.decided_by["label"], moved.decision_reason) == (
            "completed", "Irene", "looked at it",
        )  # fmt: skip
        assert purses.figures(carla) == (2 * LIMIT, 0, 2 * LIMIT)
        assert purses.figures(dora) == (LIMIT, 0, LIMIT)
        assert Hold.objects.get(reviews=moved).state == "committed"
        events = Event.objects.filter(entry_id=JournalEntry.objects.get(source_id=moved.pk).pk)
        assert {event.type for event in events} == {
            "transfer.completed", "hold.committed", "aml_alert.cleared",
        }  # fmt: skip
        kept = AuditRecord.objects.get(object_id=alert.public_id)
        assert (kept.action, kept.reason) == ("aml_alert.cleared", "looked at it")
        assert_all_invariants_hold()

    def test_upheld_gives_the_money_back(self, purses, carla, dora):
        moved = purses.move(carla, dora, LIMIT)
        (alert,) = alerts(purses)
        assert purses.decide(alert, clear=False).state == "upheld"
        moved.refresh_from_db()
        assert (moved.state, purses.figures(carla)) == ("rejected", (3 * LIMIT, 0, 3 * LIMIT))
        assert Hold.objects.get(reviews=moved).state == "voided"
        assert_all_invariants_hold()

    @pytest.mark.parametrize("second", [True, False])
    def test_is_decided_once(self, purses, carla, dora, second):
        purses.move(carla, dora, LIMIT)
        (alert,) = alerts(purses)
        purses.decide(alert, clear=True)
        with pytest.raises(StateConflict):
            purses.decide(alert, clear=second)
        assert purses.figures(dora)[0] == LIMIT

    def test_is_not_decided_by_who_asked_for_it(self, purses, carla, dora):
        moved = purses.move(carla, dora, LIMIT, actor=IRENE)
        (alert,) = alerts(purses)
        with pytest.raises(OwnTransfer):
            purses.decide(alert, clear=True)
        assert Transfer.objects.get(pk=moved.pk).state == "under_review"

    def test_its_hold_is_nobody_elses_to_use(self, purses, carla, dora):
        moved = purses.move(carla, dora, LIMIT)
        hold = Hold.objects.get(reviews=moved)
        for act in (purses.void, purses.commit):
            with pytest.raises(HoldForReview):
                act(hold)

    def test_needs_the_funds_like_any_other(self, purses, carla, dora):
        with pytest.raises(InsufficientFunds):
            purses.move(carla, dora, 3 * LIMIT + 1)
        assert alerts(purses) == []

    def test_a_hold_is_no_way_round(self, purses, carla):
        shop = purses.open(code=Code.MERCHANT_BALANCE)
        hold = purses.hold(carla, shop, 2 * LIMIT)
        done = purses.commit(hold, LIMIT)
        assert (done.transfer.state, done.hold.remaining.minor) == ("under_review", LIMIT)
        assert purses.figures(carla) == (3 * LIMIT, 2 * LIMIT, LIMIT)
        done = purses.commit(hold)
        assert (done.transfer.state, done.hold.state) == ("under_review", "committed")
        assert purses.figures(carla) == (3 * LIMIT, 2 * LIMIT, LIMIT)
        assert_all_invariants_hold()
        first, second = (alert for alert in alerts(purses) if alert.holds_transfer)
        purses.decide(first, clear=True)
        purses.decide(second, clear=False)
        assert (purses.figures(carla), purses.figures(shop)[0]) == ((2 * LIMIT, 0, 2 * LIMIT), LIMIT)
        assert_all_invariants_hold()

    def test_a_refund_under_review_is_spoken_for(self, purses, carla):
        shop = purses.open(code=Code.MERCHANT_BALANCE)
        paid = purses.move(carla, shop, LIMIT, TransferType.PAYMENT)
        purses.decide(alerts(purses)[0], clear=True)
        purses.fund(shop, 1)
        back = purses.move(shop, carla, LIMIT, TransferType.REFUND, refunds=paid.pk)
        assert back.state == "under_review"
        with pytest.raises(NotRefundable):
            purses.move(shop, carla, 1, TransferType.REFUND, refunds=paid.pk)
        purses.decide(AmlAlert.objects.get(transfer=back), clear=False)
        assert Transfer.objects.get(pk=paid.pk).refunded_minor == 0
        assert_all_invariants_hold()

    def test_a_payment_under_review_is_not_refunded(self, purses, carla):
        shop = purses.open(code=Code.MERCHANT_BALANCE)
        purses.fund(shop, 100)
        paid = purses.move(carla, shop, LIMIT, TransferType.PAYMENT)
        with pytest.raises(NotRefundable):
            purses.move(shop, carla, 1, TransferType.REFUND, refunds=paid.pk)

    def test_a_loan_under_review_keeps_the_lenders_money(self, purses, carla):
        shop, pool = purses.open(code=Code.MERCHANT_BALANCE), purses.open(code=Code.LOAN_FUNDING)
        loan = purses.open("loan-1", Code.LOAN_RECEIVABLE)
        purses.fund(shop, LIMIT)
        for part in (LIMIT - 1, 1):
            purses.move(shop, pool, part)
        purses.move(loan, carla, LIMIT, TransferType.LOAN_DISBURSEMENT)
        assert purses.figures(pool) == (LIMIT, LIMIT, 0)
        purses.decide(AmlAlert.objects.get(account=loan), clear=True)
        assert [purses.figures(row)[0] for row in (pool, loan, carla)] == [0, LIMIT, 4 * LIMIT]


class TestPatterns:
    """Flags hold nothing up: the transfer is completed, and a person looks afterwards."""

    def test_the_fifth_transfer_in_a_minute_is_flagged_once(self, purses, carla, dora):
        at = clock.now()
        for number in range(7):
            assert purses.move(carla, dora, 1, at=at + timedelta(seconds=10 * number)).state == "completed"
        (alert,) = alerts(purses)
        assert (alert.rule, alert.holds_transfer) == ("fast_transfers", False)
        assert alert.observed == {"count": 5, "seconds": 60, "limit": 5}

    def test_five_transfers_in_more_than_a_minute_are_not(self, purses, carla, dora):
        at = clock.now()
        for number in range(9):
            purses.move(carla, dora, 1, at=at + timedelta(seconds=16 * number))
        assert alerts(purses) == []

    def test_many_in_a_day_are_flagged(self, purses, carla, dora, settings):
        settings.AML_DAY_COUNT = 6
        at = clock.now()
        for number in range(6):
            purses.move(carla, dora, 1, at=at + timedelta(hours=number))
        assert [(alert.rule, alert.observed["count"]) for alert in alerts(purses)] == [("many_in_a_day", 6)]

    def test_small_ones_that_sum_to_the_threshold_are_flagged(self, purses, carla, dora):
        at = clock.now()
        purses.move(carla, dora, LIMIT - 1, at=at)
        assert purses.move(carla, dora, 1, at=at + timedelta(hours=23)).state == "completed"
        assert [(alert.rule, alert.observed["sum_minor"]) for alert in alerts(purses)] == [
            ("large_sum_in_a_day", LIMIT)
        ]
        purses.move(carla, dora, 1, at=at + timedelta(hours=48))
        assert len(alerts(purses)) == 1

    def test_a_flag_that_was_cleared_may_be_raised_again(self, purses, carla, dora):
        at = clock.now()
        for _ in range(5):
            purses.move(carla, dora, 1, at=at)
        purses.decide(alerts(purses)[0], clear=True)
        purses.move(carla, dora, 1, at=at)
        assert [alert.state for alert in alerts(purses)] == ["cleared", "open"]

    def test_what_is_counted_is_bounded(self, purses, carla, dora, monkeypatch):
        monkeypatch.setattr(screening, "COUNTED_MAX", 3)
        at = clock.now()
        for _ in range(6):
            purses.move(carla, dora, 1, at=at)
        assert alerts(purses) == []
