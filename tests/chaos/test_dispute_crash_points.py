"""kill -9 at every crash point of a dispute: its callback, its answer, and a refund that is adopted."""

import pytest

from ledger import clock
from ledger.actors import SYSTEM
from ledger.crashpoints import registry
from ledger.ids import uuid7
from ledger.models import JournalEntry
from payments import locks
from payments.models import Dispute, Payment, ProviderWebhook, Refund
from payments.rules.dispute_reasons import EvidenceKind
from payments.services.calls import recovering
from payments.services.disputes import answering_disputes
from payments.services.disputes.answering_disputes import NewEvidence
from tests.chaos import payment_steps
from tests.chaos.test_payment_crash_points import killed as killed
from tests.kit import disputes as kit
from tests.kit.books import assert_all_invariants_hold
from tests.kit.callbacks import Callback, callback_of, send
from tests.kit.shop import work_until
from tests.services.payments.cast import now_plus

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]

ANSWERS = sorted(point for point in registry if point.startswith(("challenge.", "accept.")))
TOLD = ["dispute.before_commit", "webhook.after_conclude", "webhook.after_receive"]
ADOPTED = ["refund_adoption.before_commit", "webhook.after_conclude"]


@pytest.fixture
def paid(northwind, ada, network) -> Payment:
    payment_id = uuid7()
    wanted = {"token": network.card()["token"], "vendor": str(ada.pk)}
    for step in ("create", "authorize", "capture"):
        payment_steps.run(step, northwind.pk, payment_id, uuid7(), wanted)
    return Payment.objects.get(pk=payment_id)


def asked(step: str, payment: Payment, operation_id, wanted: dict) -> tuple:
    return step, payment.merchant_id, payment.pk, operation_id, wanted


def message(callback: Callback) -> dict:
    return {"headers": callback.headers(), "body": callback.body.decode()}


def tell(callback: Callback) -> None:
    assert send(callback).status_code == 200
    work_until(now_plus(locks.WEBHOOK_LEASE_SECONDS + 1))


def test_the_sweep_knows_every_point():
    assert len(ANSWERS) == 2 * 4
    assert set(TOLD + ADOPTED) <= set(registry)


@pytest.mark.parametrize("point", TOLD)
def test_a_dispute_is_opened_and_its_money_booked_once(point, paid, network, killed):
    there = kit.opened(network, paid.provider_reference)
    callback = kit.callback_about(there)
    killed(point, *asked("webhook", paid, uuid7(), message(callback)))
    tell(callback)
    dispute = Dispute.objects.get(payment=paid)
    assert (dispute.state, dispute.withheld_minor) == ("chargeback", 10_000)
    assert JournalEntry.objects.filter(source_id=dispute.pk).count() == 1
    assert ProviderWebhook.objects.get(event_id=callback.event_id).state == "applied"
    assert_all_invariants_hold()


@pytest.mark.parametrize("point", ADOPTED)
def test_a_refund_is_adopted_once(point, paid, network, killed):
    made = kit.refunded_there(network, paid.provider_reference, 4_000, paid.pk.hex)
    callback = callback_of(network, made["idempotency_key"])
    killed(point, *asked("webhook", paid, uuid7(), message(callback)))
    tell(callback)
    assert Refund.objects.get(payment=paid).amount_minor == 4_000
    assert Payment.objects.get(pk=paid.pk).refunded_minor == 4_000
    assert_all_invariants_hold()


@pytest.mark.parametrize("point", ANSWERS)
def test_an_answer_is_given_once(point, paid, network, killed):
    there = kit.opened(network, paid.provider_reference)
    tell(kit.callback_about(there))
    dispute, operation_id = Dispute.objects.get(payment=paid), uuid7()
    answering_disputes.add_evidence(
        merchant_id=paid.merchant_id, dispute_id=dispute.pk, evidence_id=uuid7(),
        wanted=NewEvidence(EvidenceKind.EXPLANATION, text="He has it."), actor=SYSTEM, at=clock.now(),
    )  # fmt: skip
    step = point.partition(".")[0]
    wanted = {"dispute": str(dispute.pk)}
    killed(point, *asked(step, paid, operation_id, wanted))
    payment_steps.run(step, paid.merchant_id, paid.pk, operation_id, wanted)
    recovering.sweep(now_plus(20))
    recovering.sweep(now_plus(60))
    dispute.refresh_from_db()
    assert dispute.response == {"challenge": "challenged", "accept": "accepted"}[step]
    assert len(network.truth(kind=step, reference=dispute.public_id)) == 1
    assert_all_invariants_hold()
