"""Refunds: reserved at once, carried out at the network, posted, given back, turned back."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps

from ledger import chart, clock
from ledger.actors import Actor, provider_actor
from ledger.chart import Code
from ledger.ids import uuid7
from ledger.journal import EntryDraft, credit, debit
from ledger.locks import phase
from ledger.models import AuditRecord
from ledger.money import Money
from ledger.states import StateConflict
from payments import selectors
from payments.invariants import payments as invariants
from payments.models import Payment, PaymentTransaction, ProviderOperation, Refund
from payments.providers.outcomes import Approved, Declined
from payments.rules.refund_division import BadRefundSplit, RefundTooLarge
from payments.services.calls import operations, recovering
from payments.services.refunds import refunding, requesting_refunds
from payments.services.refunds.requesting_refunds import FourEyes, PaymentNotRefundable, SeniorNeeded
from tests.kit.books import assert_all_invariants_hold, post
from tests.kit.refunds import KEY, balance, payment_of, process, request, share_of, wish
from tests.kit.shop import Shop, split

pytestmark = pytest.mark.django_db

GRACE = Actor("staff", "7", "grace")


@pytest.fixture
def payment(shop: Shop, ada, bruno) -> Payment:
    """100.00 captured: 60.00 Ada's at 10 %, 30.00 Bruno's at 12.5 %, 10.00 the merchant's own."""
    return payment_of(shop.captured(vendor_split=split((ada, 6_000), (bruno, 3_000))))


class TestRequest:
    def test_reserves_and_divides_in_proportion(self, payment: Payment) -> None:
        refund = request(payment, 1_000)
        payment.refresh_from_db()
        assert (refund.state, payment.refunding_minor) == ("approved", 1_000)
        assert [(s.amount_minor, s.commission_back_minor) for s in selectors.refund_shares_of(refund)] == [
            (600, 0),
            (300, 0),
        ]
        shares = PaymentTransaction.objects.filter(payment=payment).order_by("position")
        assert [share.refunding_minor for share in shares] == [600, 300]

    def test_takes_all_that_is_left_when_no_amount_is_given(self, payment: Payment) -> None:
        request(payment, 1_000)
        assert request(payment).amount_minor == 9_000

    def test_refuses_more_than_is_left_and_writes_nothing(self, payment: Payment) -> None:
        request(payment, 9_000)
        with pytest.raises(RefundTooLarge):
            request(payment, 1_001)
        assert Refund.objects.filter(payment=payment).count() == 1
        payment.refresh_from_db()
        assert payment.refunding_minor == 9_000

    def test_refuses_when_nothing_is_left(self, payment: Payment) -> None:
        request(payment)
        with pytest.raises(RefundTooLarge):
            request(payment)

    def test_refuses_a_payment_that_is_not_captured(self, shop: Shop) -> None:
        with pytest.raises(PaymentNotRefundable):
            request(payment_of(shop.authorized()), 1)

    def test_refuses_a_split_that_names_another_payments_share(self, payment: Payment) -> None:
        with pytest.raises(BadRefundSplit):
            request(payment, 100, {uuid7(): 100})

    def test_finds_what_the_same_request_made(self, payment: Payment) -> None:
        asked = wish(payment, 700)
        made = [
            requesting_refunds.request(merchant_id=payment.merchant_id, wish=asked, actor=KEY, at=clock.now())
            for _ in range(2)
        ]
        assert made[0].pk == made[1].pk
        payment.refresh_from_db()
        assert payment.refunding_minor == 700


class TestApproval:
    @pytest.fixture
    def above(self, payment: Payment) -> Refund:
        payment.merchant.refund_approval_above = {"USD": 999, "EUR": 1}
        payment.merchant.save()
        return request(payment, 1_000)

    def test_is_not_needed_up_to_the_limit(self, payment: Payment, above: Refund) -> None:
        assert request(payment, 999).state == "approved"

    def test_is_needed_above_the_limit(self, above: Refund) -> None:
        assert above.state == "requested"
        with pytest.raises(refunding.RefundAwaitsApproval):
            process(above)

    def test_lets_it_go_on(self, above: Refund) -> None:
        requesting_refunds.approve(
            merchant_id=above.merchant_id, refund_id=above.pk, reason="seen", actor=GRACE, at=clock.now()
        )
        assert process(above).state == "completed"

    def test_may_not_come_from_who_asked(self, payment: Payment, above: Refund) -> None:
        own = request(payment, 1_000, actor=GRACE)
        with pytest.raises(FourEyes):
            requesting_refunds.approve(
                merchant_id=own.merchant_id, refund_id=own.pk, reason="", actor=GRACE, at=clock.now()
            )

    def test_above_the_senior_limit_needs_a_senior_person(self, payment: Payment, above: Refund) -> None:
        payment.merchant.refund_senior_above = {"USD": 999}
        payment.merchant.save()
        decision = {
            "merchant_id": above.merchant_id,
            "refund_id": above.pk,
            "reason": "seen",
            "at": clock.now(),
        }
        with pytest.raises(SeniorNeeded):
            requesting_refunds.approve(actor=GRACE, **decision)
        with pytest.raises(FourEyes):
            requesting_refunds.approve(actor=KEY, is_senior=True, **decision)
        assert Refund.objects.get(pk=above.pk).state == "requested"
        assert requesting_refunds.approve(actor=GRACE, is_senior=True, **decision).state == "approved"

    def test_is_needed_above_the_senior_limit_alone(self, payment: Payment) -> None:
        payment.merchant.refund_senior_above = {"USD": 500}
        payment.merchant.save()
        assert request(payment, 501).state == "requested"
        assert request(payment, 500).state == "approved"

    def test_refused_frees_what_was_reserved(self, payment: Payment, above: Refund) -> None:
        requesting_refunds.reject(
            merchant_id=above.merchant_id, refund_id=above.pk, reason="no", actor=GRACE, at=clock.now()
        )
        payment.refresh_from_db()
        assert payment.refunding_minor == 0
        with pytest.raises(StateConflict):
            process(above)


class TestProcess:
    def test_posts_and_gives_the_commission_back(self, payment: Payment, northwind, ada, bruno) -> None:
        refund = process(request(payment, 5_000))
        assert refund.state == "completed"
        assert [s.commission_back_minor for s in selectors.refund_shares_of(refund)] == [300, 188]
        assert balance(northwind, Code.VENDOR_PENDING, ada.pk) == -(6_000 - 600 - 3_000 + 300)
        assert balance(northwind, Code.MERCHANT_BALANCE) == -500
        assert balance(northwind, Code.COMMISSION) == -(600 + 375 - 300 - 188)

    @pytest.mark.parametrize("parts", [[10_000], [3_333, 3_333, 3_334], [1] * 9 + [9_991]])
    def test_a_full_refund_leaves_nothing_with_anybody(
        self, payment: Payment, northwind, ada, bruno, parts: list[int]
    ) -> None:
        for part in parts:
            process(request(payment, part))
        payment.refresh_from_db()
        assert (payment.refunded_minor, payment.refunding_minor) == (10_000, 0)
        assert balance(northwind, Code.COMMISSION) == 0
        assert balance(northwind, Code.VENDOR_PENDING, ada.pk) == 0
        assert balance(northwind, Code.VENDOR_PENDING, bruno.pk) == 0
        assert balance(northwind, Code.MERCHANT_BALANCE) == 0

    def test_what_a_vendor_no_longer_has_is_owed(self, payment: Payment, northwind, ada) -> None:
        _settle(northwind, ada, 5_000)
        process(request(payment, None, {share_of(payment, ada).pk: 6_000}))
        assert balance(northwind, Code.VENDOR_PENDING, ada.pk) == 0
        assert balance(northwind, Code.VENDOR_RECEIVABLE, ada.pk) == 6_000 - 600 - 400

    def test_a_refusal_of_the_network_frees_what_was_reserved(self, shop: Shop) -> None:
        payment = payment_of(shop.captured("refund_fails"))
        refund = process(request(payment))
        assert (refund.state, refund.failure_code) == ("failed", "no_such_account")
        payment.refresh_from_db()
        assert (payment.refunding_minor, payment.refunded_minor) == (0, 0)

    def test_a_late_answer_stays_open_and_is_resolved(self, shop: Shop) -> None:
        payment = payment_of(shop.captured("refund_late"))
        refund = process(request(payment))
        assert refund.state == "processing"
        _recover(refund)
        refund.refresh_from_db()
        assert refund.state == "completed"
        assert len(shop.network.truth(kind="refund", idempotency_key=_operation(refund).idempotency_key)) == 1

    def test_runs_once_under_the_same_operation(self, shop: Shop, payment: Payment) -> None:
        refund, operation_id = request(payment, 100), uuid7()
        assert [process(refund, operation_id).state for _ in range(2)] == ["completed"] * 2
        payment.refresh_from_db()
        assert payment.refunded_minor == 100

    def test_refuses_a_second_operation(self, payment: Payment) -> None:
        refund = process(request(payment, 100))
        with pytest.raises(StateConflict):
            process(refund)


class TestCompleteAndFail:
    def test_complete_takes_the_networks_word_only(self, payment: Payment) -> None:
        refund = request(payment, 100)
        with pytest.raises(refunding.RefundNotCompleted):
            _complete(refund)
        process(refund)
        assert _complete(refund).state == "completed"

    def test_complete_learns_of_a_late_success(self, shop: Shop) -> None:
        refund = process(request(payment_of(shop.captured("refund_late"))))
        assert refund.state == "processing"
        assert _complete(refund).state == "completed"

    def test_fail_gives_up_while_no_money_moved(self, payment: Payment) -> None:
        refund = _fail(request(payment, 100))
        assert (refund.state, refund.failure_code) == ("failed", "failed_by_merchant")
        payment.refresh_from_db()
        assert payment.refunding_minor == 0
        assert _fail(refund).state == "failed"

    def test_fail_refuses_when_the_money_went_back(self, payment: Payment) -> None:
        refund = process(request(payment, 100))
        with pytest.raises(refunding.RefundMoneyMoved):
            _fail(refund)

    def test_fail_refuses_while_the_network_may_still_do_it(self, shop: Shop) -> None:
        shop.network.script("timeout_before", operation="refund")
        refund = process(request(payment_of(shop.captured())))
        with pytest.raises(refunding.RefundUnderWay):
            _fail(refund)


class TestContradiction:
    def test_a_yes_after_a_no_calls_a_person(self, shop: Shop) -> None:
        refund = process(request(payment_of(shop.captured("refund_fails"))))
        _conclude(refund, Approved("re_1", refund.amount, Money.zero("USD")))
        refund.refresh_from_db()
        assert refund.state == "failed"
        assert AuditRecord.objects.filter(
            action="operation.contradicted", object_id=_operation(refund).public_id
        ).exists()

    def test_a_rejected_refund_cannot_be_given_up(self, payment: Payment) -> None:
        payment.merchant.refund_approval_above = {"USD": 1}
        payment.merchant.save()
        refund = request(payment, 100)
        requesting_refunds.reject(
            merchant_id=refund.merchant_id, refund_id=refund.pk, reason="no", actor=GRACE, at=clock.now()
        )
        with pytest.raises(StateConflict):
            _fail(refund)


class TestLateFailure:
    def test_turns_everything_back(self, payment: Payment, northwind, ada, bruno) -> None:
        before = {code: balance(northwind, code) for code in (Code.COMMISSION, Code.MERCHANT_BALANCE)}
        refund = process(request(payment, 5_000))
        _conclude(refund, Declined("no_such_account", "closed", None, is_hard=True))
        refund.refresh_from_db()
        payment.refresh_from_db()
        assert (refund.state, refund.failure_code) == ("failed", "no_such_account")
        assert (payment.refunded_minor, payment.refunding_minor) == (0, 0)
        assert {code: balance(northwind, code) for code in before} == before
        assert balance(northwind, Code.VENDOR_PENDING, ada.pk) == -5_400

    def test_settles_first_what_the_vendor_owes(self, payment: Payment, northwind, ada) -> None:
        _settle(northwind, ada, 5_000)
        refund = process(request(payment, None, {share_of(payment, ada).pk: 6_000}))
        _conclude(refund, Declined("no_such_account", "closed", None, is_hard=True))
        assert balance(northwind, Code.VENDOR_RECEIVABLE, ada.pk) == 0
        assert balance(northwind, Code.VENDOR_PENDING, ada.pk) == -400

    def test_takes_its_commission_from_what_comes_back(self, shop: Shop, northwind, ada) -> None:
        """The vendor owes more than this refund and has nothing pending: the commission is not his twice."""
        payments = [payment_of(shop.captured(vendor_split=split((ada, 6_000)))) for _ in range(2)]
        _settle(northwind, ada, 10_800)
        refunds = [process(request(paid, None, {share_of(paid, ada).pk: 6_000})) for paid in payments]
        assert balance(northwind, Code.VENDOR_RECEIVABLE, ada.pk) == 10_800
        _conclude(refunds[0], Declined("no_such_account", "closed", None, is_hard=True))
        assert balance(northwind, Code.VENDOR_RECEIVABLE, ada.pk) == 5_400
        assert balance(northwind, Code.VENDOR_PENDING, ada.pk) == 0

    def test_says_nothing_new_the_second_time(self, payment: Payment) -> None:
        refund = process(request(payment, 5_000))
        for _ in range(2):
            _conclude(refund, Declined("no_such_account", "closed", None, is_hard=True))
        _conclude(refund, Approved("re_late", refund.amount, refund.amount.zero("USD")))
        refund.refresh_from_db()
        assert refund.state == "failed"
        (back,) = ProviderOperation.objects.filter(subject_id=refund.pk, kind="refund_returned")
        done = _operation(refund)
        assert (back.idempotency_key, back.amount) == (f"{done.idempotency_key}:returned", done.amount)
        assert (back.provider, back.provider_reference) == (done.provider, done.provider_reference)

    def test_of_before_becomes_an_operation_by_the_migration(self, payment: Payment) -> None:
        refund = process(request(payment, 5_000))
        _conclude(refund, Declined("no_such_account", "closed", None, is_hard=True))
        returns = ProviderOperation.objects.filter(subject_id=refund.pk, kind="refund_returned")
        kept = returns.values("idempotency_key", "leg", "outcome", "amount_minor", "provider_reference").get()
        returns.delete()
        assert list(invariants.operations_and_entries_agree())
        import_module("payments.migrations.0015_returned_refunds").keep_earlier_returns(apps, None)
        assert returns.values(*kept).get() == kept
        assert not list(invariants.operations_and_entries_agree())

    def test_keeps_the_books_whole(self, payment: Payment) -> None:
        refund = process(request(payment, 5_000))
        _conclude(refund, Declined("no_such_account", "closed", None, is_hard=True))
        assert assert_all_invariants_hold()


class TestInvariants:
    def test_a_counter_that_was_changed_by_hand_is_found(self, payment: Payment) -> None:
        process(request(payment, 5_000))
        PaymentTransaction._base_manager.filter(payment=payment).update(refunded_minor=1)
        assert len(list(invariants.shares_equal_their_refunds())) == 2

    def test_a_refund_whose_amount_was_changed_by_hand_is_found(self, payment: Payment) -> None:
        refund = process(request(payment, 5_000))
        Refund._base_manager.filter(pk=refund.pk).update(amount_minor=4_999)
        assert any(str(refund.pk) in found for found in invariants.refunds_equal_their_postings())


def _operation(refund: Refund) -> ProviderOperation:
    return ProviderOperation.objects.get(subject_id=refund.pk, kind="refund")


def _conclude(refund: Refund, outcome) -> None:
    actor = provider_actor("velocitypay")
    operations.conclude(_operation(refund), outcome, actor=actor, at=clock.now())


def _recover(refund: Refund) -> None:
    recovering.sweep(clock.now() + timedelta(seconds=60))


def _complete(refund: Refund) -> Refund:
    return refunding.complete(merchant_id=refund.merchant_id, refund_id=refund.pk, actor=KEY, at=clock.now())


def _fail(refund: Refund) -> Refund:
    return refunding.fail(
        merchant_id=refund.merchant_id, refund_id=refund.pk, reason="kept", actor=KEY, at=clock.now()
    )


def _settle(merchant, vendor, minor: int) -> None:
    """Move a part of the vendor's pending balance on, as a settlement batch does."""
    amount = Money(minor, "USD")
    pending = chart.account(Code.VENDOR_PENDING, merchant.pk, "USD", str(vendor.pk))
    available = chart.account(Code.VENDOR_AVAILABLE, merchant.pk, "USD", str(vendor.pk))
    with phase():
        post(
            [
                EntryDraft(
                    merchant_id=merchant.pk,
                    kind="test",
                    source_type="test",
                    source_id=uuid7(),
                    step="settle",
                    occurred_at=clock.now(),
                    legs=[debit(pending, amount, "transfer"), credit(available, amount, "transfer")],
                )
            ]
        )
