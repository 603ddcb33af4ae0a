"""Refunds and disputes of the same money at once: together never more than was captured."""

import pytest
from django.db import IntegrityError

from ledger import clock
from ledger.actors import SYSTEM
from ledger.ids import uuid7
from payments.models import Dispute, Payment, Refund
from payments.rules.refund_division import RefundTooLarge
from payments.services.refunds import requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from tests.factories import disputes as told
from tests.factories import payments as rows
from tests.kit.race import Meeting, errors, locks_taken_away, results, together
from vendors.models import Merchant

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]
CAPTURED = 1_000


def refund(payment: Payment, amount: int) -> str:
    wish = RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=amount)
    try:
        requesting_refunds.request(merchant_id=payment.merchant_id, wish=wish, actor=SYSTEM, at=clock.now())
    except RefundTooLarge:
        return "too large"
    return "refunding"


def charge_back(payment: Payment, amount: int) -> str:
    told.chargeback(payment, amount=amount, fee=0)
    return "charged back"


@pytest.fixture
def payment(northwind: Merchant) -> Payment:
    return rows.captured_payment(northwind, amount=CAPTURED)


class TestRefundsAndDisputesAtOnce:
    def test_never_take_more_than_was_captured(self, payment: Payment) -> None:
        runners = [lambda: refund(payment, 300), lambda: charge_back(payment, 300)] * 4
        outcomes = together(*runners)
        assert errors(outcomes) == []
        assert results(outcomes).count("charged back") == 4  # the provider took it, whatever we think
        now = Payment.objects.get(pk=payment.pk)
        assert now.refunding_minor + now.disputed_minor <= CAPTURED
        assert now.refunding_minor + now.disputed_minor >= CAPTURED - 300
        promised = sum(Refund.objects.filter(payment=payment).values_list("amount_minor", flat=True))
        covered = sum(Dispute.objects.filter(payment=payment).values_list("covered_minor", flat=True))
        assert (promised, covered) == (now.refunding_minor, now.disputed_minor)

    def test_the_same_dispute_told_at_once_is_opened_once(self, payment: Payment) -> None:
        one = told.notice(payment, movements=[told.movement("withdrawal", CAPTURED)])
        outcomes = together(*[lambda: told.follow(one)] * 6)
        assert errors(outcomes) == []
        assert len({row.pk for row in results(outcomes)}) == 1
        assert Dispute.objects.get(payment=payment).withheld_minor == CAPTURED

    def test_meet_the_law_without_the_lock(self, payment: Payment, monkeypatch: pytest.MonkeyPatch) -> None:
        """The negative control: both read that there is enough; the counters' check or the events' sequence,
        which one statement writes, stops the second."""
        meeting = Meeting()
        with locks_taken_away(monkeypatch, meeting):
            outcomes = together(lambda: refund(payment, 700), lambda: charge_back(payment, 700))
        assert meeting.met
        assert [type(error) for error in errors(outcomes)] == [IntegrityError]
        (error,) = errors(outcomes)
        assert any(law in str(error) for law in ("ledger_event", "payments_payment_refunded_within_captured"))
