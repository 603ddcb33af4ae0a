"""Two providers pay into one bank account: each line is explained by its own provider's report, both ways."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger import balances, chart
from ledger.actors import SYSTEM, Actor
from ledger.chart import Code
from ledger.events import Cause
from ledger.explain import walking
from ledger.ids import uuid7
from ledger.money import Money
from payments.models import Contradiction, Dispute, Payment, ProviderOperation, Refund
from payments.providers import registry
from payments.providers.notices import DisputeNotice
from payments.providers.outcomes import Declined
from payments.providers.requests import returned_key
from payments.providers.stripe import webhooks
from payments.services.calls import operations
from payments.services.disputes import disputing
from payments.services.payments import authorizing, capturing, creating
from payments.services.refunds import refunding, returned_refunds
from payments.services.unknown import deciding_unknown
from settlements import selectors
from settlements.models import BankStatement, FundedOperation, Match
from settlements.services import reconciling
from tests.kit import settling
from tests.kit.books import assert_all_invariants_hold
from tests.kit.network import Network, eventually
from tests.kit.settling import Forgery
from tests.kit.stripe import StripeSandbox
from vendors.models import Vendor

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 2, 22, tzinfo=UTC)
NEXT_DAY = AT + timedelta(days=1)
STRIPE_CARD = "pm_card_visa"
GRACE, HANK = Actor("staff", "7", "grace"), Actor("staff", "8", "hank")


@pytest.fixture
def stripe_there(own_network):
    return StripeSandbox(own_network)


def clearing(merchant, provider: str, currency: str = "EUR") -> int:
    return balances.balance(chart.account(Code.PROVIDER_CLEARING, merchant.pk, currency, provider)).minor


def reasons(merchant) -> list[str]:
    return sorted(selectors.open_breaks(merchant.pk).values_list("reason", flat=True))


def reports(merchant) -> dict[str, str]:
    return dict(Match.objects.filter(merchant=merchant, kind="funding").values_list("provider", "report"))


def told(sandbox: StripeSandbox, payment: Payment, **wanted: Any) -> Dispute:
    """Let the house hear how a payment's dispute stands at Stripe."""
    (there,) = sandbox.truth("dispute", payment_intent=payment.provider_reference, **wanted)
    event = {
        "id": f"evt_{there['status']}", "type": "charge.dispute.updated", "data": {"object": there},
        "created": there["created"] + len(there["balance_transactions"]),
    }  # fmt: skip
    notice = webhooks.notice(event)
    assert isinstance(notice, DisputeNotice)
    return disputing.follow("stripe", notice, actor=SYSTEM, cause=Cause("test", "told"), at=AT)


class TestADayOfTwoProviders:
    def test_is_explained_line_by_line(self, northwind, ada, own_network):
        settling.sell(own_network, ada, Money(10_000, "EUR"), AT)
        sold = settling.sell(own_network, ada, Money(5_000, "EUR"), AT, token=STRIPE_CARD)
        settling.refund(sold, AT, 1_200)
        file = settling.statement_file(own_network, AT)
        assert settling.take_in(northwind, file, AT).new_lines == 2
        assert reasons(northwind) == []
        assert set(reports(northwind)) == {"velocitypay", "stripe"}
        assert (clearing(northwind, "velocitypay"), clearing(northwind, "stripe")) == (0, 0)
        funded = FundedOperation.objects.filter(match__merchant=northwind, match__provider="stripe").order_by(
            "amount_minor"
        )
        assert [(row.amount_minor, row.fee_minor) for row in funded] == [(-1_200, 0), (5_000, 170)]
        assert_all_invariants_hold()

    def test_explains_a_sale_and_captures_in_parts_over_two_payouts(self, northwind, ada, own_network):
        whose: dict[str, Any] = {"merchant_id": northwind.pk, "actor": SYSTEM, "at": AT}
        order = settling.wanted(own_network, ada, Money(9_000, "EUR"), token=STRIPE_CARD)
        payment = creating.create(payment_id=uuid7(), wanted=order, **whose)
        authorizing.authorize(payment_id=payment.pk, operation_id=uuid7(), **whose)
        for _ in range(2):
            part = Money(2_000, "EUR")
            capturing.capture(payment_id=payment.pk, operation_id=uuid7(), amount=part, **whose)
        settling.take_in(northwind, settling.statement_file(own_network, AT), AT)
        whose["at"] = NEXT_DAY
        for minor in (2_000, 3_000):
            part = Money(minor, "EUR")
            capturing.capture(payment_id=payment.pk, operation_id=uuid7(), amount=part, **whose)
        settling.take_in(northwind, settling.statement_file(own_network, NEXT_DAY), NEXT_DAY)
        assert reasons(northwind) == []
        assert clearing(northwind, "stripe") == 0
        funded = FundedOperation.objects.filter(match__merchant=northwind)
        by_day = {
            row.operation_id: row.match.line.statement.closed_on
            for row in funded.select_related("match__line__statement")
        }
        parts = ProviderOperation.objects.filter(payment=payment, kind="capture").order_by("pk")
        days = [AT.date(), AT.date(), NEXT_DAY.date(), NEXT_DAY.date()]
        assert [by_day[part.pk] for part in parts] == days
        assert_all_invariants_hold()

    @pytest.mark.parametrize(("currency", "minor"), [("JPY", 5_000), ("KWD", 12_340), ("ISK", 900)])
    def test_holds_for_currencies_of_any_exponent(self, northwind, ada, own_network, currency, minor):
        settling.sell(own_network, ada, Money(minor, currency), AT, token=STRIPE_CARD)
        settling.take_in(northwind, settling.statement_file(own_network, AT, currency), AT)
        assert reasons(northwind) == []
        assert clearing(northwind, "stripe", currency) == 0

    def test_explains_what_a_dispute_takes_and_gives_back_with_its_fee(
        self, northwind, ada, own_network, stripe_there
    ):
        sold = settling.sell(
            own_network, ada, Money(9_000, "EUR"), AT, token="pm_card_createDispute"
        )  # fmt: skip
        settling.sell(own_network, ada, Money(20_000, "EUR"), AT, token=STRIPE_CARD)
        dispute = told(stripe_there, sold)
        settling.take_in(northwind, settling.statement_file(own_network, AT), AT)
        assert reasons(northwind) == []
        stripe_there.client.post(
            f"/v1/disputes/{dispute.provider_reference}",
            data={"evidence[uncategorized_text]": "winning_evidence"},
        ).raise_for_status()
        eventually(
            lambda: stripe_there.truth("dispute", id=dispute.provider_reference, status="won"), "it is won"
        )
        told(stripe_there, sold)
        settling.take_in(northwind, settling.statement_file(own_network, NEXT_DAY), NEXT_DAY)
        assert reasons(northwind) == []
        assert clearing(northwind, "stripe") == 0
        moved = FundedOperation.objects.filter(operation__subject_type=Dispute.SUBJECT).order_by("pk")
        assert [(row.amount_minor, row.fee_minor) for row in moved] == [(-9_000, 1_500), (9_000, -1_500)]
        assert_all_invariants_hold()

    def test_adopts_a_refund_that_was_made_in_stripes_dashboard(
        self, northwind, ada, own_network, stripe_there
    ):
        sold = settling.sell(own_network, ada, Money(5_000, "EUR"), AT, token=STRIPE_CARD)
        asked = {"payment_intent": sold.provider_reference, "amount": "700"}
        stripe_there.client.post("/v1/refunds", data=asked).raise_for_status()
        settling.take_in(northwind, settling.statement_file(own_network, AT), AT)
        assert reasons(northwind) == []
        sold.refresh_from_db()
        assert sold.refunded_minor == 700
        assert_all_invariants_hold()


class TestARefundThatFails:
    """Stripe says that it is done, or pending, and then that it failed."""

    def failed(self, refund: Refund, sandbox: StripeSandbox, at: datetime) -> None:
        """Wait until Stripe says so, and let the house hear it."""
        operation = ProviderOperation.objects.get(subject_id=refund.pk, kind="refund")
        key = operation.idempotency_key
        eventually(lambda: sandbox.truth_of(key)[0]["status"] == "failed", "it fails")
        outcome = operations.find(operation)
        assert isinstance(outcome, Declined)
        refunding.conclude(operation_id=operation.pk, outcome=outcome, actor=SYSTEM, at=at)
        refund.refresh_from_db()
        assert refund.state == "failed"

    def sold(self, network: Network, vendor: Vendor, card: str) -> Payment:
        settling.sell(network, vendor, Money(20_000, "EUR"), AT, token=STRIPE_CARD)
        return settling.sell(network, vendor, Money(5_000, "EUR"), AT, token=f"pm_card_{card}")

    def test_after_its_payout_comes_back_by_the_next(self, northwind, ada, own_network, stripe_there):
        refund = settling.refund(self.sold(own_network, ada, "refundFail"), AT, 1_200)
        assert refund.state == "completed"
        file = settling.statement_file(own_network, AT)  # at once: it fails a moment later
        self.failed(refund, stripe_there, NEXT_DAY)
        settling.sell(own_network, ada, Money(1_000, "EUR"), NEXT_DAY, token=STRIPE_CARD)
        settling.take_in(northwind, file, AT)
        settling.take_in(northwind, settling.statement_file(own_network, NEXT_DAY), NEXT_DAY)
        assert reasons(northwind) == []
        assert clearing(northwind, "stripe") == 0
        moved = FundedOperation.objects.filter(operation__subject_id=refund.pk).order_by("pk")
        assert [row.amount_minor for row in moved] == [-1_200, 1_200]
        assert_all_invariants_hold()
        returned = moved[1].operation.public_id
        story = walking.explain_all([returned])
        assert list(story.reasons()) == []

    def test_within_a_payout_is_taken_and_given_back_in_one(self, northwind, ada, own_network, stripe_there):
        refund = settling.refund(self.sold(own_network, ada, "refundFail"), AT, 1_200)
        self.failed(refund, stripe_there, AT)
        settling.take_in(northwind, settling.statement_file(own_network, AT), AT)
        assert (reasons(northwind), clearing(northwind, "stripe")) == ([], 0)
        assert_all_invariants_hold()

    def test_is_heard_by_the_report_when_no_message_comes(self, northwind, ada, own_network, stripe_there):
        refund = settling.refund(self.sold(own_network, ada, "refundFail"), AT, 1_200)
        key = ProviderOperation.objects.get(subject_id=refund.pk).idempotency_key
        eventually(lambda: stripe_there.truth_of(key)[0]["status"] == "failed", "it fails")
        settling.take_in(northwind, settling.statement_file(own_network, AT), AT)
        assert (reasons(northwind), clearing(northwind, "stripe")) == ([], 0)
        self.failed(refund, stripe_there, AT)  # the message comes late: nothing is left to do
        assert refund.failure_message == returned_refunds.REPORTED
        assert_all_invariants_hold()

    def test_for_another_amount_is_not_believed(self, northwind, ada, own_network):
        refund = settling.refund(self.sold(own_network, ada, "visa"), AT, 1_200)
        key = ProviderOperation.objects.get(subject_id=refund.pk).idempotency_key
        for returned, minor in ((returned_key(key), 1_199), (returned_key("op_nobodys"), 1_200)):
            returned_refunds.hear(
                provider="stripe", returned=returned, amount=Money(minor, "EUR"), actor=SYSTEM, at=AT
            )
        refund.refresh_from_db()
        assert refund.state == "completed"

    def test_before_it_was_ever_done_is_nothing(self, northwind, ada, own_network, stripe_there):
        stripe_there.script("pending_then_fail:expired_or_canceled_card", operation="refund")
        refund = settling.refund(self.sold(own_network, ada, "visa"), AT, 1_200)
        assert refund.state == "processing"
        self.failed(refund, stripe_there, AT)
        settling.take_in(northwind, settling.statement_file(own_network, AT), AT)
        assert (reasons(northwind), clearing(northwind, "stripe")) == ([], 0)
        assert not FundedOperation.objects.filter(operation__subject_id=refund.pk).exists()
        assert_all_invariants_hold()


@pytest.mark.parametrize("is_paid_first", [True, False])
def test_velocitypays_refund_that_fails_late_comes_back_too(northwind, ada, own_network, is_paid_first):
    settling.sell(own_network, ada, Money(20_000, "EUR"), AT)
    sold = settling.sell(own_network, ada, Money(5_000, "EUR"), AT, scenario="refund_fails_late")
    refund = settling.refund(sold, AT, 1_200)
    assert refund.state == "completed"
    if is_paid_first:
        settling.take_in(northwind, settling.statement_file(own_network, AT), AT)
    key = ProviderOperation.objects.get(subject_id=refund.pk, leg="refund").idempotency_key
    eventually(lambda: own_network.truth(idempotency_key=key)[0]["status"] == "failed", "it fails")
    settling.sell(own_network, ada, Money(3_000, "EUR"), NEXT_DAY)
    settling.take_in(northwind, settling.statement_file(own_network, NEXT_DAY), NEXT_DAY)
    refund.refresh_from_db()
    assert (refund.state, reasons(northwind), clearing(northwind, "velocitypay")) == ("failed", [], 0)
    moved = FundedOperation.objects.filter(operation__subject_id=refund.pk)
    assert sorted(row.amount_minor for row in moved) == [-1_200, 1_200]
    assert_all_invariants_hold()


class TestARefundThatIsDoneAfterAll:
    """Stripe says that it is done, that it failed, and then that it is done after all."""

    @pytest.fixture
    def refund(self, ada, own_network, stripe_there) -> Refund:
        settling.sell(own_network, ada, Money(20_000, "EUR"), AT, token=STRIPE_CARD)
        stripe_there.script("fail_later:lost_or_stolen_card", operation="refund")
        sold = settling.sell(own_network, ada, Money(5_000, "EUR"), AT, token=STRIPE_CARD)
        return settling.refund(sold, AT, 1_200)

    def do_after_all(self, sandbox: StripeSandbox, refund: Refund) -> None:
        """Let Stripe do it, once it has failed there."""
        key = ProviderOperation.objects.get(subject_id=refund.pk, leg="refund").idempotency_key
        eventually(lambda: sandbox.truth_of(key)[0]["status"] == "failed", "it fails")
        sandbox.do_after_all(sandbox.truth_of(key)[0]["id"])

    def believe(self, found: Contradiction) -> None:
        """One person accepts it, two conclude what is held for it."""
        deciding_unknown.accept(contradiction_id=found.pk, actor=GRACE, reason="seen there", at=AT)
        assert_all_invariants_hold()
        again = ProviderOperation.objects.get(
            subject_id=found.operation.subject_id, idempotency_key__endswith=":again"
        )
        by = {"operation_id": again.pk, "reason": "the payer has it", "at": AT}
        deciding_unknown.propose_done(actor=GRACE, **by)
        with pytest.raises(deciding_unknown.SamePerson):
            deciding_unknown.confirm_done(actor=GRACE, **by)
        deciding_unknown.confirm_done(actor=HANK, **by)

    def test_is_heard_by_its_report_and_funded_once_it_is_believed(
        self, northwind, ada, own_network, stripe_there, refund
    ):
        settling.take_in(northwind, settling.statement_file(own_network, AT), AT)
        self.do_after_all(stripe_there, refund)
        settling.sell(own_network, ada, Money(3_000, "EUR"), NEXT_DAY, token=STRIPE_CARD)
        settling.take_in(northwind, settling.statement_file(own_network, NEXT_DAY), NEXT_DAY)
        refund.refresh_from_db()
        assert refund.state == "failed"
        assert "operation_funded_twice" in reasons(northwind)
        self.believe(Contradiction.objects.get(operation__subject_id=refund.pk))
        account, currency = BankStatement.objects.filter(merchant=northwind).values_list(
            "account", "currency"
        )[0]
        reconciling.reconcile(
            merchant_id=northwind.pk, account=account, currency=currency, actor=SYSTEM, at=NEXT_DAY
        )
        assert (reasons(northwind), clearing(northwind, "stripe")) == ([], 0)
        refund.refresh_from_db()
        assert (refund.state, refund.payment.refunded_minor, refund.tries) == ("completed", 1_200, 2)
        moved = FundedOperation.objects.filter(operation__subject_id=refund.pk)
        assert sorted(row.amount_minor for row in moved) == [-1_200, -1_200, 1_200]
        assert list(walking.explain_all([refund.public_id]).reasons()) == []
        assert_all_invariants_hold()


class TestAFalseLine:
    @pytest.fixture
    def file(self, northwind, ada, own_network):
        settling.sell(own_network, ada, Money(10_000, "EUR"), AT)
        settling.sell(own_network, ada, Money(5_000, "EUR"), AT, token=STRIPE_CARD)
        return settling.statement_file(own_network, AT)

    def test_that_is_missing_leaves_only_stripes_money_open(self, northwind, file):
        settling.take_in(northwind, Forgery(file).drop("po_").content(), AT)
        assert reasons(northwind) == ["operations_not_funded"]
        assert (clearing(northwind, "velocitypay"), clearing(northwind, "stripe")) == (0, 4_830)

    def test_of_another_amount_is_not_booked(self, northwind, file):
        settling.take_in(northwind, Forgery(file).amount("po_", "48.31").content(), AT)
        assert reasons(northwind) == ["operations_not_funded", "report_total_differs"]
        assert clearing(northwind, "stripe") == 4_830

    def test_with_money_that_is_not_ours_is_a_break(self, northwind, ada, own_network, stripe_there):
        settling.sell(own_network, ada, Money(5_000, "EUR"), AT, token=STRIPE_CARD)
        stranger = {"amount": "900", "currency": "eur", "payment_method": STRIPE_CARD, "confirm": "true"}
        stripe_there.client.post("/v1/payment_intents", data=stranger).raise_for_status()
        settling.take_in(northwind, settling.statement_file(own_network, AT), AT)
        assert reasons(northwind) == ["operation_unknown", "operations_not_funded"]
        assert clearing(northwind, "stripe") == 4_830


def test_a_line_names_the_provider_and_its_report(network):
    named = registry.report_named
    assert named("VELOCITYPAY SETTLEMENT sr_eur_20261120_1") == ("velocitypay", "sr_eur_20261120_1")
    assert named("xx STRIPE PAYOUT po_1a2B /yy") == ("stripe", "po_1a2B")
    assert named("STRIPE PAYOUT") is None
    assert named("PAYOUT po_0190a1b2") is None
