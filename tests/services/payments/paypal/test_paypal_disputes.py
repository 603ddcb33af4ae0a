"""Disputes at PayPal over HTTP: opened, answered, given in to, decided; and events as they come."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from ledger import ids
from payments.models import Dispute, ProviderOperation, ProviderWebhook
from payments.providers import registry
from tests.kit.books import assert_all_invariants_hold
from tests.kit.inbox import Inbox
from tests.kit.network import eventually, point_adapter_at, started_network
from tests.kit.paypal import PayPalSandbox
from tests.kit.shop import Shop, good, run_jobs
from tests.services.payments.paypal.test_paying_with_paypal import operation, paid, sandbox, settle

__all__ = ["sandbox"]  # a fixture
pytestmark = pytest.mark.django_db
DISPUTES = "/api/v1/disputes/"
PDF = base64.b64encode(b"%PDF-1.4\n%\xe2\xe3\n1 0 obj\n<<>>\nendobj\n%%EOF\n").decode()


class Case:
    """A dispute of one payment, there and here."""

    def __init__(self, shop: Shop, sandbox: PayPalSandbox, **how: Any) -> None:
        self.shop, self.sandbox = shop, sandbox
        self.payment = paid(shop, sandbox, capture_method="automatic")
        self.id = sandbox.dispute(operation(self.payment, "capture").provider_reference, **how)["dispute_id"]
        self.told = 0
        self.tell()

    @property
    def there(self) -> dict[str, Any]:
        (found,) = self.sandbox.truth("dispute", self.id)
        return found

    @property
    def here(self) -> Dispute:
        return Dispute.objects.get(provider_reference=self.id)

    @property
    def challenge(self) -> ProviderOperation:
        return ProviderOperation.objects.get(subject_id=self.here.pk, kind="challenge")

    @property
    def address(self) -> str:
        return f"{DISPUTES}{self.here.public_id}"

    def tell(self) -> None:
        """Let PayPal tell how it stands."""
        self.told += 1
        answer = self.sandbox.send("CUSTOMER.DISPUTE.UPDATED", self.there, f"WH-{self.id}-{self.told}")
        assert answer.status_code == 200
        run_jobs()

    def evidence(self, **body: Any) -> None:
        good(self.shop.client.post(f"{self.address}/evidence", body), 201)

    def become(self, status: str) -> None:
        eventually(lambda: self.there["status"] == status, f"it is {status} there")
        self.tell()


def test_a_claim_takes_its_money_and_fee_and_gives_both_back_when_it_is_won(shop, sandbox):
    case = Case(shop, sandbox, reason="MERCHANDISE_OR_SERVICE_NOT_RECEIVED")
    assert (case.here.state, case.here.withheld_minor) == ("chargeback", 10_000)
    assert case.here.category == "product_not_received"
    assert case.here.due_at is not None
    case.evidence(kind="explanation", text="It was delivered: winning_evidence")
    case.evidence(kind="delivery_proof", filename="slip.pdf", content=PDF)
    shown = good(shop.client.post(f"{case.address}/challenge", {}), 200)
    assert shown["status"] in ("chargeback", "under_review", "needs_response")
    notes = " ".join(one.get("notes", "") for one in case.there["evidences"])
    assert case.challenge.idempotency_key in notes
    types = [one["evidence_type"] for one in case.there["evidences"]]
    assert types == ["MERCHANT_RESPONSE", "PROOF_OF_DELIVERY_SIGNATURE"]
    case.become("RESOLVED")
    assert (case.here.state, case.here.withheld_minor) == ("won", 0)
    assert_all_invariants_hold()


def test_an_inquiry_is_answered_with_a_message_and_becomes_a_claim(shop, sandbox):
    case = Case(shop, sandbox, stage="INQUIRY", reason="MERCHANDISE_OR_SERVICE_NOT_AS_DESCRIBED")
    assert (case.here.state, case.here.withheld_minor) == ("inquiry", 0)
    case.evidence(kind="explanation", text="It is as described.")
    good(shop.client.post(f"{case.address}/challenge", {}), 200)
    (message,) = case.there["messages"]
    assert message["content"].startswith("It is as described. [op_")
    sandbox.move_dispute(case.id, "chargeback")
    case.tell()
    assert (case.here.state, case.here.withheld_minor) == ("chargeback", 10_000)
    sandbox.move_dispute(case.id, "lost")
    case.tell()
    assert case.here.state == "lost"
    assert_all_invariants_hold()


@pytest.mark.parametrize("stage", ["INQUIRY", "CHARGEBACK"])
def test_giving_in_is_final(shop, sandbox, stage):
    case = Case(shop, sandbox, stage=stage)
    good(shop.client.post(f"{case.address}/accept", {}), 200)
    assert case.there["dispute_outcome"] == {"outcome_code": "ACCEPTED"}
    case.tell()
    assert (case.here.state, case.here.withheld_minor) == ("accepted", 10_000)
    assert_all_invariants_hold()


@pytest.mark.parametrize("fault", ["500_after", "reset_after", "500_before"])
def test_an_answer_that_is_lost_is_given_once(shop, sandbox, fault):
    case = Case(shop, sandbox)
    case.evidence(kind="explanation", text="Here is what happened.")
    fires = sandbox.fires()
    sandbox.script(fault, operation="challenge")
    good(shop.client.post(f"{case.address}/challenge", {}), 202)
    assert fires(fault) == 1
    settle(60)
    settle(120)
    assert case.challenge.outcome == "approved"
    assert len(case.there["evidences"]) == 1


def test_messages_in_any_order_come_to_the_same(shop, sandbox):
    case = Case(shop, sandbox)
    first = case.there
    sandbox.move_dispute(case.id, "cancelled")
    case.tell()
    sandbox.send("CUSTOMER.DISPUTE.CREATED", first, f"WH-{case.id}-late")
    run_jobs()
    assert (case.here.state, case.here.withheld_minor) == ("closed", 0)
    assert_all_invariants_hold()


def test_what_the_sandbox_itself_sends_is_taken_as_it_comes(shop, tmp_path, settings):
    with Inbox() as inbox, started_network(tmp_path / "network", paypal_callback_url=inbox.url) as network:
        point_adapter_at(network, settings)
        sandbox = PayPalSandbox(network)
        before = list(ProviderWebhook.objects.values_list("pk", flat=True))
        made = paid(shop, sandbox, capture_method="automatic")
        capture = operation(made, "capture").provider_reference
        sandbox.refund(capture, "1.00", "by-hand")
        sandbox.dispute(capture, amount={"currency_code": "USD", "value": "20.00"})
        eventually(lambda: len(inbox.letters) >= 4, "four events come")
        assert b"CHECKOUT.ORDER.APPROVED" in inbox.letters[0].body
        for letter in [*inbox.letters, *reversed(inbox.letters)]:
            headers = {name.lower(): text for name, text in letter.headers.items()}
            kept = {name: headers[name] for name in headers if name.startswith("paypal-")}
            assert sandbox.deliver(letter.body, kept).status_code == 200
        run_jobs()
        states = ProviderWebhook.objects.filter(provider="paypal").exclude(pk__in=before)
        states = states.values_list("state", flat=True)
        assert len(states) == len(inbox.letters) + 1
        assert set(states) == {"applied"}
        assert Dispute.objects.get(payment=ids.parse("pay", made["id"])).withheld_minor == 2_000
        assert shop.payment(made["id"])["refunded"]["amount"] == 100
    assert_all_invariants_hold()


def test_a_forged_event_is_refused_and_kept_as_evidence(shop, sandbox):
    genuine = sandbox.signer.sign("WH-of-a-stranger", datetime.now(UTC), b"{}")
    assert sandbox.deliver(b"{}", genuine).status_code == 401
    assert sandbox.deliver(b"{}", {}).status_code == 401
    strange = genuine | {"paypal-cert-url": "https://evil.example/cert"}
    assert sandbox.deliver(b"{}", strange).json()["fault"] == "certificate_strange"


def test_an_event_waits_for_a_certificate_that_cannot_be_had(shop, sandbox, settings):
    settings.PAYPAL_CERTIFICATE_URL = "http://127.0.0.1:9/certs/"
    point = sandbox.signer.sign("WH-1", datetime.now(UTC), b"{}")
    registry.reset()
    answer = sandbox.deliver(b"{}", point | {"paypal-cert-url": "http://127.0.0.1:9/certs/CERT-1"})
    assert answer.status_code == 503
