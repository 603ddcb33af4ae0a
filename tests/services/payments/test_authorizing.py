"""Authorizing against the real sandbox over HTTP: approved, declined, unknown, repeated, late."""

import pytest

from ledger import jobs
from ledger.ids import uuid7
from ledger.locks import phase
from ledger.models import Job
from ledger.states import StateConflict
from payments import selectors
from payments.models import Payment, ProviderOperation
from payments.models.payments import PaymentNotFound
from payments.providers.outcomes import Approved, Mismatch
from payments.services.calls import operations, recovering
from payments.services.calls.operations import CallInTransaction, OperationOpen
from payments.services.payments import authorizing
from tests.factories import vendors as people
from tests.kit.books import assert_all_invariants_hold
from tests.services.payments.cast import (
    KEY,
    authorized,
    cancelled,
    created,
    now_plus,
    operation_of,
    paid,
    types_of,
    usd,
    wish,
)

pytestmark = pytest.mark.django_db


class TestAuthorize:
    def test_reserves_the_amount_once(self, northwind, network):
        answered = []
        payment = created(northwind, wish(network.card()["token"]))
        payment = authorized(payment, answer=answered.append)
        assert answered == [payment]
        assert (payment.state, payment.authorized_minor, payment.is_processing) == (
            "authorized",
            10_000,
            False,
        )
        assert (payment.method_brand, payment.method_last4) == ("visa", "4242")
        assert types_of(payment) == ["created", "authorized"]
        (known,) = network.truth(reference=payment.public_id)
        operation = operation_of(payment, "authorize")
        assert (known["idempotency_key"], known["amount"]) == (operation.idempotency_key, 10_000)
        assert (operation.outcome, operation.tries, operation.is_open) == ("approved", 1, False)
        assert_all_invariants_hold()

    def test_schedules_the_capture_of_an_automatic_one(self, northwind, network):
        payment = paid(northwind, network, capture_method="automatic")
        assert Job.objects.get(kind="payments.capture", reference=str(payment.pk)).finished_at is None

    def test_schedules_nothing_for_a_manual_one(self, northwind, network):
        payment = paid(northwind, network)
        assert not Job.objects.filter(reference=str(payment.pk)).exists()

    def test_fails_a_declined_one_with_its_shares(self, northwind, ada, network):
        payment = paid(northwind, network, "insufficient_funds", shares=[(ada, 500)])
        assert (payment.state, payment.decline_code) == ("failed", "insufficient_funds")
        assert (payment.decline_is_hard, payment.authorized_minor) == (False, 0)
        assert [share.state for share in payment.share_rows] == ["failed"]
        assert types_of(payment) == ["created", "failed"]
        assert_all_invariants_hold()

    def test_stays_processing_when_the_answer_is_lost(self, northwind, network):
        payment = paid(northwind, network, "lost_answer")
        assert (payment.state, payment.is_processing) == ("created", True)
        operation = operation_of(payment, "authorize")
        assert (operation.outcome, operation.is_awaited) == ("unknown", True)
        assert types_of(payment) == ["created"]

    def test_repeated_by_the_same_request_finds_what_became_of_it(self, northwind, network):
        payment, operation_id = created(northwind, wish(network.card("lost_answer")["token"])), uuid7()
        assert authorized(payment, operation_id).is_processing
        again = authorized(payment, operation_id)
        assert (again.state, again.is_processing) == ("authorized", False)
        assert authorized(payment, operation_id).state == "authorized"
        assert len(network.truth(reference=payment.public_id)) == 1
        assert ProviderOperation.objects.filter(payment=payment).count() == 1

    def test_refuses_a_second_request_while_open(self, northwind, network):
        payment = paid(northwind, network, "lost_answer")
        with pytest.raises(OperationOpen):
            authorized(payment)

    def test_refuses_what_is_authorized_already(self, northwind, network):
        payment = paid(northwind, network)
        with pytest.raises(StateConflict):
            authorized(payment)

    def test_does_not_know_another_merchants_payment(self, northwind, network):
        payment = created(northwind, wish())
        other = people.create_merchant("Other")
        with pytest.raises(PaymentNotFound):
            authorizing.authorize(
                merchant_id=other.pk, payment_id=payment.pk, operation_id=uuid7(), actor=KEY, at=people.AT
            )

    def test_holds_an_approval_of_another_amount(self, northwind, network):
        payment = created(northwind, wish(network.card()["token"]))
        network.script("wrong_amount", operation="authorize", reference=payment.public_id)
        payment = authorized(payment)
        operation = operation_of(payment, "authorize")
        assert (payment.state, operation.outcome, operation.is_held) == ("created", "mismatch", True)
        recovering.sweep(now_plus(3_600))
        assert operation_of(payment, "authorize").is_held
        held = selectors.operations(northwind.pk).filter(concluded_at=None, ask_at=None)
        assert list(held) == [operation_of(payment, "authorize")]


class TestConclude:
    def test_the_first_arrival_wins(self, northwind, network):
        payment = paid(northwind, network)
        operation = operation_of(payment, "authorize")
        late = Approved(reference="auth_other", amount=usd(10_000), fee=usd(0))
        operations.conclude(operation, late, actor=KEY, at=now_plus(1))
        assert types_of(payment) == ["created", "authorized"]
        assert Payment.objects.get(pk=payment.pk).provider_reference != "auth_other"

    def test_an_approval_of_another_amount_is_a_mismatch_whoever_brings_it(self, northwind, network):
        payment = paid(northwind, network, "lost_answer")
        operation = operation_of(payment, "authorize")
        wrong = Approved(reference="auth_x", amount=usd(1), fee=usd(0))
        assert isinstance(operations.checked(operation, wrong), Mismatch)
        operations.conclude(operation, wrong, actor=KEY, at=now_plus(1))
        assert operation_of(payment, "authorize").is_held

    def test_gives_back_what_was_authorized_after_the_cancellation(self, northwind, network):
        payment = cancelled(paid(northwind, network, "lost_answer"))
        assert payment.state == "cancelled"
        recovering.sweep(now_plus(6))
        jobs.run_due(now_plus(7))
        assert types_of(payment) == ["created", "cancelled", "authorized_late", "late_authorization_voided"]
        voided = network.truth(idempotency_key=operation_of(payment, "void").idempotency_key)
        assert [row["status"] for row in voided] == ["succeeded"]
        assert_all_invariants_hold()

    def test_a_call_inside_a_phase_is_refused(self, northwind, network):
        payment = paid(northwind, network, "lost_answer")
        with phase(), pytest.raises(CallInTransaction):
            operations.call(operation_of(payment, "authorize"))
