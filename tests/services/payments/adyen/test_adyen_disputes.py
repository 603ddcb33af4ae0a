"""Our answers to disputes at Adyen over HTTP: given once, lost before and after their effect, decided."""

import base64
from datetime import timedelta
from typing import Any

import pytest

from ledger import clock
from payments.models import Dispute, ProviderOperation
from payments.services.calls import recovering
from tests.kit.adyen import PDF_FILE, AdyenSandbox
from tests.kit.books import assert_all_invariants_hold
from tests.kit.refunds import payment_of
from tests.kit.shop import Shop, good, run_jobs
from tests.services.payments.adyen.test_paying_with_adyen import captured, sandbox, send

__all__ = ["sandbox"]  # a fixture
pytestmark = pytest.mark.django_db
DISPUTES = "/api/v1/disputes/"
PDF = base64.b64encode(PDF_FILE).decode()
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 20).decode()


class Case:
    """A dispute of one payment, there and here."""

    def __init__(self, shop: Shop, sandbox: AdyenSandbox, card: str = "dispute") -> None:
        self.shop, self.sandbox = shop, sandbox
        self.payment = captured(shop, sandbox, card)
        psp = payment_of(self.payment).provider_reference
        (opened,) = [row for row in sandbox.of_parent(psp) if row["kind"] == "dispute"]
        self.id, self.psp = opened["id"], psp
        self.tell()

    @property
    def there(self) -> dict[str, Any]:
        (found,) = [row for row in self.sandbox.of_parent(self.psp) if row["id"] == self.id]
        return found

    @property
    def here(self) -> Dispute:
        return Dispute.objects.get(provider_reference=self.id)

    @property
    def answer(self) -> ProviderOperation:
        return ProviderOperation.objects.get(subject_id=self.here.pk, kind__in=("challenge", "accept"))

    def tell(self, event: str = "") -> None:
        """Let Adyen tell all that it has to tell, once `event` is among it."""
        if event:
            self.sandbox.wait_for(self.id, event)
        for webhook in self.sandbox.webhooks(self.id):
            assert send(webhook).status_code == 200
        run_jobs()

    def events(self) -> list[str]:
        made = self.sandbox.webhooks(self.id)
        return [one["notificationItems"][0]["NotificationRequestItem"]["eventCode"] for one in made]

    def evidence(self, **body: Any) -> None:
        good(self.shop.client.post(f"{DISPUTES}{self.here.public_id}/evidence", body), 201)

    def give(self, kind: str, status: int = 200) -> dict[str, Any]:
        return good(self.shop.client.post(f"{DISPUTES}{self.here.public_id}/{kind}", {}), status)


def settle(seconds: int) -> None:
    recovering.sweep(clock.now() + timedelta(seconds=seconds))


def test_a_chargeback_is_won_by_documents_that_convince(shop, sandbox):
    case = Case(shop, sandbox)
    assert (case.here.state, case.here.withheld_minor) == ("chargeback", 10_000)
    case.evidence(kind="explanation", text="He signed for it (twice): winning_evidence")
    case.evidence(kind="delivery_proof", filename="slip.pdf", content=PDF)
    case.evidence(kind="receipt", filename="invoice.pdf", content=PDF)
    case.give("challenge")
    assert (case.here.response, case.answer.outcome) == ("challenged", "approved")
    assert set(case.there["documents"]) == {"DefenseMaterial", "TIDorInvoice"}
    case.tell("ISSUER_RESPONSE_TIMEFRAME_EXPIRED")
    assert (case.here.state, case.here.withheld_minor) == ("won", 0)
    assert_all_invariants_hold()


def test_documents_that_do_not_convince_lose(shop, sandbox):
    case = Case(shop, sandbox)
    case.evidence(kind="explanation", text="We think that it is right.")
    case.give("challenge")
    case.tell("SECOND_CHARGEBACK")
    assert (case.here.state, case.here.withheld_minor) == ("lost", 10_000)
    assert_all_invariants_hold()


def test_a_request_for_information_is_answered_and_stays_one(shop, sandbox):
    case = Case(shop, sandbox, "inquiry")
    case.evidence(kind="product_description", text="A red bicycle.")
    case.evidence(kind="receipt", text="Invoice 7")
    case.give("challenge")
    assert set(case.there["documents"]) == {"GoodsWereAsDescribed", "TIDorInvoice"}
    case.tell("INFORMATION_SUPPLIED")
    assert (case.here.state, case.here.response, case.here.withheld_minor) == ("inquiry", "challenged", 0)


def test_giving_in_is_final_there_and_here(shop, sandbox):
    case = Case(shop, sandbox)
    case.give("accept")
    case.tell("DISPUTE_DEFENSE_PERIOD_ENDED")
    assert (case.there["status"], case.here.state) == ("Accepted", "accepted")
    assert case.here.withheld_minor == 10_000
    assert_all_invariants_hold()


@pytest.mark.parametrize("kind", ["challenge", "accept"])
class TestALostAnswer:
    def begun(self, case: Case, kind: str, fault: str, operation: str = "") -> None:
        case.evidence(kind="explanation", text="Here is what happened.")
        fires = case.sandbox.fires()
        case.sandbox.script(fault, operation=operation or kind)
        case.give(kind, 202)
        assert fires(fault) == 1
        assert case.answer.is_awaited

    def test_after_its_effect_is_concluded_by_the_webhook_and_never_failed(self, shop, sandbox, kind):
        case = Case(shop, sandbox)
        self.begun(case, kind, "500_after" if kind == "challenge" else "reset_after")
        settle(60)  # asked again, Adyen takes no answer any more: that is no proof of a no
        assert (case.answer.outcome, case.answer.is_awaited) == ("unknown", True)
        event = "INFORMATION_SUPPLIED" if kind == "challenge" else "DISPUTE_DEFENSE_PERIOD_ENDED"
        case.tell(event)
        assert case.answer.outcome == "approved"
        assert case.here.response == ("challenged" if kind == "challenge" else "accepted")
        assert case.events().count(event) == 1
        assert_all_invariants_hold()

    def test_before_its_effect_is_given_again_once(self, shop, sandbox, kind):
        case = Case(shop, sandbox)
        self.begun(case, kind, "500_before")
        settle(60)
        assert case.answer.outcome == "approved"
        assert case.answer.tries == 2
        event = "INFORMATION_SUPPLIED" if kind == "challenge" else "DISPUTE_DEFENSE_PERIOD_ENDED"
        assert case.events().count(event) == 1


@pytest.mark.parametrize(("operation", "fault"), [("find", "500_after"), ("hand_over", "reset_after")])
def test_what_goes_wrong_before_the_answer_itself_is_done_again(shop, sandbox, operation, fault):
    case = Case(shop, sandbox)
    case.evidence(kind="explanation", text="Here is what happened.")
    sandbox.script(fault, operation=operation)
    case.give("challenge", 202)
    assert case.answer.outcome == "not_sent"
    settle(60)
    assert case.answer.outcome == "approved"
    assert case.events().count("INFORMATION_SUPPLIED") == 1


def test_what_was_answered_in_the_customer_area_is_refused_and_the_answer_free_again(shop, sandbox):
    case = Case(shop, sandbox)
    case.evidence(kind="explanation", text="Here is what happened.")
    sandbox.dispute(dispute=case.id, event="INFORMATION_SUPPLIED")
    case.give("challenge", 409)
    assert (case.answer.outcome, case.answer.outcome_code) == ("rejected", "not_defendable")
    assert case.here.awaits_answer


def test_evidence_that_cannot_be_sent_is_refused_before_anything_is(shop, sandbox):
    case = Case(shop, sandbox)
    case.evidence(kind="explanation", text="See there.")
    case.evidence(kind="other", filename="shot.png", content=PNG)
    case.give("challenge", 409)
    assert (case.answer.outcome, case.answer.outcome_code) == ("rejected", "evidence_not_taken")
    assert case.there["documents"] == {}
    assert case.here.awaits_answer
