"""Two hands on one payment that is just going to another provider: one next try, whoever comes first."""

import pytest

from ledger import clock
from ledger.actors import provider_actor
from ledger.ids import uuid7
from ledger.states import StateConflict
from payments.models import Payment, ProviderOperation
from payments.providers.outcomes import Declined
from payments.services.calls import failing_over, operations, recovering
from payments.services.calls.operations import OperationOpen
from tests.kit import stored
from tests.kit.books import assert_all_invariants_hold
from tests.kit.race import Meeting, errors, locks_taken_away, results, together
from tests.services.payments.cast import KEY, authorized, cancelled, created, now_plus, operation_of, wish

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
SOFT = Declined("do_not_honor", "no", "au_1", is_hard=False)


@pytest.fixture
def waiting(northwind, network):
    """A payment with a card that VelocityPay declines softly and Stripe takes."""
    token = network.card("generic_decline")["token"]
    method = stored.held(northwind, velocitypay=token, stripe="pm_card_visa")
    return created(northwind, wish("", method_id=method.pk, customer_ref=method.customer_ref))


def tries(payment):
    rows = ProviderOperation.objects.filter(payment=payment, kind="authorize").order_by("created_at", "id")
    return [(row.provider, row.outcome) for row in rows]


def test_the_same_request_eight_times_tries_each_provider_at_most_once(waiting):
    """Who repeats a request asks what became of it, and may conclude the decline before the first goes on."""
    operation_id = uuid7()
    outcomes = together(*[lambda: authorized(waiting, operation_id)] * 8)
    assert errors(outcomes) == []
    recovering.sweep(now_plus(60))
    assert tries(waiting) in (
        [("velocitypay", "declined"), ("stripe", "approved")],
        [("velocitypay", "declined")],
    )
    assert_all_invariants_hold()


def test_a_callback_that_tells_the_decline_first_ends_it_here(waiting, monkeypatch):
    """The callback concludes while the caller looks for another provider: the caller finds it over."""
    call = operations.call

    def told_meanwhile(operation):
        outcome = call(operation)
        operations.conclude(operation, SOFT, actor=provider_actor("velocitypay"), at=clock.now())
        return outcome

    monkeypatch.setattr(operations, "call", told_meanwhile)
    assert authorized(waiting).state == "failed"
    assert tries(waiting) == [("velocitypay", "declined")]
    assert_all_invariants_hold()


def test_cancelling_and_going_elsewhere_end_in_one_way(waiting):
    outcomes = together(lambda: authorized(waiting), lambda: cancelled(waiting))
    assert all(isinstance(error, OperationOpen | StateConflict) for error in errors(outcomes))
    recovering.sweep(now_plus(60))
    payment = Payment.objects.get(pk=waiting.pk)
    assert payment.state in ("cancelled", "authorized")
    assert sum(outcome == "approved" for _, outcome in tries(waiting)) <= 1
    assert_all_invariants_hold()


class Gone(Exception):
    """The caller is killed just before its call."""


@pytest.fixture
def claimed(waiting, monkeypatch):
    """Its first try is claimed, and the answer is in two callers' hands."""

    def gone(operation):
        raise Gone

    with monkeypatch.context() as patch:
        patch.setattr(operations, "call", gone)
        with pytest.raises(Gone):
            authorized(waiting)
    return operation_of(waiting, "authorize")


def follow(operation):
    return failing_over.follow(operation, SOFT, actor=KEY, at=clock.now())


def test_two_callers_with_one_answer_make_one_next_try(waiting, claimed):
    outcomes = together(*[lambda: follow(claimed)] * 2)
    assert errors(outcomes) == []
    assert len({operation.pk for operation, _ in results(outcomes)}) == 2  # one stayed, one went on
    assert tries(waiting) == [("velocitypay", "declined"), ("stripe", "")]


def test_without_the_lock_the_constraints_let_one_in(waiting, claimed, monkeypatch):
    meeting = Meeting(2)
    with locks_taken_away(monkeypatch, meeting):
        outcomes = together(*[lambda: follow(claimed)] * 2)
    assert meeting.met
    assert len(errors(outcomes)) == 1
    assert tries(waiting) == [("velocitypay", "declined"), ("stripe", "")]
