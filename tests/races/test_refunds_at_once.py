"""Refunds at once: together they never exceed what was captured; without the lock they collide."""

from collections.abc import Callable

import pytest
from django.db import IntegrityError

from ledger import clock, events
from ledger.actors import SYSTEM, staff_actor
from ledger.ids import uuid7
from ledger.states import StateConflict
from payments.models import Payment, Refund
from payments.rules.refund_division import RefundTooLarge
from payments.services.refunds import requesting_refunds
from payments.services.refunds.requesting_refunds import FourEyes, RefundWish
from tests.factories import payments as rows
from tests.kit.race import Meeting, errors, locks_taken_away, results, together
from vendors.models import Merchant

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]

CAPTURED = 1_000
ASKED = 100
AT_ONCE = 64
THREADS = 8


def ask(payment: Payment, amount: int = ASKED) -> Refund:
    return requesting_refunds.request(
        merchant_id=payment.merchant_id,
        wish=RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=amount),
        actor=SYSTEM,
        at=clock.now(),
    )


def ask_often(payment: Payment) -> list[str]:
    """Ask eight times, one after the other, as one of eight callers; return what became of each."""
    outcomes = []
    for _ in range(AT_ONCE // THREADS):
        try:
            outcomes.append(ask(payment).state)
        except RefundTooLarge:
            outcomes.append("too large")
    return outcomes


@pytest.fixture
def payment(northwind: Merchant) -> Payment:
    return rows.captured_payment(northwind, amount=CAPTURED)


class TestRefundsAtOnce:
    def test_never_exceed_what_was_captured(self, payment: Payment) -> None:
        outcomes = together(*[lambda: ask_often(payment)] * THREADS)
        assert errors(outcomes) == []
        became = [state for found in results(outcomes) for state in found]
        assert (became.count("approved"), became.count("too large")) == (CAPTURED // ASKED, 54)
        assert _promised(payment) == CAPTURED
        assert Payment.objects.get(pk=payment.pk).refunding_minor == CAPTURED

    def test_meet_the_sequence_of_events_without_the_lock(
        self, payment: Payment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The negative control: both read that there is enough, and only one writes the next event."""
        meeting = Meeting()
        with locks_taken_away(monkeypatch, meeting):
            outcomes = together(lambda: ask(payment, 700), lambda: ask(payment, 700))
        assert meeting.met
        assert [type(error) for error in errors(outcomes)] == [IntegrityError]
        assert "ledger_event" in str(errors(outcomes)[0])
        assert _promised(payment) == 700


class TestApprovalsAtOnce:
    """Several persons at the desk, or one who clicks twice: one decision, and the refund goes out once."""

    @pytest.fixture
    def waiting(self, payment: Payment) -> Refund:
        payment.merchant.refund_approval_above = {"USD": 99}
        payment.merchant.save()
        return ask(payment, 500)

    def decide(self, refund: Refund, decision: Callable[..., Refund], who: int) -> str:
        return decision(
            merchant_id=refund.merchant_id, refund_id=refund.pk, reason="seen",
            actor=staff_actor(who, f"clerk {who}"), at=clock.now(),
        ).state  # fmt: skip

    def test_decide_once(self, waiting: Refund) -> None:
        verdicts = [requesting_refunds.approve, requesting_refunds.reject] * 3
        outcomes = together(
            *[lambda verdict=verdict, who=who: self.decide(waiting, verdict, who)
              for who, verdict in enumerate(verdicts)]
        )  # fmt: skip
        assert len(results(outcomes)) == 1
        assert {type(error) for error in errors(outcomes)} == {StateConflict}
        told = [event.type for event in events.stream("refund", waiting.pk)]
        assert told in (["refund.requested", "refund.approved"], ["refund.requested", "refund.rejected"])

    def test_of_who_asked_are_refused_however_often(self, payment: Payment, waiting: Refund) -> None:
        outcomes = together(*[lambda: requesting_refunds.approve(
            merchant_id=waiting.merchant_id, refund_id=waiting.pk, reason="mine", actor=SYSTEM, at=clock.now()
        )] * 4)  # fmt: skip
        assert {type(error) for error in errors(outcomes)} == {FourEyes}
        assert Refund.objects.get(pk=waiting.pk).state == "requested"

    def test_collide_without_the_lock(self, waiting: Refund, monkeypatch: pytest.MonkeyPatch) -> None:
        meeting = Meeting()
        with locks_taken_away(monkeypatch, meeting):
            outcomes = together(
                lambda: self.decide(waiting, requesting_refunds.approve, 1),
                lambda: self.decide(waiting, requesting_refunds.reject, 2),
            )
        assert meeting.met
        assert [type(error) for error in errors(outcomes)] == [IntegrityError]


def _promised(payment: Payment) -> int:
    return sum(Refund.objects.filter(payment=payment).values_list("amount_minor", flat=True))
