"""Refunds at once: together they never exceed what was captured; without the lock they collide."""

import pytest
from django.db import IntegrityError

from ledger import clock
from ledger.actors import SYSTEM
from ledger.ids import uuid7
from payments.models import Payment, Refund
from payments.refund_division import RefundTooLarge
from payments.services import requesting_refunds
from payments.services.requesting_refunds import RefundWish
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
        meeting = Meeting(parties=2, seconds=5.0)
        with locks_taken_away(monkeypatch, meeting):
            outcomes = together(lambda: ask(payment, 700), lambda: ask(payment, 700))
        assert meeting.met
        assert [type(error) for error in errors(outcomes)] == [IntegrityError]
        assert "ledger_event" in str(errors(outcomes)[0])
        assert _promised(payment) == 700


def _promised(payment: Payment) -> int:
    return sum(Refund.objects.filter(payment=payment).values_list("amount_minor", flat=True))
