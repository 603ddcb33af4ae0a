"""Paying a batch through the real sandbox network: paid, failed, not known, and twice."""

from datetime import UTC, datetime, timedelta

import pytest

from ledger import balances, chart
from ledger.actors import SYSTEM
from ledger.chart import Code
from ledger.ids import uuid7
from ledger.models import Event
from ledger.money import Money
from ledger.states import StateConflict
from payments.models import ProviderOperation
from payments.services.calls import recovering
from payments.simulator import scenarios
from settlements.models import Payout, SettlementBatch
from settlements.models.batches import SettlementNotFound
from settlements.services import batching, paying_out
from settlements.services.paying_out import VendorNotPayable
from tests.factories import settlements as make
from tests.factories import vendors as who
from tests.kit.books import assert_all_invariants_hold
from tests.kit.network import eventually
from vendors.models import Vendor
from vendors.services import onboarding

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 2, 1, tzinfo=UTC)
TEN_EUROS = Money(1_000, "EUR")


def to_bank(vendor, scenario):
    """Send the vendor's money to the test account of a scenario."""
    destination = {"holder": vendor.name, "iban": scenarios.BY_NAME[scenario].number, "country": "DE"}
    who.redirect(vendor, destination)


def closed_batch(vendor, amount=TEN_EUROS):
    make.sell(vendor, amount, commission_bps=0)
    return batching.settle(
        merchant_id=vendor.merchant_id,
        vendor_id=vendor.pk,
        currency=amount.currency,
        batch_id=uuid7(),
        actor=SYSTEM,
        at=AT,
    )


def pay(batch, **options):
    options = {"merchant_id": batch.merchant_id, "operation_id": uuid7(), **options}
    return paying_out.process(batch_id=batch.pk, actor=SYSTEM, at=AT, **options)


def held(batch):
    """Return what is available and what is in transit, in minor units."""
    vendor = Vendor.objects.get(pk=batch.vendor_id)
    transit = chart.account(Code.PAYOUT_IN_TRANSIT, batch.merchant_id, batch.currency)
    available = balances.balance(make.ref(vendor, Code.VENDOR_AVAILABLE, batch.currency))
    return -available.minor, -balances.balance(transit).minor


def resolve(batch, at=AT + timedelta(minutes=2)):
    """Ask the provider about everything open, as the recovery does, until the batch is decided."""

    def decided():
        nonlocal at
        at += timedelta(seconds=30)
        recovering.sweep(at)
        return not ProviderOperation.objects.filter(merchant_id=batch.merchant_id, concluded_at=None).exists()

    eventually(decided, "the payout is decided")
    return SettlementBatch.objects.get(pk=batch.pk)


class TestProcess:
    @pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
    def test_pays_the_net_to_the_vendors_account(self, ada, network, currency):
        batch = closed_batch(ada, Money(12_345, currency))
        answers = []
        paid = pay(batch, answer=answers.append)
        payout = Payout.objects.get(batch=batch)
        assert (paid.state, payout.state, payout.attempt) == ("paid", "paid", 1)
        assert answers == [paid]
        assert held(batch) == (0, 12_345)
        (truth,) = network.truth(reference=payout.public_id)
        assert (truth["kind"], truth["amount"], truth["currency"], truth["status"]) == (
            "transfer",
            12_345,
            currency,
            "paid",
        )
        assert payout.provider_reference == truth["id"]
        assert_all_invariants_hold()

    def test_the_same_operation_again_pays_nothing_more(self, ada, network):
        batch, operation_id = closed_batch(ada), uuid7()
        first = pay(batch, operation_id=operation_id)
        again = pay(batch, operation_id=operation_id)
        assert (first, again.state) == (again, "paid")
        assert Payout.objects.filter(batch=batch).count() == 1

    def test_another_request_for_a_paid_batch_is_refused(self, ada, network):
        batch = closed_batch(ada)
        pay(batch)
        with pytest.raises(StateConflict):
            pay(batch)

    def test_a_failed_payout_gives_the_money_back_and_is_tried_again(self, ada, network):
        batch = closed_batch(ada)
        to_bank(ada, "bank_closed")
        assert pay(batch).state == "closed"
        failed = Payout.objects.get(batch=batch)
        assert (failed.state, failed.failure_code != "") == ("failed", True)
        assert held(batch) == (1_000, 0)
        to_bank(ada, "bank_ok")
        assert pay(batch).state == "paid"
        assert [p.state for p in Payout.objects.filter(batch=batch).order_by("attempt")] == ["failed", "paid"]
        assert held(batch) == (0, 1_000)
        assert_all_invariants_hold()

    @pytest.mark.parametrize("scenario", ["bank_lost_answer", "bank_error_before", "bank_late"])
    def test_what_is_not_known_stays_in_transit_and_is_resolved_once(self, ada, network, scenario):
        batch = closed_batch(ada)
        to_bank(ada, scenario)
        assert pay(batch).state == "paying"
        assert Payout.objects.get(batch=batch).state == "created"
        assert held(batch) == (0, 1_000)
        with pytest.raises(StateConflict):
            pay(batch)
        assert resolve(batch).state == "paid"
        payout = Payout.objects.get(batch=batch)
        assert len(network.truth(reference=payout.public_id, status="paid")) == 1
        assert network.faults()[f"scenario:{scenario}"] >= 1
        assert_all_invariants_hold()

    @pytest.mark.parametrize(
        ("scenario", "batch_state", "payout_state", "money"),
        [
            ("bank_pending_ok", "paid", "paid", (0, 1_000)),
            ("bank_pending_fail", "closed", "failed", (1_000, 0)),
        ],
    )
    def test_what_the_network_says_later_is_asked_for(
        self, ada, network, scenario, batch_state, payout_state, money
    ):
        batch = closed_batch(ada)
        to_bank(ada, scenario)
        assert pay(batch).state == "paying"
        assert Payout.objects.get(batch=batch).state == "sent"
        assert resolve(batch).state == batch_state
        assert Payout.objects.get(batch=batch).state == payout_state
        assert held(batch) == money
        assert_all_invariants_hold()

    def test_pays_no_suspended_vendor(self, ada, network):
        batch = closed_batch(ada)
        onboarding.suspend_vendor(
            merchant_id=ada.merchant_id, vendor_id=ada.pk, reason="asked to stop", actor=SYSTEM, at=AT
        )
        with pytest.raises(VendorNotPayable):
            pay(batch)
        assert held(batch) == (1_000, 0)

    def test_pays_no_carried_batch(self, ada, network):
        make.refund(ada, Money(500, "EUR"), from_pending=Money(0, "EUR"))
        batch = closed_batch(ada, Money(100, "EUR"))
        with pytest.raises(StateConflict):
            pay(batch)

    def test_does_not_see_the_batch_of_another_merchant(self, ada, network):
        batch = closed_batch(ada)
        with pytest.raises(SettlementNotFound):
            pay(batch, merchant_id=who.create_merchant("Southwind").pk)

    def test_keeps_the_account_number_out_of_the_news_and_the_payout(self, ada, network):
        batch = closed_batch(ada)
        pay(batch)
        iban = who.DESTINATION["iban"]
        events = Event.objects.filter(merchant_id=ada.merchant_id)
        assert not [event for event in events if iban in str(event.payload)]
        assert Payout.objects.get(batch=batch).account_end == iban[-4:]
