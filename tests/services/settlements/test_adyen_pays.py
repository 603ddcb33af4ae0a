"""Adyen pays into the bank: a line is explained by its settlement detail report, which tells the fees."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from ledger import balances, chart, clock
from ledger.actors import SYSTEM
from ledger.chart import Code
from ledger.explain import walking
from ledger.ids import uuid7
from ledger.money import Money
from payments.models import Payment, ProviderOperation, Refund
from payments.services.calls import returning
from payments.services.payments import paying
from payments.services.webhooks import webhook_intake
from settlements import selectors
from settlements.models import FundedOperation, Match
from tests.kit import settling
from tests.kit.adyen import AdyenSandbox
from tests.kit.books import assert_all_invariants_hold
from tests.kit.callbacks import apply_due

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 2, 22, tzinfo=UTC)
NEXT_DAY = AT + timedelta(days=1)


@pytest.fixture
def sandbox(own_network):
    return AdyenSandbox(own_network)


def tell(sandbox: AdyenSandbox, payment: Payment, at: datetime) -> None:
    """Let the house hear all that Adyen has to say of a payment."""
    for row in sandbox.of_parent(payment.provider_reference):
        for webhook in sandbox.webhooks(row["id"]):
            webhook_intake.receive("adyen", {}, sandbox.as_sent(webhook), at)
    apply_due(max(at, clock.now()))


def sold(sandbox: AdyenSandbox, vendor: Any, minor: int, at: datetime = AT, **more: Any) -> Payment:
    token = sandbox.token(more.pop("scenario", "visa"))
    amount = Money(minor, more.pop("currency", "EUR"))
    payment = settling.sell(sandbox.network, vendor, amount, at, token=token)
    payment.refresh_from_db()
    tell(sandbox, payment, at)
    payment.refresh_from_db()
    return payment


def balance(merchant: Any, code: Code, currency: str = "EUR") -> int:
    return balances.balance(chart.account(code, merchant.pk, currency, "adyen")).minor


def reasons(merchant: Any) -> list[str]:
    return sorted(selectors.open_breaks(merchant.pk).values_list("reason", flat=True))


def test_a_batch_is_explained_and_its_fees_are_booked_then(northwind, ada, sandbox):
    payment = sold(sandbox, ada, 5_000)
    (capture,) = ProviderOperation.objects.filter(payment=payment, kind="capture")
    assert (payment.state, capture.fee_minor) == ("captured", 0)
    settling.refund(payment, AT, 1_200)
    tell(sandbox, payment, AT)
    file = settling.statement_file(sandbox.network, AT)
    assert settling.take_in(northwind, file, AT).new_lines == 1
    assert reasons(northwind) == []
    match = Match.objects.get(merchant=northwind, kind="funding")
    assert (match.provider, match.amount_minor) == ("adyen", 3_630)
    assert balance(northwind, Code.PROVIDER_CLEARING) == 0
    assert balance(northwind, Code.PROVIDER_FEES) == 170
    capture.refresh_from_db()
    assert capture.fee_minor == 170
    funded = FundedOperation.objects.filter(match=match).order_by("amount_minor")
    assert [(row.amount_minor, row.fee_minor) for row in funded] == [(-1_200, 0), (5_000, 170)]
    assert_all_invariants_hold()


class TestARefundThatFails:
    """Adyen says that it is done, and then that it failed; the batch with the money back explains it."""

    @pytest.fixture
    def refund(self, ada, sandbox) -> Refund:
        sold(sandbox, ada, 20_000)
        payment = sold(sandbox, ada, 5_000, scenario="refund_fails_late")
        refund = settling.refund(payment, AT, 1_200)
        self.hear(sandbox, refund, "REFUND", AT)
        assert refund.state == "completed"
        return refund

    def hear(self, sandbox: AdyenSandbox, refund: Refund, event: str, at: datetime) -> None:
        """Let the house hear of an event of a refund as soon as it is made."""
        operation = ProviderOperation.objects.get(subject_id=refund.pk, kind="refund")
        webhook = sandbox.wait_for(operation.provider_reference, event)
        webhook_intake.receive("adyen", {}, sandbox.as_sent(webhook), at)
        apply_due(max(at, clock.now()))
        refund.refresh_from_db()

    def test_after_its_batch_comes_back_by_the_next(self, northwind, ada, sandbox, refund):
        file = settling.statement_file(sandbox.network, AT)  # at once: it fails a moment later
        self.hear(sandbox, refund, "REFUND_FAILED", NEXT_DAY)
        assert refund.state == "failed"
        sold(sandbox, ada, 1_000, NEXT_DAY)
        settling.take_in(northwind, file, AT)
        settling.take_in(northwind, settling.statement_file(sandbox.network, NEXT_DAY), NEXT_DAY)
        assert (reasons(northwind), balance(northwind, Code.PROVIDER_CLEARING)) == ([], 0)
        moved = FundedOperation.objects.filter(operation__subject_id=refund.pk).order_by("pk")
        assert [row.amount_minor for row in moved] == [-1_200, 1_200]
        assert list(walking.explain_all([moved[1].operation.public_id]).reasons()) == []
        assert_all_invariants_hold()

    def test_whose_webhook_never_came_is_heard_by_the_report(self, northwind, sandbox, refund):
        reference = ProviderOperation.objects.get(subject_id=refund.pk, kind="refund").provider_reference
        sandbox.wait_for(reference, "REFUND_FAILED")
        settling.take_in(northwind, settling.statement_file(sandbox.network, AT), AT)
        assert (reasons(northwind), balance(northwind, Code.PROVIDER_CLEARING)) == ([], 0)
        refund.refresh_from_db()
        assert refund.state == "failed"
        self.hear(sandbox, refund, "REFUND_FAILED", NEXT_DAY)
        assert ProviderOperation.objects.filter(subject_id=refund.pk, kind="refund_returned").count() == 1
        assert_all_invariants_hold()


def paid_at_once(sandbox: AdyenSandbox, vendor: Any, minor: int, **how: str) -> Payment:
    """Sell in one call, on the lender's page where one pays."""
    order = replace(
        settling.wanted(sandbox.network, vendor, Money(minor, "EUR"), token=sandbox.token()),
        capture_method="automatic", is_confirmed=True, return_url="https://shop.example/", **how,
    )  # fmt: skip
    whose = {"merchant_id": vendor.merchant_id, "actor": SYSTEM, "at": AT}
    payment = paying.pay(payment_id=uuid7(), wanted=order, **whose)
    if payment.action_url:
        answer = httpx.post(payment.action_url, data={"result": "success"}, trust_env=False)
        brought = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
        returning.come_back(ProviderOperation.objects.get(payment=payment).pk, brought, AT)
    payment.refresh_from_db()
    tell(sandbox, payment, AT)
    return payment


def test_what_was_sold_in_one_call_is_explained_with_its_fee_too(northwind, ada, sandbox):
    card = paid_at_once(sandbox, ada, 5_000)
    lent = paid_at_once(sandbox, ada, 7_000, method_type="bnpl", method_token="klarna.DE")
    assert (card.state, lent.state) == ("captured", "captured")
    settling.refund(lent, AT, 1_200)
    tell(sandbox, lent, AT)
    settling.take_in(northwind, settling.statement_file(sandbox.network, AT), AT)
    assert reasons(northwind) == []
    assert balance(northwind, Code.PROVIDER_CLEARING) == 0
    fees = ProviderOperation.objects.filter(merchant=northwind, kind="capture").values_list(
        "fee_minor", flat=True
    )
    assert len(fees) == 2
    assert sum(fees) == balance(northwind, Code.PROVIDER_FEES) > 0
    assert_all_invariants_hold()


def test_what_a_dispute_takes_is_explained_with_its_fee(northwind, ada, sandbox):
    sold(sandbox, ada, 20_000)
    sold(sandbox, ada, 9_000, scenario="dispute")
    settling.take_in(northwind, settling.statement_file(sandbox.network, AT), AT)
    assert reasons(northwind) == []
    assert balance(northwind, Code.PROVIDER_CLEARING) == 0
    moved = FundedOperation.objects.get(match__merchant=northwind, operation__kind="withdrawal")
    assert (moved.amount_minor, moved.fee_minor) == (-9_000, 1_500)
    assert_all_invariants_hold()


@pytest.mark.parametrize(("currency", "minor"), [("JPY", 5_000), ("ISK", 900), ("KWD", 12_340)])
def test_it_holds_for_currencies_of_any_exponent(northwind, ada, sandbox, currency, minor):
    sold(sandbox, ada, minor, currency=currency)
    settling.take_in(northwind, settling.statement_file(sandbox.network, AT, currency), AT)
    assert reasons(northwind) == []
    assert balance(northwind, Code.PROVIDER_CLEARING, currency) == 0


def test_a_capture_whose_webhook_never_came_is_a_break(northwind, ada, sandbox):
    token = sandbox.token()
    payment = settling.sell(sandbox.network, ada, Money(5_000, "EUR"), AT, token=token)
    assert payment.state == "authorized"
    settling.take_in(northwind, settling.statement_file(sandbox.network, AT), AT)
    assert "operation_unknown" in reasons(northwind) or "operation_differs" in reasons(northwind)
