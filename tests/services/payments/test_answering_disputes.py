"""Our answers to disputes at the sandbox network, and the network's word on them by its own callbacks."""

from datetime import timedelta

import pytest

from ledger import clock
from ledger.actors import Actor
from ledger.explain import walking
from ledger.ids import uuid7
from ledger.models import Event
from payments.models import Dispute, DisputeEvidence, Payment, ProviderOperation, ProviderWebhook
from payments.rules.dispute_reasons import EvidenceKind
from payments.services.calls import recovering
from payments.services.disputes import answering_disputes, warning_disputes
from payments.services.disputes.answering_disputes import (
    FILE_BYTES_MAX,
    AnswerTooLate,
    DisputeNotAnswerable,
    EvidenceMissing,
    EvidenceTooLarge,
    EvidenceTypeRefused,
    NewEvidence,
)
from tests.flows.test_every_cent import assert_every_cent_is_explained
from tests.kit import disputes as kit
from tests.kit.books import assert_all_invariants_hold
from tests.kit.callbacks import send
from tests.kit.network import Network, eventually
from tests.kit.shop import Shop, run_jobs

pytestmark = pytest.mark.django_db
KEY = Actor("api_key", "key_1", "the shop")
PDF = b"%PDF-1.7\n1 0 obj"


def tell(network: Network, dispute: dict) -> None:
    """Deliver the callback about a dispute, as it stands at the network, and let the job apply it."""
    (now,) = kit.standing(network, id=dispute["id"])
    assert send(kit.callback_about(now)).status_code == 200
    run_jobs()


def of(there: dict) -> Dispute:
    return Dispute.objects.get(provider_reference=there["id"])


def add(dispute: Dispute, kind: EvidenceKind = EvidenceKind.EXPLANATION, text: str = "", **more) -> Dispute:
    wanted = NewEvidence(kind, text=text if more or text else "He has it.", **more)
    return answering_disputes.add_evidence(
        merchant_id=dispute.merchant_id, dispute_id=dispute.pk, evidence_id=uuid7(), wanted=wanted,
        actor=KEY, at=clock.now(),
    )  # fmt: skip


def answer(dispute: Dispute, how=answering_disputes.challenge, **more) -> Dispute:
    return how(
        merchant_id=dispute.merchant_id, dispute_id=dispute.pk, actor=KEY,
        **{"operation_id": uuid7(), "at": clock.now(), **more},
    )  # fmt: skip


@pytest.fixture
def there(shop: Shop, network: Network) -> dict:
    """A chargeback that a test card brought, as the network has it, told to us."""
    paid = shop.captured("dispute_fraudulent")
    (dispute,) = kit.standing(network, authorization=paid["provider_reference"])
    tell(network, dispute)
    return dispute


class TestByCallback:
    def test_a_test_card_brings_a_chargeback_with_its_money_and_fee(self, there: dict) -> None:
        dispute = of(there)
        assert (dispute.state, dispute.scheme, dispute.reason_code) == ("chargeback", "visa", "10.4")
        assert (dispute.category, dispute.withheld_minor, dispute.fee_minor) == ("fraudulent", 10_000, 1_500)
        assert dispute.days_left(clock.now()) == 21
        assert_all_invariants_hold()

    def test_the_same_callback_again_changes_nothing(self, network: Network, there: dict) -> None:
        tell(network, there)
        assert Event.objects.filter(subject_id=of(there).pk).count() == 2

    def test_it_is_parked_until_its_payment_is_known(self, network: Network, there: dict) -> None:
        stranger = {**there, "id": "dp_early", "authorization": "auth_of_nobody"}
        assert send(kit.callback_about(stranger)).status_code == 200
        run_jobs()
        kept = ProviderWebhook.objects.get(event_id="evt_dp_early_1")
        assert (kept.state, kept.last_error) == ("received", "no payment of ours has this authorization")

    def test_its_story_leads_to_the_callback(self, there: dict) -> None:
        dispute = of(there)
        kept = ProviderWebhook.objects.get(event_id=f"evt_{there['id']}_1")
        story = walking.explain(dispute)
        assert kept.public_id in story.nodes
        assert_every_cent_is_explained(story)
        assert kept.merchant_id == dispute.merchant_id


class TestEvidence:
    def test_tells_what_is_missing_for_the_reason(self, there: dict) -> None:
        dispute = of(there)
        assert [need.code for need in answering_disputes.missing(dispute)] == [
            "payer_identified", "handed_over", "explanation",
        ]  # fmt: skip
        add(dispute, EvidenceKind.DELIVERY_PROOF, content=PDF, filename="proof.pdf")
        add(dispute)
        assert [need.code for need in answering_disputes.missing(dispute)] == ["payer_identified"]

    def test_keeps_a_file_with_its_type_and_digest(self, there: dict) -> None:
        add(of(there), EvidenceKind.RECEIPT, content=PDF, filename="receipt.exe")
        kept = DisputeEvidence.objects.get(dispute=of(there))
        assert (kept.media_type, kept.size_bytes, bytes(kept.content)) == ("application/pdf", len(PDF), PDF)

    @pytest.mark.parametrize(
        ("content", "error"),
        [(b"MZ\x90", EvidenceTypeRefused), (PDF + b" " * FILE_BYTES_MAX, EvidenceTooLarge)],
        ids=["a program", "too large"],
    )
    def test_refuses_what_a_bank_does_not_read_and_keeps_nothing(self, there, content, error) -> None:
        with pytest.raises(error):
            add(of(there), EvidenceKind.RECEIPT, content=content, filename="a.pdf")
        assert not DisputeEvidence.objects.filter(dispute=of(there)).exists()

    def test_refuses_a_ninth_file(self, there: dict) -> None:
        for number in range(8):
            add(of(there), EvidenceKind.OTHER, content=PDF, filename=f"{number}.pdf")
        with pytest.raises(EvidenceTooLarge):
            add(of(there), EvidenceKind.OTHER, content=PDF, filename="9.pdf")


class TestChallenge:
    def test_is_won_by_what_convinces_and_the_money_comes_back(self, network: Network, there: dict) -> None:
        add(of(there), text="winning_evidence")
        assert answer(of(there)).response == "challenged"
        eventually(lambda: kit.standing(network, id=there["id"], status="won"), "the network decides")
        tell(network, there)
        dispute = of(there)
        assert (dispute.state, dispute.withheld_minor, dispute.submissions) == ("won", 0, 1)
        assert Payment.objects.get(pk=dispute.payment_id).disputed_minor == 0
        assert_all_invariants_hold()

    def test_is_lost_by_what_does_not(self, network: Network, there: dict) -> None:
        add(of(there), text="losing_evidence")
        answer(of(there))
        eventually(lambda: kit.standing(network, id=there["id"], status="lost"), "the network decides")
        tell(network, there)
        assert (of(there).state, of(there).settled_minor) == ("lost", 10_000)
        assert_all_invariants_hold()

    def test_goes_out_once_with_all_evidence_and_files(self, network: Network, there: dict) -> None:
        add(of(there), EvidenceKind.RECEIPT, content=PDF, filename="receipt.pdf")
        operation = uuid7()
        add(of(there))
        answer(of(there), operation_id=operation)
        answer(of(there), operation_id=operation)
        (now,) = kit.standing(network, id=there["id"])
        assert (now["status"], now["evidence"]) == ("under_review", ["receipt", "explanation"])
        assert len(network.truth(kind="challenge", reference=of(there).public_id)) == 1
        with pytest.raises(DisputeNotAnswerable):
            answer(of(there))

    def test_needs_evidence(self, there: dict) -> None:
        with pytest.raises(EvidenceMissing):
            answer(of(there))

    def test_is_too_late_after_the_date_but_nothing_is_lost_by_it(self, there: dict) -> None:
        add(of(there))
        late = of(there).due_at + timedelta(seconds=1)
        with pytest.raises(AnswerTooLate):
            answer(of(there), at=late)
        assert warning_disputes.sweep(late) == 0
        assert of(there).state == "chargeback"

    def test_an_answer_that_got_lost_is_asked_about(self, network: Network, there: dict) -> None:
        script = network.script(
            "timeout_after+no_webhook", operation="challenge", reference=of(there).public_id
        )
        add(of(there))
        assert answer(of(there)).response == "challenging"
        assert network.faults()[f"script:{script}"] == 1
        recovering.sweep(clock.now() + timedelta(seconds=20))
        assert of(there).response == "challenged"
        assert_all_invariants_hold()

    def test_refused_frees_the_evidence_for_another(self, network: Network, there: dict) -> None:
        add(of(there))
        kit.moved(network, there["id"], "lost")
        assert answer(of(there)).response == "none"
        dispute = of(there)
        assert (dispute.failure_code, dispute.state) == ("invalid_state", "chargeback")
        assert not DisputeEvidence.objects.filter(dispute=dispute).exclude(operation=None).exists()

    def test_of_a_new_stage_needs_a_new_answer(self, network: Network, there: dict) -> None:
        add(of(there))
        answer(of(there))
        kit.moved(network, there["id"], "pre_arbitration")
        tell(network, there)
        dispute = of(there)
        assert (dispute.state, dispute.response) == ("pre_arbitration", "none")
        add(dispute)
        assert answer(dispute).response == "challenged"


class TestAccept:
    def test_gives_the_money_up(self, network: Network, there: dict) -> None:
        dispute = answer(of(there), answering_disputes.accept)
        assert (dispute.state, dispute.response, dispute.settled_minor) == ("accepted", "accepted", 10_000)
        assert kit.standing(network, id=there["id"])[0]["status"] == "accepted"
        tell(network, there)
        assert of(there).state == "accepted"
        assert_all_invariants_hold()

    def test_loses_against_the_networks_own_word_in_either_order(self, network: Network, there: dict) -> None:
        network.script("pending_then_ok", operation="accept", reference=of(there).public_id)
        assert answer(of(there), answering_disputes.accept).response == "accepting"
        kit.moved(network, there["id"], "lost")
        tell(network, there)
        assert of(there).state == "lost"
        operation = ProviderOperation.objects.get(subject_id=of(there).pk, kind="accept")
        eventually(
            lambda: network.truth(idempotency_key=operation.idempotency_key, status="succeeded"), "it is done"
        )
        recovering.sweep(clock.now() + timedelta(seconds=20))
        assert (of(there).state, of(there).response) == ("lost", "accepted")
        assert_all_invariants_hold()


class TestWarnings:
    def test_come_once_each_at_14_7_3_and_1_days(self, there: dict) -> None:
        dispute = of(there)
        for hours in range(0, 22 * 24, 6):
            at = clock.now() + timedelta(hours=hours)
            warning_disputes.sweep(at)
            warning_disputes.sweep(at)
        told = Event.objects.filter(subject_id=dispute.pk, type="dispute.evidence_due_soon")
        given = [event.payload["days"] for event in told.order_by("sequence")]
        assert given == [14, 7, 3, 1]
        assert of(there).state == "chargeback"

    def test_a_missed_run_gives_the_nearest_only(self, there: dict) -> None:
        warning_disputes.sweep(of(there).due_at - timedelta(days=2))
        assert of(there).warned_days == 3

    def test_stop_when_the_answer_is_given(self, there: dict) -> None:
        add(of(there))
        answer(of(there))
        assert warning_disputes.sweep(of(there).due_at - timedelta(days=2)) == 0
