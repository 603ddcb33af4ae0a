"""Two settlements of one vendor at once: one batch, and the lock is what makes it so."""

from datetime import UTC, datetime

import pytest

from ledger import balances
from ledger.actors import SYSTEM
from ledger.chart import Code
from ledger.ids import uuid7
from ledger.money import Money
from settlements import locks
from settlements.models import BatchLine, SettlementBatch
from settlements.services import batching
from settlements.services.batching import NothingToSettle
from tests.factories import settlements as make
from tests.factories import vendors as who
from tests.kit.books import assert_all_invariants_hold
from tests.kit.race import Meeting, errors, results, together

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
AT = datetime(2026, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
def ada():
    vendor = who.create_vendor(who.create_merchant(), "Ada")
    make.sell(vendor, *[Money(100, "USD")] * 50)
    return vendor


def settle(vendor):
    return batching.settle(
        merchant_id=vendor.merchant_id,
        vendor_id=vendor.pk,
        currency="USD",
        batch_id=uuid7(),
        actor=SYSTEM,
        at=AT,
    )


def test_one_batch_is_closed_and_the_others_find_nothing(ada):
    outcomes = together(*[lambda: settle(ada)] * 4)
    (batch,) = results(outcomes)
    assert [type(error) for error in errors(outcomes)] == [NothingToSettle] * 3
    assert (batch.items, batch.net_minor) == (100, 4_500)
    assert SettlementBatch.objects.filter(vendor=ada).count() == 1
    assert_all_invariants_hold()


def test_without_the_lock_both_take_the_same_items(ada, monkeypatch):
    """The negative control: both reckon 50 sales, and only the law of the books stops the second."""
    meeting = Meeting()

    def read(*refs):
        found = {ref: balances.balance(ref) for ref in refs}
        meeting.wait()
        return found

    monkeypatch.setattr(locks, "accounts", read)
    outcomes = together(lambda: settle(ada), lambda: settle(ada))
    assert meeting.met
    (error,) = errors(outcomes)
    assert not isinstance(error, NothingToSettle)
    assert BatchLine.objects.filter(batch__vendor=ada).count() == 100


def test_a_sale_that_comes_between_waits_for_the_next_batch(ada, monkeypatch):
    """A sale posted while a batch is closed is in exactly one batch: it waits for the lock of the account."""
    meeting, real = Meeting(), locks.accounts

    def lock_and_let_the_sale_begin(*refs):
        found = real(*refs)
        meeting.wait()
        return found

    def sell():
        meeting.wait()
        make.sell(ada, Money(700, "USD"), commission_bps=0)

    monkeypatch.setattr(locks, "accounts", lock_and_let_the_sale_begin)
    first, _ = results(together(lambda: settle(ada), sell))
    assert meeting.met
    assert first.net_minor == 4_500
    monkeypatch.setattr(locks, "accounts", real)
    assert -balances.balance(make.ref(ada, Code.VENDOR_PENDING, "USD")).minor == 700
    assert settle(ada).net_minor == 700
    assert_all_invariants_hold()
