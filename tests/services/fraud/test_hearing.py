"""Fraud hears what became of payments, through the outbox, and its invariants hold."""

import uuid
from datetime import timedelta

from fraud.handlers import OUTCOMES, remember_outcome
from fraud.models import Signal
from fraud.services.remembering import News, keep_outcome, keep_outcomes
from fraud.services.screening import screen
from fraud.states import Outcome
from ledger import clock, invariants, outbox
from ledger.ids import show
from ledger.models import Event
from tests.factories.fraud import screening_request

NOW = clock.now()
HOUR = timedelta(hours=1)


def heard(merchant_id: uuid.UUID, payment_id: uuid.UUID, kind: str) -> None:
    remember_outcome(
        Event(merchant_id=merchant_id, subject_id=payment_id, type=kind, occurred_at=clock.now())
    )


class TestOutcome:
    def test_is_kept_with_the_signal(self, northwind):
        payment = uuid.uuid4()
        screen(screening_request(northwind.id, payment_ref=show("pay", payment)))
        heard(northwind.id, payment, "payment.failed")
        assert Signal.objects.get(merchant=northwind).outcome == Outcome.FAILED

    def test_the_latest_news_counts_however_often_it_is_told(self, northwind):
        request = screening_request(northwind.id)
        screen(request)
        told = {"merchant_id": northwind.id, "payment_ref": request.payment_ref}
        assert keep_outcome(**told, outcome=Outcome.FAILED, at=NOW)
        assert not keep_outcome(**told, outcome=Outcome.CAPTURED, at=NOW)
        assert Signal.objects.get(merchant=northwind).outcome == Outcome.FAILED

    def test_of_another_merchant_s_payment_changes_nothing(self, northwind):
        request = screening_request(northwind.id)
        screen(request)
        assert not keep_outcome(
            merchant_id=uuid.uuid4(), payment_ref=request.payment_ref, outcome=Outcome.FAILED, at=NOW
        )

    def test_every_outcome_is_heard_by_the_outbox(self):
        assert OUTCOMES.keys() <= outbox.heard_types()


def test_the_invariants_hold_after_each_kind_of_verdict(northwind):
    for minor in (100, 1_000_001, 5_000_001):
        screen(screening_request(northwind.id, minor=minor, is_anonymous=True))
    for number in ("I-30", "I-31", "I-32"):
        assert list(invariants.registry[number].check()) == []


class TestSeveralAtOnce:
    def test_each_is_kept_as_if_it_were_alone(self, northwind):
        references = [show("pay", uuid.uuid4()) for _ in range(3)]
        for reference in references:
            screen(screening_request(northwind.id, payment_ref=reference))
        keep_outcome(
            merchant_id=northwind.id, payment_ref=references[0], outcome=Outcome.FAILED, at=NOW + HOUR
        )
        never_screened = show("pay", uuid.uuid4())
        keep_outcomes(
            [News(northwind.id, one, Outcome.CAPTURED, NOW) for one in (*references, never_screened)]
        )
        found = dict(Signal.objects.filter(merchant=northwind).values_list("payment_ref", "outcome"))
        assert found == dict.fromkeys(references, "captured") | {references[0]: "failed"}

    def test_of_another_merchant_s_payment_changes_nothing(self, northwind):
        request = screening_request(northwind.id)
        screen(request)
        keep_outcomes([News(uuid.uuid4(), request.payment_ref, Outcome.FAILED, NOW)] * 2)
        assert Signal.objects.get(merchant=northwind).outcome_at is None
