"""Two hands on one payment at once: captures, a capture and a cancellation, two arrivals of one outcome.

Each has its negative control: without the row lock the fault shows, and the constraints are what is left
between it and the money.
"""

import pytest
from django.db import IntegrityError

from ledger import clock
from ledger.actors import provider_actor
from ledger.ids import uuid7
from ledger.models import JournalEntry
from ledger.states import StateConflict
from payments.models import Payment
from payments.models.payments import CaptureTooLarge
from payments.providers.outcomes import Approved, Taken
from payments.services.calls import operations, recovering
from payments.services.calls.operations import OperationOpen
from tests.kit.books import assert_all_invariants_hold
from tests.kit.race import Meeting, errors, locks_taken_away, results, together
from tests.services.payments.cast import (
    KEY,
    authorized,
    cancelled,
    captured,
    created,
    now_plus,
    operation_of,
    paid,
    sold,
    usd,
    wish,
)

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]


def entries(payment: Payment) -> int:
    return JournalEntry.objects.filter(source_id=payment.pk).count()


def fresh(payment: Payment) -> Payment:
    return Payment.objects.get(pk=payment.pk)


class TestTwoCaptures:
    def test_of_the_whole_take_it_once(self, northwind, ada, network):
        payment = paid(northwind, network, shares=[(ada, 9_000)])
        outcomes = together(*[lambda: captured(payment, 10_000)] * 4)
        assert len(results(outcomes)) == 1
        assert all(isinstance(error, CaptureTooLarge | StateConflict) for error in errors(outcomes))
        assert (fresh(payment).captured_minor, entries(payment)) == (10_000, 1)
        assert_all_invariants_hold()

    def test_that_fit_both_succeed(self, northwind, ada, network):
        payment = paid(northwind, network, shares=[(ada, 9_000)])
        outcomes = together(lambda: captured(payment, 4_000), lambda: captured(payment, 6_000))
        assert errors(outcomes) == []
        assert (fresh(payment).captured_minor, entries(payment)) == (10_000, 2)
        assert_all_invariants_hold()

    def test_that_fit_collide_without_the_lock(self, northwind, network, monkeypatch):
        payment = paid(northwind, network)
        with locks_taken_away(monkeypatch, Meeting(2)):
            outcomes = together(lambda: captured(payment, 4_000), lambda: captured(payment, 6_000))
        assert len(errors(outcomes)) >= 1  # the unique leg stops what the lock would have put in a row
        assert fresh(payment).captured_minor < 10_000
        recovering.sweep(now_plus(60))
        assert fresh(payment).captured_minor + fresh(payment).capturing_minor <= 10_000


class TestCaptureAndCancel:
    def test_exactly_one_wins(self, northwind, network):
        payment = paid(northwind, network)
        outcomes = together(lambda: captured(payment), lambda: cancelled(payment))
        assert len(results(outcomes)) == 1
        assert isinstance(errors(outcomes)[0], OperationOpen | StateConflict)
        assert fresh(payment).state in ("captured", "cancelled")
        assert entries(payment) == (1 if fresh(payment).state == "captured" else 0)
        assert_all_invariants_hold()

    def test_meet_the_constraint_without_the_lock(self, northwind, network, monkeypatch):
        payment = paid(northwind, network)
        meeting = Meeting(2)
        with locks_taken_away(monkeypatch, meeting):
            outcomes = together(lambda: captured(payment), lambda: cancelled(payment))
        assert meeting.met
        assert any(isinstance(error, IntegrityError) for error in errors(outcomes))


class TestTwoArrivals:
    def arrive(self, payment):
        operation = operation_of(payment, "capture:1")
        outcome = Approved(reference=f"cap_{operation.pk.hex}", amount=usd(10_000), fee=usd(320))
        return together(
            *[
                lambda actor=actor: operations.conclude(operation, outcome, actor=actor, at=clock.now())
                for actor in (KEY, provider_actor("velocitypay"))
            ]
        )

    def test_of_one_outcome_post_once(self, northwind, ada, network):
        payment = captured(paid(northwind, network, "capture_lost", shares=[(ada, 5_000)]))
        assert errors(self.arrive(payment)) == []
        assert (fresh(payment).state, entries(payment)) == ("captured", 1)
        assert_all_invariants_hold()

    def test_collide_without_the_lock(self, northwind, network, monkeypatch):
        payment = captured(paid(northwind, network, "capture_lost"))
        with locks_taken_away(monkeypatch, Meeting(2)):
            outcomes = self.arrive(payment)
        assert len(errors(outcomes)) == 1
        assert entries(payment) == 1  # the journal's unique fact holds by itself


class TestManyRequests:
    def test_of_one_authorization_reach_the_network_once(self, northwind, network):
        payment, operation_id = created(northwind, wish(network.card()["token"])), uuid7()
        outcomes = together(*[lambda: authorized(payment, operation_id)] * 8)
        assert errors(outcomes) == []
        assert fresh(payment).state == "authorized"
        assert len(network.truth(reference=payment.public_id)) == 1

    def test_of_one_creation_make_one_payment(self, northwind, ada):
        payment_id, wanted = uuid7(), wish(shares=[(ada, 100)])
        outcomes = together(*[lambda: created(northwind, wanted, payment_id)] * 8)
        assert errors(outcomes) == []
        assert {made.pk for made in results(outcomes)} == {payment_id}
        assert Payment.objects.filter(merchant=northwind).count() == 1


class TestTwoSweeps:
    def test_share_the_work(self, northwind, network, monkeypatch):
        asked = []
        find = operations.find

        def counted(operation):
            asked.append(operation.pk)
            return find(operation)

        monkeypatch.setattr(operations, "find", counted)
        waiting = {operation_of(paid(northwind, network, "lost_answer"), "authorize").pk for _ in range(8)}
        at = now_plus(6)
        outcomes = together(*[lambda: recovering.sweep(at)] * 3)
        assert errors(outcomes) == []
        ours = [pk for pk in asked if pk in waiting]
        assert sorted(ours) == sorted(waiting)


class TestOneCallThatPays:
    def test_sent_eight_times_at_once_reaches_the_network_once(self, northwind, ada, network):
        payment_id, wanted = uuid7(), sale(network, ada)
        outcomes = together(*[lambda: sold(northwind, wanted, payment_id)] * 8)
        assert errors(outcomes) == []
        recovering.sweep(now_plus(60))
        payment = Payment.objects.get(pk=payment_id)
        assert (payment.state, entries(payment)) == ("captured", 1)
        told = sorted(row["kind"] for row in network.truth(reference=payment.public_id))
        assert told == ["authorize", "capture"]
        assert_all_invariants_hold()

    def test_two_arrivals_of_its_outcome_post_once(self, northwind, ada, network):
        payment = sold(northwind, sale(network, ada, "lost_answer"))
        assert errors(self.arrive(payment)) == []
        assert (fresh(payment).state, entries(payment)) == ("captured", 1)
        assert_all_invariants_hold()

    def test_two_arrivals_collide_without_the_lock(self, northwind, ada, network, monkeypatch):
        payment = sold(northwind, sale(network, ada, "lost_answer"))
        with locks_taken_away(monkeypatch, Meeting(2)):
            outcomes = self.arrive(payment)
        assert len(errors(outcomes)) == 1
        assert entries(payment) == 1  # the journal's unique fact holds by itself

    def arrive(self, payment):
        operation = operation_of(payment, "authorize")
        taken = Taken(f"cap_{operation.pk.hex}", usd(10_000), usd(320))
        outcome = Approved(f"auth_{operation.pk.hex}", usd(10_000), usd(0), {}, taken)
        return together(
            *[
                lambda actor=actor: operations.conclude(operation, outcome, actor=actor, at=clock.now())
                for actor in (KEY, provider_actor("velocitypay"))
            ]
        )


def sale(network, vendor, card="visa"):
    """A payment that is captured automatically, with one vendor's share."""
    return wish(network.card(card)["token"], shares=[(vendor, 6_000)], capture_method="automatic")
