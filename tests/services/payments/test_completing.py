"""Ends without a provider: complete, fail, a review's verdict, and payments that lapse by time."""

import pytest

from ledger import jobs
from ledger.events import Cause
from ledger.ids import uuid7
from ledger.states import StateConflict
from payments.models import Payment, PaymentTransaction
from payments.services.calls.operations import OperationOpen
from payments.services.payments import completing
from tests.factories import payments as factory
from tests.kit.books import assert_all_invariants_hold
from tests.services.payments.cast import KEY, captured, created, now_plus, paid, types_of, wish

pytestmark = pytest.mark.django_db
DAY = 86_400


def ended(verb, payment, operation_id=None, **more):
    return verb(
        merchant_id=payment.merchant_id,
        payment_id=payment.pk,
        operation_id=operation_id or uuid7(),
        actor=KEY,
        at=now_plus(1),
        **more,
    )


def fresh(payment: Payment) -> Payment:
    return Payment.objects.get(pk=payment.pk)


class TestComplete:
    def test_closes_a_captured_payment_with_its_shares(self, northwind, ada, network):
        payment, operation_id = captured(paid(northwind, network, shares=[(ada, 10)])), uuid7()
        assert ended(completing.complete, payment, operation_id).state == "completed"
        assert ended(completing.complete, payment, operation_id).state == "completed"
        assert PaymentTransaction.objects.get(payment=payment).state == "completed"
        assert types_of(payment).count("completed") == 1
        assert_all_invariants_hold()

    def test_refuses_what_is_not_captured(self, northwind):
        with pytest.raises(StateConflict):
            ended(completing.complete, created(northwind, wish()))

    def test_comes_by_itself_after_the_window(self, northwind, network):
        payment = captured(paid(northwind, network))
        completing.complete_due(now_plus(29 * DAY))
        assert fresh(payment).state == "captured"
        completing.complete_due(now_plus(31 * DAY))
        completing.complete_due(now_plus(31 * DAY))
        assert types_of(payment).count("completed") == 1


class TestFail:
    def test_ends_with_the_merchants_reason(self, northwind, ada):
        payment, operation_id = created(northwind, wish(shares=[(ada, 10)])), uuid7()
        for _ in range(2):
            payment = ended(completing.fail, payment, operation_id, reason="the customer went away")
        assert (payment.state, payment.reason) == ("failed", "the customer went away")
        assert types_of(payment) == ["created", "failed"]

    def test_refuses_while_it_is_being_authorized(self, northwind, network):
        with pytest.raises(OperationOpen):
            ended(completing.fail, paid(northwind, network, "lost_answer"), reason="late")

    def test_refuses_what_is_authorized(self, northwind, network):
        with pytest.raises(StateConflict):
            ended(completing.fail, paid(northwind, network), reason="late")


class TestExpireDue:
    def test_lets_an_authorization_lapse(self, northwind, ada, network):
        payment = paid(northwind, network, shares=[(ada, 10)])
        completing.expire_due(now_plus(6 * DAY))
        assert fresh(payment).state == "authorized"
        completing.expire_due(now_plus(8 * DAY))
        assert fresh(payment).state == "expired"
        assert PaymentTransaction.objects.get(payment=payment).state == "cancelled"

    def test_closes_what_was_captured_in_part(self, northwind, ada, bruno, network):
        payment = paid(northwind, network, amount=1_000, shares=[(ada, 1), (bruno, 999)])
        payment = captured(payment, 10)
        completing.expire_due(now_plus(8 * DAY))
        assert (fresh(payment).state, fresh(payment).captured_minor) == ("captured", 10)
        assert types_of(payment)[-1] == "capture_closed"
        shares = PaymentTransaction.objects.filter(payment=payment).order_by("position")
        assert [share.state for share in shares] == ["cancelled", "captured"]
        assert_all_invariants_hold()

    def test_drops_what_was_never_authorized(self, northwind):
        payment = created(northwind, wish())
        completing.expire_due(now_plus(2 * DAY))
        assert fresh(payment).state == "expired"

    def test_never_touches_what_is_not_known_yet(self, northwind, network):
        payment = paid(northwind, network, "lost_answer")
        completing.expire_due(now_plus(400 * DAY))
        assert fresh(payment).state == "created"


class TestFollowReview:
    def under_review(self, merchant, **options) -> Payment:
        return factory.create_payment(merchant, edge="open_review", **options)

    def follow(self, payment: Payment, *, is_approved: bool) -> None:
        completing.follow_review(
            payment.pk, is_approved=is_approved, reason="looked at", cause=Cause("event", "e"), at=now_plus(1)
        )

    def test_an_approved_one_goes_on_and_is_authorized_when_it_was_confirmed(self, northwind, network):
        payment = self.under_review(northwind, is_confirmed=True, method_token=network.card()["token"])
        for _ in range(2):
            self.follow(payment, is_approved=True)
        jobs.run_due(now_plus(2))
        assert fresh(payment).state == "authorized"
        assert types_of(payment) == ["review_opened", "review_approved", "authorized"]

    def test_an_approved_one_waits_for_the_merchant_otherwise(self, northwind):
        payment = self.under_review(northwind)
        self.follow(payment, is_approved=True)
        jobs.run_due(now_plus(2))
        assert fresh(payment).state == "created"

    def test_a_declined_one_is_rejected_with_its_shares(self, northwind, ada):
        payment = self.under_review(northwind, shares=[(ada, 10, 1)])
        self.follow(payment, is_approved=False)
        assert (fresh(payment).state, fresh(payment).reason) == ("rejected", "looked at")
        assert PaymentTransaction.objects.get(payment=payment).state == "cancelled"
        assert_all_invariants_hold()
