"""Two nights of a marketplace: what was sold reaches the vendors' bank, whatever happens on the way.

A story on a moving clock, with the real network and its bank: sales and refunds in three currencies, a
refund that comes after the money was settled, a payout that fails, one whose answer is lost, and a bank
statement on which a line is wrong. After each night every invariant of the house holds.
"""

from datetime import UTC, datetime, timedelta

import pytest

from ledger import balances, chart, events
from ledger.actors import staff_actor
from ledger.chart import Code
from ledger.money import Money
from ledger.states import StateConflict
from settlements import selectors
from settlements.models import Payout, SettlementBatch
from settlements.services import resolving
from settlements.services.batching import NothingToSettle
from tests.factories import settlements as make
from tests.kit import settling
from tests.kit.books import assert_all_invariants_hold
from tests.kit.settling import Forgery

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 3, 2, 18, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
WEDNESDAY = TUESDAY + timedelta(days=1)
NIGHT = timedelta(hours=5)


def owed(vendor, currency):
    """Return what is pending and what the vendor owes, in minor units."""
    pending = -balances.balance(make.ref(vendor, Code.VENDOR_PENDING, currency)).minor
    return pending, balances.balance(make.ref(vendor, Code.VENDOR_RECEIVABLE, currency)).minor


def bank_is_explained(merchant):
    """Whether the trial balance is zero, no break is open and nothing is left in clearing or in transit."""
    moved = balances.balances(merchant.pk)
    left = {row.ref.code: row.balance.minor for row in moved if not row.balance.is_zero}
    on_the_way = left.keys() & {Code.PROVIDER_CLEARING, Code.PAYOUT_IN_TRANSIT, Code.SUSPENSE}
    trial = balances.trial_balance(merchant.pk)
    return not on_the_way and not any(trial.values()) and not selectors.open_breaks(merchant.pk).exists()


def test_a_refund_after_settlement_is_recovered_by_the_next_batch(northwind, ada, own_network):
    kept = settling.sell(own_network, ada, Money(10_000, "EUR"), MONDAY, own=500)
    settling.refund(kept, MONDAY, 2_100)
    monday = settling.settle(ada, "EUR", MONDAY)
    pending_refund = monday.refunds_minor
    assert (monday.gross_minor, pending_refund) == (10_000, 2_000)
    assert monday.commission_minor == 800
    assert monday.net_minor == 7_200
    settling.pay(monday, MONDAY)
    own_network.close_day("2026-03-02")
    settling.fetch(northwind, MONDAY + NIGHT - timedelta(hours=1))
    assert bank_is_explained(northwind)
    assert_all_invariants_hold()

    settling.refund(kept, TUESDAY, 4_200)  # the money is gone: Ada owes it, less the commission she gets back
    assert owed(ada, "EUR") == (0, 3_600)
    with pytest.raises(NothingToSettle):
        settling.settle(ada, "EUR", TUESDAY)
        settling.settle(ada, "EUR", TUESDAY)
    settling.sell(own_network, ada, Money(3_000, "EUR"), TUESDAY)
    assert settling.settle(ada, "EUR", TUESDAY).state == "carried"
    settling.sell(own_network, ada, Money(2_000, "EUR"), TUESDAY)
    tuesday = settling.settle(ada, "EUR", TUESDAY)
    assert (tuesday.recovered_minor, tuesday.net_minor) == (3_600, 900)
    assert owed(ada, "EUR") == (0, 0)
    settling.pay(tuesday, TUESDAY)
    own_network.close_day("2026-03-03")
    settling.fetch(northwind, TUESDAY)
    assert bank_is_explained(northwind)
    assert_all_invariants_hold()
    paid = sum(payout.amount_minor for payout in Payout.objects.filter(batch__vendor=ada))
    assert paid == 7_200 + 900 == (10_000 - 6_000 + 5_000) * 9 // 10


@pytest.mark.parametrize(("currency", "minor"), [("JPY", 10_001), ("KWD", 1_234_567), ("USD", 333)])
def test_every_exponent_comes_out_to_the_minor_unit(northwind, ada, bruno, own_network, currency, minor):
    for vendor in (ada, bruno):
        payment = settling.sell(own_network, vendor, Money(minor, currency), MONDAY, own=1)
        settling.refund(payment, MONDAY, minor // 3)
        settling.pay(settling.settle(vendor, currency, MONDAY), MONDAY)
    own_network.close_day("2026-03-02")
    settling.fetch(northwind, MONDAY)
    assert bank_is_explained(northwind)
    figures = {row.vendor_id: row for row in selectors.day_figures(northwind.pk, MONDAY.date())}
    for vendor in (ada, bruno):
        day = figures[vendor.pk]
        assert day.gross - day.refunds - day.commission == day.paid_out
        assert (day.pending.minor, day.receivable.minor) == (0, 0)
    assert_all_invariants_hold()


def test_a_payout_that_fails_is_paid_the_next_night_to_the_right_account(northwind, ada, bruno, own_network):
    for vendor in (ada, bruno):
        settling.sell(own_network, vendor, Money(5_000, "EUR"), MONDAY)
    settling.send_to(ada, "bank_closed")
    states = [settling.pay(settling.settle(v, "EUR", MONDAY), MONDAY).state for v in (ada, bruno)]
    assert states == ["closed", "paid"]
    own_network.close_day("2026-03-02")
    settling.fetch(northwind, MONDAY)
    assert not selectors.open_breaks(northwind.pk).exists()
    assert_all_invariants_hold()

    settling.send_to(ada, "bank_ok")
    (due,) = selectors.due_for_payment(northwind.pk)
    settling.pay(due, TUESDAY)
    own_network.close_day("2026-03-03")
    settling.fetch(northwind, TUESDAY)
    assert bank_is_explained(northwind)
    story = [event.type for event in events.stream("settlement", due.pk)]
    assert story == [
        "settlement.closed",
        "settlement.paying",
        "settlement.payout_failed",
        "settlement.paying",
        "settlement.paid",
        "settlement.reconciled",
    ]
    assert_all_invariants_hold()


@pytest.mark.parametrize("scenario", ["bank_lost_answer", "bank_error_before", "bank_pending_ok"])
def test_a_payout_whose_answer_is_lost_is_paid_once(northwind, ada, own_network, scenario):
    settling.sell(own_network, ada, Money(5_000, "EUR"), MONDAY)
    settling.send_to(ada, scenario)
    batch = settling.settle(ada, "EUR", MONDAY)
    assert settling.pay(batch, MONDAY).state == "paying"
    account = chart.account(Code.PAYOUT_IN_TRANSIT, northwind.pk, "EUR")
    assert balances.balance(account) == Money(-4_500, "EUR")
    with pytest.raises(StateConflict):
        settling.pay(batch, MONDAY)
    settling.resolve(northwind, MONDAY)
    own_network.close_day("2026-03-02")
    settling.fetch(northwind, MONDAY)
    assert SettlementBatch.objects.get(pk=batch.pk).state == "reconciled"
    assert len(own_network.truth(kind="transfer", status="paid")) == 1
    assert bank_is_explained(northwind)
    assert_all_invariants_hold()


@pytest.mark.parametrize(
    ("forge", "reasons"),
    [
        (lambda file: file.drop("po_"), ["payout_not_on_statement"]),
        (lambda file: file.repeat("po_"), ["line_duplicate"]),
        (lambda file: file.add("po_", "TELEPHONE"), ["line_unexplained"]),
        (lambda file: file.amount("po_", "44.99"), ["amount_differs"]),
        (lambda file: file.drop("sr_"), ["operations_not_funded"]),
        (lambda file: file.repeat("sr_"), ["operation_funded_twice"]),
        (lambda file: file.amount("sr_", "1.00"), ["operations_not_funded", "report_total_differs"]),
    ],
)
def test_a_wrong_statement_line_is_a_break_and_the_right_statement_explains_it(
    northwind, ada, own_network, forge, reasons
):
    settling.sell(own_network, ada, Money(5_000, "EUR"), MONDAY)
    settling.pay(settling.settle(ada, "EUR", MONDAY), MONDAY)
    file = settling.statement_file(own_network, MONDAY)
    settling.take_in(northwind, forge(Forgery(file)).content(), MONDAY)
    found = list(selectors.open_breaks(northwind.pk))
    assert sorted(row.reason for row in found) == reasons
    assert_all_invariants_hold()
    settling.take_in(northwind, file, TUESDAY)  # the same reference with other content: a person must look
    for row in selectors.open_breaks(northwind.pk):
        resolving.resolve(
            merchant_id=northwind.pk,
            break_id=row.pk,
            reason="spoke with the bank",
            actor=staff_actor(7, "finn"),
            at=WEDNESDAY,
        )
    settling.take_in(northwind, file, WEDNESDAY)
    assert not selectors.open_breaks(northwind.pk).exists()
    assert_all_invariants_hold()
