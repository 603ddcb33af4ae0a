"""PayPal transfers its balance to the bank: a line is explained by what moved there since the one before."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger import balances, chart, clock, jobs
from ledger.actors import SYSTEM
from ledger.chart import Code
from ledger.events import Cause
from ledger.explain import walking
from ledger.ids import uuid7
from ledger.money import Money
from payments.models import Contradiction, Dispute, Payment, ProviderOperation, Refund
from payments.providers import registry
from payments.providers.errors import ProviderRefused
from payments.providers.notices import DisputeNotice
from payments.providers.paypal import webhooks
from payments.services.calls import recovering
from payments.services.disputes import disputing
from payments.services.payments import authorizing, capturing, creating
from payments.services.refunds import returned_refunds
from settlements import selectors
from settlements.models import FundedOperation, Match
from tests.kit import settling
from tests.kit.books import assert_all_invariants_hold
from tests.kit.callbacks import apply_due
from tests.kit.network import eventually
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


class TestARefundThatFails:
    """PayPal says that it is done, and then that it failed: its money is in the balance again."""

    @pytest.fixture
    def refund(self, ada, own_network, paypal_there) -> Refund:
        payment = sell(paypal_there, ada, Money(20_000, "EUR"), buyer="refund_fails_late")
        refund = settling.refund(payment, AT, 1_200)
        assert refund.state == "completed"
        return refund

    def failed(self, sandbox: PayPalSandbox, refund: Refund) -> dict[str, Any]:
        """The refund at PayPal, once it has failed there."""
        key = ProviderOperation.objects.get(subject_id=refund.pk, kind="refund").idempotency_key

        def found() -> dict[str, Any] | None:
            (row,) = sandbox.truth("refund", key)
            return row if row["status"] == "FAILED" else None

        row = eventually(found, "it fails")
        assert row is not None
        return row

    def hear(self, sandbox: PayPalSandbox, refund: Refund) -> None:
        """Let the house hear of it by its message."""
        row = self.failed(sandbox, refund)
        assert sandbox.send("PAYMENT.REFUND.FAILED", row, f"WH-{row['id']}").status_code == 200
        apply_due(clock.now())
        refund.refresh_from_db()
        assert refund.state == "failed"

    def test_after_its_transfer_comes_back_by_the_next(
        self, northwind, ada, own_network, paypal_there, refund
    ):
        file = settling.statement_file(own_network, AT)  # at once: it fails a moment later
        self.hear(paypal_there, refund)
        settling.take_in(northwind, file, AT)
        take_in(northwind, own_network, NEXT_DAY)
        assert (reasons(northwind), clearing(northwind)) == ([], 0)
        moved = FundedOperation.objects.filter(operation__subject_id=refund.pk).order_by("pk")
        assert [row.amount_minor for row in moved] == [-1_200, 1_200]
        assert list(walking.explain_all([moved[1].operation.public_id]).reasons()) == []
        assert_all_invariants_hold()

    def test_whose_message_never_came_is_heard_by_the_report(
        self, northwind, own_network, paypal_there, refund
    ):
        self.failed(paypal_there, refund)
        take_in(northwind, own_network)
        assert (reasons(northwind), clearing(northwind)) == ([], 0)
        self.hear(paypal_there, refund)
        assert refund.failure_message == returned_refunds.REPORTED
        assert ProviderOperation.objects.filter(subject_id=refund.pk, kind="refund_returned").count() == 1
        assert_all_invariants_hold()

    def test_and_is_done_after_all_is_asked_about_and_put_before_a_person_once(
        self, northwind, own_network, paypal_there, refund
    ):
        self.hear(paypal_there, refund)
        settling.take_in(northwind, settling.statement_file(own_network, AT), AT)
        done = paypal_there.do_after_all(self.failed(paypal_there, refund)["id"])
        sent = paypal_there.send("PAYMENT.CAPTURE.REFUNDED", done, f"WH-again-{done['id']}")
        assert sent.status_code == 200
        apply_due(clock.now())
        jobs.run_due(clock.now())
        found = Contradiction.objects.get(operation__subject_id=refund.pk)
        assert (found.was, found.said, found.is_after_all) == ("approved", "approved", True)
        sell(paypal_there, refund.payment.shares.get().vendor, Money(3_000, "EUR"))
        take_in(northwind, own_network, NEXT_DAY)  # its report takes the money once more
        assert "operation_funded_twice" in reasons(northwind)
        assert Contradiction.objects.filter(operation__subject_id=refund.pk).count() == 1
        assert_all_invariants_hold()

    def test_and_was_made_in_the_dashboard_comes_back_too(self, northwind, ada, own_network, paypal_there):
        sold = sell(paypal_there, ada, Money(5_000, "EUR"))
        capture = ProviderOperation.objects.get(payment=sold, kind="capture").provider_reference
        made = paypal_there.refund(capture, "7.00", "by-hand", "EUR", result="fail_later")
        file = settling.statement_file(own_network, AT)
        settling.take_in(northwind, file, AT)
        refund = Refund.objects.get(payment=sold)
        assert refund.state == "completed"

        eventually(lambda: paypal_there.truth("refund", made["id"])[0]["status"] == "FAILED", "it fails")
        take_in(northwind, own_network, NEXT_DAY)
        refund.refresh_from_db()
        assert (refund.state, reasons(northwind), clearing(northwind)) == ("failed", [], 0)
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
