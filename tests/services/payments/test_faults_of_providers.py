"""Faults of a provider and what the house makes of each, over HTTP; every fault proves that it fired.

What the adapters make of them is the table of `test_provider_matrix.py`; here is what follows from it.
"""

import tracemalloc

import pytest

from ledger.models import Event
from payments.models import Payment
from payments.providers.outcomes import Unknown
from payments.services.calls import operations, recovering
from tests.kit.callbacks import callback_of, send
from tests.kit.shop import run_jobs
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
HOUR = 3_600


def fresh(payment: Payment) -> Payment:
    return Payment.objects.get(pk=payment.pk)


class TestAProviderThatIsBusy:
    """Too many requests, or the same one still at work: later, under the same key, and never a decline."""

    def test_is_asked_when_it_said_and_not_before(self, northwind, network, fires):
        payment = created(northwind, wish(network.card()["token"]))
        network.script("429:30", operation="authorize", reference=payment.public_id)
        payment = authorized(payment)
        operation = operation_of(payment, "authorize")
        assert fires("429") == 1
        assert (payment.state, payment.is_processing, payment.decline_code) == ("created", True, "")
        assert round((operation.ask_at - operation.noted_at).total_seconds()) == 30
        recovering.sweep(now_plus(20))
        assert (operation_of(payment, "authorize").tries, network.truth(reference=payment.public_id)) == (
            1,
            [],
        )
        recovering.sweep(now_plus(31))
        (known,) = network.truth(reference=payment.public_id)
        assert (fresh(payment).state, known["idempotency_key"]) == ("authorized", operation.idempotency_key)

    def test_with_the_same_request_is_asked_what_became_of_it(self, northwind, network, fires):
        payment = created(northwind, wish(network.card()["token"]))
        network.script("409_after", operation="authorize", reference=payment.public_id)
        payment = authorized(payment)
        assert fires("409_after") == 1
        assert (payment.state, payment.is_processing, payment.decline_code) == ("created", True, "")
        recovering.sweep(now_plus(6))
        assert (fresh(payment).state, operation_of(payment, "authorize").tries) == ("authorized", 1)
        assert len(network.truth(reference=payment.public_id)) == 1


class TestAnAnswerThatIsNone:
    @pytest.mark.parametrize("fault", ["huge", "huge:50", "gzip_bomb", "many_headers"])
    def test_costs_little_memory_however_long_it_is(self, till, network, fires, fault):
        network.script(fault, operation="authorize", reference=till.reference)
        tracemalloc.start()
        try:
            assert isinstance(till.authorize(), Unknown)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert fires(fault.partition(":")[0]) == 1
        assert peak < 20 * 1024 * 1024  # the bomb would be 200 MB


class TestTheProvidersWordBeforeOurOwn:
    """Its callback is there, and applied, before the call has come back to us."""

    def test_is_booked_once(self, northwind, ada, network, signed, monkeypatch):
        payment = paid(northwind, network, shares=[(ada, 6_000)])
        call, overtaken = operations.call, []

        def overtaken_by_its_callback(operation):
            outcome = call(operation)
            assert send(callback_of(network, operation.idempotency_key)).status_code == 200
            run_jobs()
            overtaken.append(fresh(payment).state)
            return outcome

        with monkeypatch.context() as patch:
            patch.setattr(operations, "call", overtaken_by_its_callback)
            answered = captured(payment)
        assert overtaken == ["captured"]  # the callback had concluded it
        assert (answered.state, answered.captured_minor) == ("captured", 10_000)
        assert types_of(payment) == ["created", "authorized", "capture_asked", "captured"]
        assert Event.objects.filter(subject_id=payment.pk, entry_id__isnull=False).count() == 1


class TestADecline:
    def test_stays_when_the_customer_pays_in_another_way(self, northwind, network, fires):
        declined = paid(northwind, network, "insufficient_funds")
        key = operation_of(declined, "authorize").idempotency_key
        again = authorized(created(northwind, wish(network.card()["token"], order_ref=declined.order_ref)))
        assert fires("scenario:insufficient_funds") == 1
        assert (fresh(declined).state, again.state) == ("failed", "authorized")
        assert operation_of(again, "authorize").idempotency_key != key
        assert [row["status"] for row in network.truth(idempotency_key=key)] == ["declined"]


class TestAProviderThatForgetsOurKey:
    def test_is_not_sent_it_again(self, northwind, network, fires):
        """After a day the same request would be a new one: a person decides, and it is never sent."""
        payment = paid(northwind, network, "error_before")
        assert fires("scenario:error_before") == 1
        recovering.sweep(now_plus(25 * HOUR))
        recovering.sweep(now_plus(26 * HOUR))
        operation = operation_of(payment, "authorize")
        assert (operation.is_held, operation.tries) == (True, 1)
        assert network.truth(reference=payment.public_id) == []
        assert fresh(payment).state == "created"
