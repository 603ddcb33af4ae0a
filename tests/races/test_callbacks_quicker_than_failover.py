"""The callback of a decline and its caller, who asks another provider: one outcome of one operation (D-144).

Whoever is first, the payment goes on: what the callback tells is what the caller has in his hand. Only when
the caller is gone it ends here, by the callback or by the recovery, unless the merchant repeats his request.
"""

import threading

import pytest

from ledger import clock
from ledger.ids import uuid7
from payments.models import Payment, ProviderOperation, ProviderWebhook
from payments.providers.outcomes import NotSent, Unknown
from payments.services.calls import failing_over, operations, recovering
from payments.services.webhooks import webhook_applying
from tests.kit import callbacks, stored
from tests.kit.books import assert_all_invariants_hold
from tests.kit.callbacks import apply_due
from tests.kit.race import PATIENCE_SECONDS, errors, results, together
from tests.services.payments.cast import authorized, cancelled, created, now_plus, operation_of, wish

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
WENT_ON = [("velocitypay", "declined"), ("stripe", "approved")]
ENDED_HERE = [("velocitypay", "declined")]


class Gone(Exception):
    """The caller is killed."""


@pytest.fixture
def method(northwind, network):
    """A stored card that VelocityPay declines softly and Stripe takes."""
    token = network.card("generic_decline")["token"]
    return stored.held(northwind, velocitypay=token, stripe="pm_card_visa")


@pytest.fixture
def waiting(northwind, method):
    return created(northwind, wish("", method_id=method.pk, customer_ref=method.customer_ref))


def tries(payment):
    rows = ProviderOperation.objects.filter(payment=payment, kind="authorize").order_by("created_at", "id")
    return [(row.provider, row.outcome) for row in rows]


def tell(network, operation, at=None, **changes):
    """The provider tells how an operation stands there, and the sweep takes it up."""
    callback = callbacks.callback_of(network, operation.idempotency_key, **changes)
    assert callbacks.send(callback).status_code < 300
    apply_due(at or clock.now())
    return ProviderWebhook.objects.get(event_id=callback.event_id)


def at_call(monkeypatch, provider, then):
    """Have something done when a provider has answered and its caller does not know it yet."""
    call = operations.call

    def called(operation):
        outcome = call(operation)
        return then(operation, outcome) if operation.provider == provider else outcome

    monkeypatch.setattr(operations, "call", called)


def gone(operation, outcome):
    raise Gone


def killed(payment, operation_id):
    with pytest.raises(Gone):
        authorized(payment, operation_id)
    return operation_of(payment, "authorize")


class TestTheCallerGoesOn:
    def test_told_before_our_own_answer(self, waiting, network, monkeypatch):
        told = []

        def quicker(operation, outcome):
            told.append(tell(network, operation))
            return outcome

        at_call(monkeypatch, "velocitypay", quicker)
        assert authorized(waiting).state == "authorized"
        assert tries(waiting) == WENT_ON
        assert [webhook.state for webhook in told] == ["received"]  # left to the caller
        apply_due(now_plus(5))
        (webhook,) = ProviderWebhook.objects.filter(pk=told[0].pk)
        assert (webhook.state, webhook.verdict) == ("applied", webhook_applying.KNOWN)
        assert_all_invariants_hold()

    def test_told_on_the_way_to_the_next(self, waiting, network, monkeypatch):
        find = failing_over._candidate

        def told_meanwhile(payment, *more):
            tell(network, operation_of(payment, "authorize"))
            return find(payment, *more)

        monkeypatch.setattr(failing_over, "_candidate", told_meanwhile)
        assert authorized(waiting).state == "authorized"
        assert tries(waiting) == WENT_ON
        assert_all_invariants_hold()

    def test_told_on_a_long_way_to_the_next(self, waiting, network, monkeypatch):
        """The next provider is given the card; the recovery comes by meanwhile and leaves it."""
        find = failing_over._candidate

        def slow(payment, *more):
            operation = operation_of(payment, "authorize")
            at = operation.ask_at - (operation.ask_at - clock.now()) / 10
            tell(network, operation, at)
            recovering.sweep(at)
            return find(payment, *more)

        monkeypatch.setattr(failing_over, "_candidate", slow)
        assert authorized(waiting).state == "authorized"
        assert tries(waiting) == WENT_ON

    @pytest.mark.parametrize("turn", range(3))
    def test_told_at_the_same_time(self, waiting, network, monkeypatch, turn):
        answered = threading.Event()
        declined = []  # the caller may have gone to the next provider before the teller looks

        def announced(operation, outcome):
            declined.append(operation)
            answered.set()
            return outcome

        def teller():
            assert answered.wait(PATIENCE_SECONDS)
            return tell(network, declined[0])

        at_call(monkeypatch, "velocitypay", announced)
        outcomes = together(lambda: authorized(waiting), teller)
        assert errors(outcomes) == []
        assert Payment.objects.get(pk=waiting.pk).state == "authorized"
        assert tries(waiting) == WENT_ON
        apply_due(now_plus(5))
        assert ProviderWebhook.objects.get(pk=results(outcomes)[1].pk).state == "applied"
        assert_all_invariants_hold()

    def test_told_after_it_went_on(self, waiting, network):
        authorized(waiting)
        first = ProviderOperation.objects.get(payment=waiting, provider="velocitypay")
        assert tell(network, first).verdict == webhook_applying.KNOWN
        assert Payment.objects.get(pk=waiting.pk).state == "authorized"

    def test_told_of_what_was_not_sent(self, waiting, network, monkeypatch):
        """Who says that nothing went out has the same right to go on, whatever is told meanwhile."""

        def quicker(operation, outcome):
            tell(network, operation)
            return NotSent("no connection")

        at_call(monkeypatch, "velocitypay", quicker)
        assert authorized(waiting).state == "authorized"
        assert tries(waiting) == [("velocitypay", "not_sent"), ("stripe", "approved")]


class TestTheCallerDoesNot:
    def test_the_answer_was_lost(self, waiting, network, monkeypatch):
        """After unknown nobody goes elsewhere, so the callback ends it."""

        def lost(operation, outcome):
            tell(network, operation)
            return Unknown("the answer was lost")

        at_call(monkeypatch, "velocitypay", lost)
        assert authorized(waiting).state == "created"
        apply_due(now_plus(5))
        assert Payment.objects.get(pk=waiting.pk).state == "failed"
        assert tries(waiting) == ENDED_HERE
        assert_all_invariants_hold()

    def test_a_payment_of_a_token_ends_by_the_callback(self, northwind, network, monkeypatch):
        """What is good at one provider only has nothing to wait for."""
        payment = created(northwind, wish(network.card("generic_decline")["token"]))
        at_call(monkeypatch, "velocitypay", gone)
        assert tell(network, killed(payment, uuid7())).state == "applied"
        assert Payment.objects.get(pk=payment.pk).state == "failed"

    @pytest.mark.parametrize("first", ["recovery", "callback"])
    def test_who_is_gone_does_not_hold_it_up(self, waiting, network, monkeypatch, first):
        at_call(monkeypatch, "velocitypay", gone)
        operation = killed(waiting, uuid7())
        webhook = tell(network, operation)
        assert (webhook.state, operation_of(waiting, "authorize").is_open) == ("received", True)
        his_time_is_over = now_plus((operation.ask_at - clock.now()).total_seconds() + 1)
        steps = [recovering.sweep, apply_due]
        for step in steps if first == "recovery" else steps[::-1]:
            step(his_time_is_over)
        assert Payment.objects.get(pk=waiting.pk).state == "failed"
        assert tries(waiting) == ENDED_HERE
        assert ProviderWebhook.objects.get(pk=webhook.pk).state == "applied"
        assert_all_invariants_hold()


class TestTheRequestIsRepeated:
    @pytest.mark.parametrize("is_told", [True, False])
    def test_after_a_kill_it_goes_on(self, waiting, network, monkeypatch, is_told):
        operation_id = uuid7()
        with monkeypatch.context() as patch:
            at_call(patch, "velocitypay", gone)
            operation = killed(waiting, operation_id)
        if is_told:
            tell(network, operation)
        assert authorized(waiting, operation_id).state == "authorized"
        assert tries(waiting) == WENT_ON
        assert_all_invariants_hold()

    def test_after_the_customer_has_gone_it_does_not(self, waiting, network, monkeypatch):
        operation_id = uuid7()
        with monkeypatch.context() as patch:
            at_call(patch, "velocitypay", gone)
            killed(waiting, operation_id)
        late = now_plus(failing_over.NOW_SECONDS + 1)
        assert authorized(waiting, operation_id, at=late).state == "failed"
        assert tries(waiting) == ENDED_HERE

    def test_while_the_first_is_at_it_the_first_still_goes_on(self, waiting, network, monkeypatch):
        """Both have the same answer: one goes on, the other is told of a payment that is processing."""
        operation_id, seen = uuid7(), []

        def repeated(operation, outcome):
            seen.append(authorized(waiting, operation_id))
            return outcome

        at_call(monkeypatch, "velocitypay", repeated)
        payment = authorized(waiting, operation_id)
        assert seen[0].state == "authorized"
        assert (payment.state, tries(waiting)) == ("authorized", WENT_ON)
        assert_all_invariants_hold()

    def test_before_the_first_has_called_it_changes_nothing(self, waiting, network, monkeypatch):
        operation_id, call = uuid7(), operations.call

        def repeated(operation):
            if operation.provider == "velocitypay":
                assert authorized(waiting, operation_id).is_processing
            return call(operation)

        monkeypatch.setattr(operations, "call", repeated)
        assert authorized(waiting, operation_id).state == "authorized"
        assert tries(waiting) == WENT_ON

    def test_who_was_slower_is_told_that_it_is_on_its_way(self, waiting, network, monkeypatch):
        """The next try is claimed by one and not called yet when the other ends."""
        operation_id = uuid7()
        at_call(monkeypatch, "stripe", gone)
        slow = []

        def repeated(operation, outcome):
            with pytest.raises(Gone):
                authorized(waiting, operation_id)
            slow.append(operation)
            return outcome

        at_call(monkeypatch, "velocitypay", repeated)
        payment = authorized(waiting, operation_id)
        assert len(slow) == 1
        assert (payment.state, payment.is_processing) == ("created", True)
        assert tries(waiting) == [("velocitypay", "declined"), ("stripe", "")]


def test_a_cancelled_payment_is_told_of_its_decline_at_once(waiting, network, monkeypatch):
    at_call(monkeypatch, "velocitypay", gone)
    operation = killed(waiting, uuid7())
    cancelled(waiting)
    assert tell(network, operation).state == "applied"
    assert (Payment.objects.get(pk=waiting.pk).state, tries(waiting)) == ("cancelled", ENDED_HERE)
    assert_all_invariants_hold()
