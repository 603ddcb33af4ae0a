"""A failed refund asked for again, and its provider believed, by several at once: one of them has its way."""

import pytest
from django.db import IntegrityError

from ledger import clock
from ledger.actors import SYSTEM, Actor, provider_actor
from ledger.ids import uuid7
from ledger.money import Money
from payments.models import Contradiction, Payment, ProviderOperation, Refund
from payments.providers.outcomes import Approved, Declined
from payments.services.calls import operations
from payments.services.refunds import refunding, renewing_refunds, requesting_refunds
from payments.services.refunds.renewing_refunds import RefundNotAskable
from payments.services.refunds.requesting_refunds import RefundWish
from payments.services.unknown import deciding_unknown
from payments.services.unknown.deciding_unknown import CannotBeAccepted
from tests.factories import payments as rows
from tests.kit.race import Meeting, errors, locks_taken_away, results, together
from vendors.models import Merchant

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]

ASKED = 700
VELOCITY = provider_actor("velocitypay")


@pytest.fixture
def refund(northwind: Merchant) -> Refund:
    """A refund that its provider refused; nobody is asked over a wire."""
    payment = rows.captured_payment(northwind, amount=1_000)
    whose = {"merchant_id": northwind.pk, "actor": SYSTEM, "at": clock.now()}
    wish = RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=ASKED)
    asked = requesting_refunds.request(wish=wish, **whose)
    operation = refunding._claim(northwind.pk, asked.pk, uuid7(), SYSTEM, clock.now())
    told = Declined("no_such_account", "closed", None, is_hard=True)
    return operations.conclude(operation, told, actor=VELOCITY, at=clock.now())


def ask_again(refund: Refund) -> str:
    try:
        return renewing_refunds.ask_again(
            merchant_id=refund.merchant_id, refund_id=refund.pk, reason="again", actor=SYSTEM, at=clock.now()
        ).state
    except RefundNotAskable:
        return "not askable"


def accept(found: Contradiction) -> str:
    grace = Actor("staff", "7", "grace")
    try:
        return deciding_unknown.accept(
            contradiction_id=found.pk, actor=grace, reason="seen there", at=clock.now()
        ).state
    except CannotBeAccepted:
        return "not acceptable"


def spoken_for(refund: Refund) -> int:
    return Payment.objects.get(pk=refund.payment_id).refunding_minor


class TestAFailedRefund:
    def test_is_asked_for_again_once(self, refund: Refund) -> None:
        outcomes = together(*[lambda: ask_again(refund)] * 6)
        assert errors(outcomes) == []
        assert sorted(results(outcomes)) == ["approved"] + ["not askable"] * 5
        assert (spoken_for(refund), Refund.objects.get(pk=refund.pk).tries) == (ASKED, 2)

    def test_is_believed_once_and_then_not_asked_for_again(self, refund: Refund) -> None:
        operation = ProviderOperation.objects.get(subject_id=refund.pk)
        yes = Approved("re_1", Money(ASKED, "USD"), Money.zero("USD"))
        operations.conclude(operation, yes, actor=VELOCITY, at=clock.now())
        found = Contradiction.objects.get(operation=operation)
        outcomes = together(*[lambda: accept(found), lambda: ask_again(refund)] * 3)
        assert errors(outcomes) == []
        assert sorted(results(outcomes)) == ["accepted"] + ["not acceptable"] * 2 + ["not askable"] * 3
        assert (spoken_for(refund), Refund.objects.get(pk=refund.pk).state) == (ASKED, "processing")

    def test_meets_the_sequence_of_events_without_the_lock(
        self, refund: Refund, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The negative control: both find it failed, and only one writes the next event."""
        meeting = Meeting()
        with locks_taken_away(monkeypatch, meeting):
            outcomes = together(*[lambda: ask_again(refund)] * 2)
        assert meeting.met
        assert [type(error) for error in errors(outcomes)] == [IntegrityError]
        assert spoken_for(refund) == ASKED
