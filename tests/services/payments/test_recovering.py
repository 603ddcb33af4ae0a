"""Recovery against the real sandbox: found, not found, not reachable, pending, held; never failed by age."""

import pytest

from ledger import clock
from ledger.actors import staff_actor
from ledger.ids import uuid7
from ledger.models import AuditRecord
from payments import locks
from payments.models import Payment
from payments.services.calls import operations, recovering
from payments.services.calls.operations import NotHeld
from tests.kit.books import assert_all_invariants_hold
from tests.kit.network import eventually
from tests.services.payments.cast import (
    authorized,
    captured,
    created,
    now_plus,
    operation_of,
    paid,
    types_of,
    wish,
)

pytestmark = pytest.mark.django_db
DAY = 86_400


def fresh(payment: Payment) -> Payment:
    return Payment.objects.get(pk=payment.pk)


class TestSweep:
    def test_concludes_what_the_network_did(self, northwind, network):
        payment = paid(northwind, network, "late_quiet")
        assert payment.is_processing
        recovering.sweep(now_plus(6))
        assert fresh(payment).state == "authorized"
        assert len(network.truth(reference=payment.public_id)) == 1
        assert_all_invariants_hold()

    def test_sends_again_under_the_same_key_after_the_quiet_period(self, northwind, network):
        payment = paid(northwind, network, "error_before")
        operation = operation_of(payment, "authorize")
        recovering.sweep(now_plus(6))
        waiting = operation_of(payment, "authorize")
        assert (waiting.tries, waiting.is_awaited) == (1, True)
        assert (waiting.ask_at - operation.sent_at).total_seconds() == 15
        recovering.sweep(now_plus(17))
        assert fresh(payment).state == "authorized"
        (known,) = network.truth(reference=payment.public_id)
        assert known["idempotency_key"] == operation.idempotency_key
        assert operation_of(payment, "authorize").tries == 2

    def test_keeps_asking_a_network_that_is_away_and_ends_when_it_is_back(self, northwind, network):
        payment = paid(northwind, network, "lost_answer")
        network.down()
        for seconds in (10, 30, 50, DAY, 3 * DAY):
            recovering.sweep(now_plus(seconds))
            operation = operation_of(payment, "authorize")
            assert operation.is_awaited
            assert (operation.ask_at - now_plus(seconds)).total_seconds() <= 10
        network.down(False)
        recovering.sweep(now_plus(3 * DAY + 20))
        assert fresh(payment).state == "authorized"

    def test_sends_at_once_what_was_never_sent(self, northwind, network):
        payment = created(northwind, wish(network.card()["token"]))
        network.down()
        payment = authorized(payment)
        assert (payment.is_processing, operation_of(payment, "authorize").outcome) == (True, "not_sent")
        network.down(False)
        recovering.sweep(now_plus(20))
        assert fresh(payment).state == "authorized"
        assert operation_of(payment, "authorize").tries == 2

    def test_asks_a_pending_one_less_and_less_often(self, northwind, network):
        payment = created(northwind, wish(network.card()["token"]))
        network.script("pending_then_ok:600", operation="authorize", reference=payment.public_id)
        authorized(payment)
        waits, at = [], now_plus(0)
        for _ in range(4):
            operation = operation_of(payment, "authorize")
            assert operation.outcome == "pending"
            waits.append(round((operation.ask_at - at).total_seconds()))
            at = operation.ask_at
            recovering.sweep(at)
        assert waits == [5, 15, 60, 300]
        assert fresh(payment).state == "created"

    def test_hears_the_end_of_a_pending_one(self, northwind, network):
        payment = paid(northwind, network, "pending_ok")
        assert payment.is_processing
        key = operation_of(payment, "authorize").idempotency_key
        eventually(
            lambda: [row for row in network.truth(idempotency_key=key) if row["status"] == "authorized"],
            "the network has authorized",
        )
        recovering.sweep(now_plus(6))
        assert fresh(payment).state == "authorized"

    def test_gives_to_a_person_what_the_network_has_forgotten(self, northwind, network):
        payment = paid(northwind, network, "error_before")
        recovering.sweep(now_plus(2 * DAY))
        operation = operation_of(payment, "authorize")
        assert operation.is_held
        assert AuditRecord.objects.filter(action="operation.held", object_id=operation.public_id).count() == 1
        assert fresh(payment).state == "created"
        recovering.ask_again(
            operation.pk, actor=staff_actor(1, "olga"), reason="asked VelocityPay by phone", at=now_plus(1)
        )
        recovering.sweep(now_plus(17))
        assert fresh(payment).state == "authorized"

    def test_concludes_a_declined_capture(self, northwind, network):
        payment = paid(northwind, network)
        network.script("500_before", "decline:do_not_honor", operation="capture")
        payment = captured(payment)
        recovering.sweep(now_plus(20))
        assert (fresh(payment).state, fresh(payment).capturing_minor) == ("authorized", 0)
        assert types_of(payment)[-1] == "capture_failed"
        assert_all_invariants_hold()

    def test_one_that_makes_trouble_does_not_keep_the_others_waiting(self, northwind, network, monkeypatch):
        troubled, healthy = (paid(northwind, network, "lost_answer") for _ in range(2))
        conclude = operations.conclude

        def breaks(operation, *args, **options):
            if operation.payment_id == troubled.pk:
                raise RuntimeError("a defect of ours")
            return conclude(operation, *args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(operations, "conclude", breaks)
            recovering.sweep(now_plus(6))
        assert (fresh(troubled).state, fresh(healthy).state) == ("created", "authorized")
        recovering.sweep(now_plus(40))
        assert fresh(troubled).state == "authorized"


class TestLease:
    def test_is_given_to_one_worker_only(self, northwind, network):
        operation = operation_of(paid(northwind, network, "lost_answer"), "authorize")
        at = now_plus(6)
        assert operation.pk in {row.pk for row in locks.lease_due_operations(at, 1_000)}
        assert locks.lease_due_operations(at, 1_000) == []
        assert locks.lease_operation(operation.pk, at) is None

    def test_of_a_killed_worker_ends_by_time(self, northwind, network):
        operation = operation_of(paid(northwind, network, "lost_answer"), "authorize")
        locks.lease_due_operations(now_plus(6), 1_000)
        later = now_plus(6 + locks.LEASE_SECONDS + 1)
        assert operation.pk in {row.pk for row in locks.lease_due_operations(later, 1_000)}
        assert locks.LEASE_SECONDS < 60


class TestAskAgain:
    def test_refuses_what_does_not_wait_for_a_person(self, northwind, network):
        operation = operation_of(paid(northwind, network), "authorize")
        with pytest.raises(NotHeld):
            recovering.ask_again(operation.pk, actor=staff_actor(1, "olga"), reason="why not", at=clock.now())


class TestFailedAnswer:
    def test_a_claim_whose_caller_died_is_taken_up(self, northwind, network, monkeypatch):
        payment, operation_id = created(northwind, wish(network.card()["token"])), uuid7()
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(operations, "call", dies)
            authorized(payment, operation_id)
        assert authorized(payment, operation_id).is_processing
        recovering.sweep(now_plus(40))
        assert fresh(payment).state == "authorized"


def dies(*_):
    raise KeyboardInterrupt
