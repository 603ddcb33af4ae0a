"""PayPal transfers its balance to the bank: a line is explained by what moved there since the one before."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger import balances, chart
from ledger.actors import SYSTEM
from ledger.chart import Code
from ledger.events import Cause
from ledger.ids import uuid7
from ledger.money import Money
from payments.models import Dispute, Payment, ProviderOperation
from payments.providers import registry
from payments.providers.errors import ProviderRefused
from payments.providers.notices import DisputeNotice
from payments.providers.paypal import webhooks
from payments.services import authorizing, capturing, creating, disputing, recovering
from settlements import selectors
from settlements.models import FundedOperation, Match
from tests.kit import settling
from tests.kit.books import assert_all_invariants_hold
from tests.kit.paypal import PayPalSandbox
from tests.kit.settling import Forgery

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 2, 22, tzinfo=UTC)
NEXT_DAY = AT + timedelta(days=1)


@pytest.fixture
def paypal_there(own_network):
    return PayPalSandbox(own_network)


def sell(sandbox: PayPalSandbox, vendor: Any, amount: Money, *parts: int, buyer: str = "ada") -> Payment:
    """Sell through PayPal: create, have it approved, authorize, capture whole or in parts."""
    order = replace(
        settling.wanted(sandbox.network, vendor, amount, token="paypal"), method_type="digital_wallet"
    )
    whose: dict[str, Any] = {"merchant_id": vendor.merchant_id, "actor": SYSTEM, "at": AT}
    payment = creating.create(payment_id=uuid7(), wanted=order, **whose)
    waiting = authorizing.authorize(payment_id=payment.pk, operation_id=uuid7(), **whose)
    sandbox.approve(waiting.action_url, buyer)
    recovering.sweep(AT + timedelta(minutes=1))
    for minor in parts or (amount.minor,):
        part = Money(minor, amount.currency)
        payment = capturing.capture(payment_id=payment.pk, operation_id=uuid7(), amount=part, **whose)
    return payment


def told(sandbox: PayPalSandbox, payment: Payment) -> Dispute:
    """Let the house hear how a payment's dispute stands at PayPal."""
    capture = ProviderOperation.objects.get(payment=payment, kind="capture")
    (there,) = sandbox.truth("dispute", capture.provider_reference)
    event = {"id": f"WH-{there['update_time']}", "event_type": "CUSTOMER.DISPUTE.UPDATED", "resource": there}
    notice = webhooks.notice(event)
    assert isinstance(notice, DisputeNotice)
    return disputing.follow("paypal", notice, actor=SYSTEM, cause=Cause("test", "told"), at=AT)


def clearing(merchant, currency: str = "EUR") -> int:
    return balances.balance(chart.account(Code.PROVIDER_CLEARING, merchant.pk, currency, "paypal")).minor


def reasons(merchant) -> list[str]:
    return sorted(selectors.open_breaks(merchant.pk).values_list("reason", flat=True))


def take_in(merchant, network, at: datetime = AT) -> None:
    settling.take_in(merchant, settling.statement_file(network, at), at)


def test_two_transfers_explain_captures_in_parts_and_refunds(northwind, ada, own_network, paypal_there):
    sold = sell(paypal_there, ada, Money(10_000, "EUR"), 6_000, 4_000)
    settling.refund(sold, AT, 7_000)  # out of both captures: two refunds at PayPal, one here
    settling.sell(own_network, ada, Money(5_000, "EUR"), AT)
    take_in(northwind, own_network)
    assert reasons(northwind) == []
    lines = Match.objects.filter(merchant=northwind, kind="funding")
    assert set(lines.values_list("provider", flat=True)) == {"velocitypay", "paypal"}
    sell(paypal_there, ada, Money(2_000, "EUR"))
    take_in(northwind, own_network, NEXT_DAY)
    assert reasons(northwind) == []
    assert clearing(northwind) == 0
    funded = FundedOperation.objects.filter(match__merchant=northwind, match__provider="paypal").order_by(
        "pk"
    )
    assert sorted(row.amount_minor for row in funded) == [-7_000, 2_000, 4_000, 6_000]
    assert_all_invariants_hold()


def test_currencies_without_decimals_there_keep_ours(northwind, ada, own_network, paypal_there):
    sell(paypal_there, ada, Money(750_000, "HUF"))
    file = settling.statement_file(own_network, AT, "HUF")
    settling.take_in(northwind, file, AT)
    assert reasons(northwind) == []
    assert clearing(northwind, "HUF") == 0


def test_a_dispute_is_explained_with_its_fee_both_ways(northwind, ada, own_network, paypal_there):
    sold = sell(paypal_there, ada, Money(9_000, "EUR"), buyer="dispute_fraud")
    sell(paypal_there, ada, Money(20_000, "EUR"))
    dispute = told(paypal_there, sold)
    take_in(northwind, own_network)
    assert reasons(northwind) == []
    paypal_there.move_dispute(dispute.provider_reference, "won")
    told(paypal_there, sold)
    take_in(northwind, own_network, NEXT_DAY)
    assert reasons(northwind) == []
    assert clearing(northwind) == 0
    moved = FundedOperation.objects.filter(operation__subject_type=Dispute.SUBJECT)
    found = sorted((row.amount_minor, row.fee_minor) for row in moved)
    assert found == [(-9_000, 0), (0, -2_000), (0, 2_000), (9_000, 0)]
    assert_all_invariants_hold()


def test_a_refund_made_in_the_dashboard_is_adopted(northwind, ada, own_network, paypal_there):
    sold = sell(paypal_there, ada, Money(5_000, "EUR"))
    capture = ProviderOperation.objects.get(payment=sold, kind="capture").provider_reference
    paypal_there.refund(capture, "7.00", "by-hand", "EUR")
    take_in(northwind, own_network)
    assert reasons(northwind) == []
    sold.refresh_from_db()
    assert sold.refunded_minor == 700
    assert_all_invariants_hold()


def test_a_line_of_another_amount_is_not_booked(northwind, ada, own_network, paypal_there):
    sell(paypal_there, ada, Money(5_000, "EUR"))
    file = settling.statement_file(own_network, AT)
    named = re.search(r"PAYPAL TRANSFER (\w+)", file.decode())
    assert named is not None
    settling.take_in(northwind, Forgery(file).amount(named[1], "48.31").content(), AT)
    assert reasons(northwind) == ["operations_not_funded", "report_total_differs"]


def test_a_transfer_that_paypal_does_not_know_is_refused(own_network):
    with pytest.raises(ProviderRefused):
        registry.provider("paypal").settlement_report("0123456789ABCDEF0")
    with pytest.raises(ProviderRefused):
        registry.provider("paypal").settlement_report("../etc")


def test_a_line_names_its_transfer(own_network):
    named = registry.report_named
    assert named("xx PAYPAL TRANSFER 0123456789ABCDEF0 yy") == ("paypal", "0123456789ABCDEF0")
    assert named("PAYPAL TRANSFER 01") is None


def test_the_sandbox_tells_its_operations_as_the_others_do(ada, own_network, paypal_there):
    sold = sell(paypal_there, ada, Money(10_000, "EUR"), 6_000, 4_000)
    settling.refund(sold, AT, 500)
    page = paypal_there.client.get("/sim/operations").raise_for_status().json()
    ours = ProviderOperation.objects.filter(payment=sold).order_by("created_at", "id")
    assert [(row["kind"], row["idempotency_key"], row["amount"]) for row in page["data"]] == [
        (row.kind, row.idempotency_key, row.amount_minor) for row in ours
    ]
    assert [row["fee"] for row in page["data"]] == [row.fee_minor for row in ours]
    assert page["has_more"] is False
