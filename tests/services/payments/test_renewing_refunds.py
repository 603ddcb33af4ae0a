"""A refund that its provider failed: asked for anew, or believed to have happened after all; never both."""

import pytest

from ledger import clock
from ledger.actors import Actor, provider_actor
from ledger.chart import Code
from ledger.explain.walking import explain
from ledger.models import AuditRecord, Event, JournalEntry
from ledger.money import Money
from payments.models import Contradiction, Payment, PaymentTransaction, ProviderOperation, Refund
from payments.providers.outcomes import Approved, Declined
from payments.rules.refund_division import RefundTooLarge
from payments.services.calls import operations, recovering
from payments.services.refunds import refunding, renewing_refunds, requesting_refunds
from payments.services.refunds.renewing_refunds import RefundNotAskable
from payments.services.refunds.requesting_refunds import FourEyes
from payments.services.unknown import deciding_unknown
from payments.services.unknown.deciding_unknown import CannotBeAccepted
from tests.kit.books import assert_all_invariants_hold
from tests.kit.refunds import KEY, balance, payment_of, process, request
from tests.kit.shop import Shop, split
from tests.services.payments.cast import now_plus
from vendors.models import Vendor

pytestmark = pytest.mark.django_db

GRACE, HANK = Actor("staff", "7", "grace"), Actor("staff", "8", "hank")
VELOCITY = provider_actor("velocitypay")
NO = Declined("no_such_account", "The account is closed", None, is_hard=True)


@pytest.fixture
def payment(shop: Shop, ada: Vendor, bruno: Vendor) -> Payment:
    """100.00 captured: 60.00 Ada's at 10 %, 30.00 Bruno's at 12.5 %, 10.00 the merchant's own."""
    return payment_of(shop.captured(vendor_split=split((ada, 6_000), (bruno, 3_000))))


def again(refund: Refund, actor: Actor = KEY, *, needs_second: bool = False) -> Refund:
    return renewing_refunds.ask_again(
        merchant_id=refund.merchant_id, refund_id=refund.pk, reason="her account is open again", actor=actor,
        at=clock.now(), needs_second=needs_second,
    )  # fmt: skip


def failed_late(payment: Payment, minor: int = 5_000) -> Refund:
    refund = process(request(payment, minor))
    tell(operation_of(refund), NO)
    refund = Refund.objects.get(pk=refund.pk)
    assert refund.state == "failed"
    return refund


def operation_of(refund: Refund) -> ProviderOperation:
    return operations_of(refund)[-1]


def operations_of(refund: Refund) -> list[ProviderOperation]:
    asked = ProviderOperation.objects.filter(subject_id=refund.pk, kind="refund")
    return list(asked.order_by("created_at"))


def tell(operation: ProviderOperation, outcome: Approved | Declined) -> None:
    operations.conclude(operation, outcome, actor=VELOCITY, at=clock.now())


def yes(refund: Refund) -> Approved:
    return Approved("re_after_all", refund.amount, Money.zero(refund.currency))


class TestAskedForAnew:
    def test_is_given_back_by_another_operation_and_posted_again(
        self, payment: Payment, northwind, ada
    ) -> None:
        refund = again(failed_late(payment))
        assert (refund.state, refund.tries, refund.failure_code, refund.closed_at) == (
            "approved",
            2,
            "",
            None,
        )
        payment.refresh_from_db()
        assert (payment.refunding_minor, payment.refunded_minor) == (5_000, 0)
        assert_all_invariants_hold()
        refund = process(refund)
        assert refund.state == "completed"
        payment.refresh_from_db()
        assert (payment.refunding_minor, payment.refunded_minor) == (0, 5_000)
        assert balance(northwind, Code.VENDOR_PENDING, ada.pk) == -(6_000 - 600 - 3_000 + 300)
        assert list(
            JournalEntry.objects.filter(source_id=refund.pk).order_by("id").values_list("step", flat=True)
        ) == ["refund", "refund_returned", "refund:2"]
        first, second = operations_of(refund)
        assert first.idempotency_key != second.idempotency_key
        assert_all_invariants_hold()

    def test_fails_late_once_more_and_is_asked_for_a_third_time(self, payment: Payment, northwind) -> None:
        before = balance(northwind, Code.COMMISSION)
        refund = process(again(failed_late(payment, 3_000)))  # the network knows three of them
        first = operations_of(refund)[0]
        tell(first, NO)  # the word on the first try again: it is not about this one
        refund.refresh_from_db()
        assert refund.state == "completed"
        tell(operation_of(refund), NO)
        refund.refresh_from_db()
        assert refund.state == "failed"
        assert balance(northwind, Code.COMMISSION) == before
        assert process(again(refund)).state == "completed"
        steps = JournalEntry.objects.filter(source_id=refund.pk).order_by("id").values_list("step", flat=True)
        assert list(steps) == ["refund", "refund_returned", "refund:2", "refund_returned:2", "refund:3"]
        assert_all_invariants_hold()

    def test_every_try_stands_in_its_history_and_its_explanation(self, payment: Payment) -> None:
        refund = process(again(failed_late(payment)))
        told = Event.objects.filter(subject_id=refund.pk).order_by("sequence").values_list("type", flat=True)
        assert [kind.partition(".")[2] for kind in told] == [
            "approved", "processing", "completed", "failed", "approved", "processing", "completed",
        ]  # fmt: skip
        record = AuditRecord.objects.get(action="refund.asked_again", object_id=refund.public_id)
        assert record.reason == "her account is open again"
        story = explain(refund)
        assert [(part.label, part.amount.minor) for part in story.root.parts] == [
            ("given back", 5_000),
            ("came back: it had failed", -5_000),
            ("given back", 5_000),
        ]
        assert list(story.reasons()) == []

    def test_that_failed_late_explains_both_ways(self, payment: Payment) -> None:
        story = explain(failed_late(payment))
        assert [part.amount.minor for part in story.root.parts] == [5_000, -5_000]
        assert list(story.reasons()) == []

    def test_that_was_refused_at_once_can_be_too(self, shop: Shop) -> None:
        refund = process(request(payment_of(shop.captured("refund_fails")), 100))
        assert refund.state == "failed"
        assert process(again(refund)).state == "failed"
        assert Refund.objects.get(pk=refund.pk).tries == 2

    def test_above_the_limit_waits_for_a_second_person(self, payment: Payment) -> None:
        refund = failed_late(payment)
        payment.merchant.refund_approval_above = {"USD": 999}
        payment.merchant.save()
        assert again(refund).state == "requested"
        refund = decide(refund, GRACE)
        assert process(refund).state == "completed"

    def test_by_staff_always_takes_two(self, payment: Payment) -> None:
        refund = again(failed_late(payment, 100), GRACE, needs_second=True)
        assert refund.state == "requested"
        with pytest.raises(FourEyes):
            decide(refund, GRACE)
        assert process(decide(refund, HANK)).state == "completed"

    def test_only_what_its_provider_failed(self, payment: Payment) -> None:
        waiting = request(payment, 100)
        given_up = refunding.fail(
            merchant_id=payment.merchant_id, refund_id=request(payment, 200).pk, reason="kept", actor=KEY,
            at=clock.now(),
        )  # fmt: skip
        for refund in (waiting, given_up, process(request(payment, 300))):
            before = (refund.state, refund.tries)
            with pytest.raises(RefundNotAskable):
                again(refund)
            refund.refresh_from_db()
            assert (refund.state, refund.tries) == before

    def test_not_for_money_that_others_have_spoken_for(self, payment: Payment) -> None:
        refund = failed_late(payment)
        request(payment, 9_000)
        before = Payment.objects.get(pk=payment.pk).version
        with pytest.raises(RefundTooLarge):
            again(refund)
        assert Payment.objects.get(pk=payment.pk).version == before

    def test_not_for_money_that_other_shares_gave(self, payment: Payment, ada: Vendor) -> None:
        """Enough is left of the payment, but not of the share that gave it."""
        refund = failed_late(payment)
        share = PaymentTransaction.objects.get(payment=payment, vendor=ada)
        request(payment, None, {share.pk: 4_000})
        with pytest.raises(RefundTooLarge, match="vendor's share"):
            again(refund)


class TestBelieved:
    """Refused, and then said to have happened after all."""

    @pytest.fixture
    def refused(self, shop: Shop, payment: Payment) -> Refund:
        """Done at the network, whose answer was lost; and here it was taken for refused."""
        shop.network.script("timeout_after", operation="refund")
        refund = process(request(payment, 5_000))
        assert refund.state == "processing"
        tell(operation_of(refund), NO)
        refund.refresh_from_db()
        assert refund.state == "failed"
        return refund

    def contradiction(self, refund: Refund) -> Contradiction:
        tell(operation_of(refund), yes(refund))
        return Contradiction.objects.get(operation=operation_of(refund))

    def accept(self, found: Contradiction) -> None:
        deciding_unknown.accept(contradiction_id=found.pk, actor=GRACE, reason="seen there", at=clock.now())

    def test_is_asked_about_and_booked_once(self, shop: Shop, refused: Refund, payment: Payment) -> None:
        found = self.contradiction(refused)
        assert (found.was, found.said, found.state) == ("declined", "approved", "open")
        self.accept(found)
        refused.refresh_from_db()
        payment.refresh_from_db()
        assert (refused.state, refused.failure_code, payment.refunding_minor) == ("processing", "", 5_000)
        assert_all_invariants_hold()
        recovering.sweep(now_plus(1))
        refused.refresh_from_db()
        payment.refresh_from_db()
        assert (refused.state, payment.refunded_minor, payment.refunding_minor) == ("completed", 5_000, 0)
        assert JournalEntry.objects.get(source_id=refused.pk).step == "refund"
        key = operation_of(refused).idempotency_key
        assert len(shop.network.truth(kind="refund", idempotency_key=key)) == 1
        assert AuditRecord.objects.filter(action="contradiction.accepted", reason="seen there").exists()
        assert_all_invariants_hold()
        with pytest.raises(CannotBeAccepted):
            self.accept(found)

    def test_what_the_provider_does_not_know_is_never_sent(self, shop: Shop, payment: Payment) -> None:
        shop.network.script("timeout_before", operation="refund")
        refund = process(request(payment, 5_000))
        tell(operation_of(refund), NO)
        self.accept(self.contradiction(refund))
        for later in (1, 60, 120):
            recovering.sweep(now_plus(later))
        operation = operation_of(refund)
        assert operation.is_held
        assert shop.network.truth(idempotency_key=operation.idempotency_key) == []
        by = {"operation_id": operation.pk, "reason": "they never did", "at": clock.now()}
        deciding_unknown.propose_not_done(actor=GRACE, **by)
        deciding_unknown.confirm_not_done(actor=HANK, **by)
        refund.refresh_from_db()
        payment.refresh_from_db()
        assert (refund.state, refund.failure_code, payment.refunding_minor) == ("failed", "not_done", 0)
        assert_all_invariants_hold()

    def test_is_not_asked_for_anew_while_nobody_has_decided(self, refused: Refund) -> None:
        found = self.contradiction(refused)
        with pytest.raises(RefundNotAskable, match="says now"):
            again(refused)
        deciding_unknown.close(contradiction_id=found.pk, actor=GRACE, reason="they erred", at=clock.now())
        assert again(refused).state == "approved"

    def test_not_when_it_was_asked_for_anew(self, refused: Refund) -> None:
        first = operation_of(refused)
        refund = process(again(refused))
        tell(first, yes(refund))
        found = Contradiction.objects.get(operation=first)
        with pytest.raises(CannotBeAccepted, match="asked for again"):
            self.accept(found)
        assert Refund.objects.get(pk=refund.pk).state == "completed"

    def test_not_when_others_have_spoken_for_its_money(self, refused: Refund, payment: Payment) -> None:
        found = self.contradiction(refused)
        other = request(payment, 9_000)
        with pytest.raises(CannotBeAccepted, match="left to refund"):
            self.accept(found)
        refunding.fail(
            merchant_id=other.merchant_id, refund_id=other.pk, reason="it went back", actor=KEY,
            at=clock.now(),
        )  # fmt: skip
        self.accept(found)
        assert Refund.objects.get(pk=refused.pk).state == "processing"

    def test_a_done_refund_of_another_amount_stays_as_booked(self, payment: Payment) -> None:
        refund = process(request(payment, 5_000))
        tell(operation_of(refund), Approved("re_1", Money(4_000, "USD"), Money.zero("USD")))
        found = Contradiction.objects.get(operation=operation_of(refund))
        assert found.said == "mismatch"
        with pytest.raises(CannotBeAccepted, match="what was booked stays"):
            self.accept(found)


def decide(refund: Refund, actor: Actor) -> Refund:
    return requesting_refunds.approve(
        merchant_id=refund.merchant_id, refund_id=refund.pk, reason="seen", actor=actor, at=clock.now()
    )
