"""What payers send by wire or check: told how, seen on the statement, taken, and booked once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ledger import balances, chart, clock
from ledger.chart import Code
from ledger.ids import uuid7
from ledger.models import AuditRecord
from ledger.money import Money
from payments.models import Contradiction, Payment, ProviderOperation
from payments.providers.rails import names
from payments.services.calls import recovering
from payments.services.payments import voiding
from payments.services.routes.routing import NoProvider
from settlements import selectors
from settlements.models import FundedOperation, Match
from settlements.models.reconciliation import BreakReason
from tests.kit import settling
from tests.kit.books import assert_all_invariants_hold
from tests.kit.rails import send
from tests.services.payments.cast import cancelled, now_plus, sold, wish

pytestmark = pytest.mark.django_db


def waiting(merchant, method: str = "wire", minor: int = 10_000, **more) -> Payment:
    wanted = wish(method, minor, currency="EUR", method_type=method, capture_method="automatic", **more)
    return sold(merchant, wanted)


def fresh(payment: Payment) -> Payment:
    return Payment.objects.get(pk=payment.pk)


def next_day(network, merchant) -> None:
    at = clock.now()
    network.close_day(at.date().isoformat())
    settling.fetch(merchant, at)


@pytest.mark.parametrize("method", ["wire", "check"])
def test_money_with_the_reference_pays(method, northwind, ada, rails, own_network):
    payment = waiting(northwind, method, shares=[(ada, 8_000)])
    told = payment.action_instructions
    assert (payment.state, payment.provider, told["amount"]) == ("requires_action", method, "100.00 EUR")
    assert told["account"] == "DE97700901000000143027"
    assert ("send_to" in told) is (method == "check")
    assert payment.expires_at > clock.now() + timedelta(days=13)
    send(own_network, "EUR", 10_000, f"Order 1 / {told['reference']} thanks")
    next_day(own_network, northwind)

    after = fresh(payment)
    assert (after.state, after.captured_minor) == ("captured", 10_000)
    assert not selectors.open_breaks(northwind.pk).exists()
    [match] = Match.objects.filter(merchant=northwind)
    assert (match.kind, match.amount_minor, match.provider) == ("operation", 10_000, method)
    clearing = chart.account(Code.PROVIDER_CLEARING, northwind.pk, "EUR", method)
    assert balances.balance(clearing).minor == 0
    assert_all_invariants_hold()


def test_people_write_the_reference_as_they_like(northwind, rails, own_network):
    payment = waiting(northwind)
    reference = payment.action_instructions["reference"]
    spaced = f"{reference[:2]} {reference[2:6]}-{reference[6:10]} {reference[10:]}".lower()
    send(own_network, "EUR", 10_000, f"invoice 7, {spaced}.")
    next_day(own_network, northwind)
    assert fresh(payment).state == "captured"


def test_another_amount_waits_for_a_person(northwind, rails, own_network):
    payment = waiting(northwind)
    send(own_network, "EUR", 9_000, payment.action_instructions["reference"])
    next_day(own_network, northwind)
    operation = ProviderOperation.objects.get(payment=payment, kind="authorize")
    assert (fresh(payment).state, operation.outcome, operation.is_held) == (
        "requires_action",
        "mismatch",
        True,
    )
    assert AuditRecord.objects.filter(action="operation.held", object_id=operation.public_id).exists()
    assert [row.reason for row in selectors.open_breaks(northwind.pk)] == [BreakReason.AMOUNT_DIFFERS]
    assert not FundedOperation.objects.filter(match__merchant=northwind).exists()
    assert_all_invariants_hold()


def test_money_that_comes_twice_is_taken_once(northwind, rails, own_network):
    payment = waiting(northwind)
    for _ in range(2):
        send(own_network, "EUR", 10_000, payment.action_instructions["reference"])
    next_day(own_network, northwind)
    assert fresh(payment).captured_minor == 10_000
    assert [row.reason for row in selectors.open_breaks(northwind.pk)] == [BreakReason.LINE_DUPLICATE]
    assert_all_invariants_hold()


def test_a_payment_is_given_up_in_time_and_late_money_is_put_before_a_person(northwind, rails, own_network):
    payment = waiting(northwind)
    voiding.time_out_by_job(payment.pk, payment.expires_at + timedelta(seconds=1))
    assert fresh(payment).state == "failed"
    assert not ProviderOperation.objects.filter(payment=payment, concluded_at=None).exists()
    send(own_network, "EUR", 10_000, payment.action_instructions["reference"])
    next_day(own_network, northwind)
    assert fresh(payment).captured_minor == 0
    assert Contradiction.objects.filter(operation__payment=payment).count() == 1
    assert [row.reason for row in selectors.open_breaks(northwind.pk)] == [BreakReason.LINE_UNEXPLAINED]
    assert_all_invariants_hold()


def test_a_merchant_cancels_while_nothing_has_come(northwind, rails):
    payment = waiting(northwind)
    assert cancelled(payment).state == "cancelled"
    assert not ProviderOperation.objects.filter(payment=payment, concluded_at=None).exists()
    assert_all_invariants_hold()


def test_waiting_is_no_news_for_the_recovery(northwind, rails):
    payment = waiting(northwind)
    recovering.sweep(now_plus(60))
    assert fresh(payment).state == "requires_action"


def test_a_reference_of_another_merchant_pays_nothing(northwind, rails, own_network):
    payment = waiting(northwind)
    reference = payment.action_instructions["reference"]
    other = names.payer_reference(f"op_{uuid7().hex}")
    assert other != reference
    send(own_network, "EUR", 10_000, other)
    next_day(own_network, northwind)
    assert fresh(payment).state == "requires_action"
    assert [row.reason for row in selectors.open_breaks(northwind.pk)] == [BreakReason.LINE_UNEXPLAINED]


def test_what_no_account_of_ours_takes_is_refused_by_routing(northwind, rails):
    wanted = wish("wire", 1_000, method_type="wire", capture_method="automatic")
    with pytest.raises(NoProvider, match="does not take CHF"):
        sold(northwind, replace(wanted, amount=Money(1_000, "CHF")))
