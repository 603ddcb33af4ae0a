"""The tables refuse what may not be, whoever writes: amounts that do not nest, operations twice, no edge."""

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from ledger import events
from ledger.actors import SYSTEM
from ledger.ids import uuid7
from ledger.locks import phase
from ledger.models import Event
from ledger.recording import record
from ledger.states import StateConflict
from payments import locks, numbers, selectors
from payments.models import Payment, PaymentTransaction, ProviderOperation
from payments.models.payments import CaptureTooLarge, PaymentNotFound
from tests.factories import payments as factory
from tests.factories import vendors as people

pytestmark = pytest.mark.django_db


def operation(payment: Payment, **fields) -> ProviderOperation:
    values = {
        "merchant_id": payment.merchant_id,
        "kind": "capture",
        "subject_type": "payment",
        "subject_id": payment.pk,
        "leg": "capture:1",
        "payment": payment,
        "provider": "velocitypay",
        "amount_minor": 100,
        "currency": "USD",
        "idempotency_key": f"op_{uuid7().hex}",
        "created_at": factory.AT,
        "ask_at": factory.AT,
        **fields,
    }
    return ProviderOperation(**values)


class TestPayment:
    def test_nests_its_amounts(self, northwind):
        payment = factory.create_payment(northwind)
        for fields in (
            {"authorized_minor": 10_001},
            {"authorized_minor": 100, "captured_minor": 60, "capturing_minor": 41},
            {"authorized_minor": 100, "captured_minor": 60, "refunded_minor": 30, "refunding_minor": 31},
            {"capturing_minor": -1},
            {"authorized_minor": 100, "capturing_minor": 1, "is_voiding": True},
        ):
            with pytest.raises(IntegrityError), transaction.atomic():
                Payment._base_manager.filter(pk=payment.pk).update(**fields)

    def test_refuses_a_state_that_no_edge_leads_to(self, northwind):
        payment = factory.create_payment(northwind)
        with pytest.raises(DatabaseError), transaction.atomic():
            Payment._base_manager.filter(pk=payment.pk).update(state="completed")

    def test_refuses_a_move_its_state_does_not_allow(self, northwind):
        payment = factory.create_payment(northwind)
        with pytest.raises(StateConflict), phase():
            locked = locks.payment(northwind.pk, payment.pk)
            with record(locked, actor=SYSTEM, at=factory.AT):
                locked.complete(factory.AT)
        assert Event.objects.filter(subject_id=payment.pk).count() == 1

    def test_sets_aside_no_more_than_is_left(self, northwind):
        payment = factory.authorize_payment(factory.create_payment(northwind, amount=500))
        assert payment.reserve_capture(payment.money(200), is_final=False).minor == 200
        with pytest.raises(CaptureTooLarge):
            payment.reserve_capture(payment.money(301), is_final=False)
        assert payment.reserve_capture(payment.money(1), is_final=True).minor == 300
        assert payment.capturable.is_zero

    def test_is_the_merchants_own(self, northwind):
        payment = factory.create_payment(northwind)
        with pytest.raises(PaymentNotFound):
            selectors.payment(people.create_merchant("Other").pk, payment.pk)
        assert selectors.payment(selectors.ALL, payment.pk) == payment

    def test_keeps_its_history(self, northwind, ada):
        payment = factory.captured_payment(northwind, shares=[(ada, 4_000, 400)])
        stream = list(events.stream("payment", payment.pk))
        assert [event.type for event in stream] == [
            "payment.created",
            "payment.authorized",
            "payment.capture_asked",
            "payment.captured",
        ]
        assert events.verify_chain(iter(stream)) is None
        share = payment.share_rows[0]
        assert (share.captured_minor, share.commission_captured_minor, share.state) == (
            4_000,
            400,
            "captured",
        )


class TestPaymentTransaction:
    def test_nests_its_amounts(self, northwind, ada):
        share = factory.create_payment(northwind, shares=[(ada, 1_000, 100)]).share_rows[0]
        for fields in (
            {"captured_minor": 1_001},
            {"captured_minor": 10, "refunded_minor": 6, "refunding_minor": 5},
            {"captured_minor": 1_000, "commission_captured_minor": 101},
            {"commission_refunded_minor": 1},
        ):
            with pytest.raises(IntegrityError), transaction.atomic():
                PaymentTransaction._base_manager.filter(pk=share.pk).update(**fields)


class TestProviderOperation:
    def test_is_open_once_per_leg(self, northwind):
        payment = factory.create_payment(northwind)
        operation(payment).save()
        operation(payment, leg="capture:2").save()
        with pytest.raises(IntegrityError), transaction.atomic():
            operation(payment).save()

    def test_succeeds_once_per_leg(self, northwind):
        payment = factory.create_payment(northwind)
        done = {"concluded_at": factory.AT, "ask_at": None}
        operation(payment, outcome="declined", **done).save()
        operation(payment, outcome="approved", **done).save()
        with pytest.raises(IntegrityError), transaction.atomic():
            operation(payment, outcome="approved", **done).save()

    @pytest.mark.parametrize("outcome", ["", "unknown", "pending", "not_sent", "mismatch"])
    def test_is_never_concluded_without_a_final_outcome(self, northwind, outcome):
        payment = factory.create_payment(northwind)
        with pytest.raises(IntegrityError), transaction.atomic():
            operation(payment, outcome=outcome, concluded_at=factory.AT, ask_at=None).save()

    def test_lives_once_as_authorization_of_a_payment(self, northwind):
        payment = factory.create_payment(northwind)
        done = {"kind": "authorize", "concluded_at": factory.AT, "ask_at": None}
        operation(payment, leg="authorize", outcome="not_sent", **done).save()  # another took its place
        operation(payment, leg="authorize", outcome="approved", **done).save()
        with pytest.raises(IntegrityError), transaction.atomic():
            operation(payment, leg="authorize:2", kind="authorize").save()


class TestNumbers:
    def test_are_unique_and_tell_kind_and_year(self, northwind):
        taken = [numbers.take(northwind.pk, numbers.PAYMENT, factory.AT) for _ in range(45)]
        assert taken[0] == "PAY-2026-000001"
        assert len(set(taken)) == 45
        assert numbers.take(northwind.pk, numbers.REFUND, factory.AT) == "REF-2026-000001"

    def test_are_not_taken_inside_a_phase(self, northwind):
        with phase(), pytest.raises(RuntimeError, match="before the phase"):
            numbers.take(northwind.pk, numbers.PAYMENT, factory.AT)
