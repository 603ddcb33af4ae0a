"""Two payouts of one batch at once: one transfer, and the batch's lock is what makes it so."""

from datetime import UTC, datetime

import pytest

from ledger import balances, chart
from ledger.actors import SYSTEM
from ledger.chart import Code
from ledger.ids import uuid7
from ledger.locks import require_phase, stamp
from ledger.money import Money
from ledger.states import StateConflict
from settlements import locks
from settlements.models import Payout, SettlementBatch
from settlements.services import paying_out
from tests.factories import settlements as make
from tests.kit import settling
from tests.kit.books import assert_all_invariants_hold
from tests.kit.race import Meeting, errors, results, together
from vendors import locks as vendor_locks
from vendors.models import Vendor

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
AT = datetime(2026, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
def batch(ada, network):
    make.sell(ada, Money(10_000, "EUR"))
    return settling.settle(ada, "EUR", AT)


def in_transit(batch):
    account = chart.account(Code.PAYOUT_IN_TRANSIT, batch.merchant_id, batch.currency)
    return -balances.balance(account).minor


def test_one_transfer_is_made_and_the_others_are_refused(batch, network):
    outcomes = together(*[lambda: settling.pay(batch, AT)] * 4)
    assert len(results(outcomes)) == 1
    assert {type(error) for error in errors(outcomes)} == {StateConflict}
    payout = Payout.objects.get(batch=batch)
    assert len(network.truth(reference=payout.public_id)) == 1
    assert in_transit(batch) == 9_000
    assert_all_invariants_hold()


def test_the_same_request_twice_at_once_is_one_transfer(batch, network):
    operation_id = uuid7()

    def pay():
        return paying_out.process(
            merchant_id=batch.merchant_id, batch_id=batch.pk, operation_id=operation_id, actor=SYSTEM, at=AT
        )

    together(pay, pay)
    assert len(network.truth(reference=Payout.objects.get(batch=batch).public_id)) == 1
    assert in_transit(batch) == 9_000
    assert SettlementBatch.objects.get(pk=batch.pk).state == "paid"
    assert_all_invariants_hold()


def test_without_the_locks_both_begin_and_only_the_law_stops_one(batch, network, monkeypatch):
    """The negative control: both see a payable batch; the unique index or the strict account refuses one."""
    meeting = Meeting()

    def read_vendor(merchant_id, vendor_id):
        return Vendor.objects.get(merchant_id=merchant_id, pk=vendor_id)

    def read_batch(merchant_id, batch_id):
        row = SettlementBatch.objects.get(merchant_id=merchant_id, pk=batch_id)
        stamp(row, require_phase())
        meeting.wait()
        return row

    with monkeypatch.context() as patch:
        patch.setattr(vendor_locks, "vendor", read_vendor)
        patch.setattr(locks, "batch", read_batch)
        outcomes = together(lambda: settling.pay(batch, AT), lambda: settling.pay(batch, AT))
    assert meeting.met
    (error,) = errors(outcomes)
    assert not isinstance(error, StateConflict)
    assert Payout.objects.filter(batch=batch).count() == 1
    assert in_transit(batch) == 9_000
