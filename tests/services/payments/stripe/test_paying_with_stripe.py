"""Payments by Stripe's tokens through the REST API: routed, captured, refunded, challenged, recovered."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.http import HttpResponse
from django.test import Client
from stripe import WebhookSignature

from ledger import clock
from ledger.models import Job
from payments.models import Contradiction, Dispute, ProviderOperation, ProviderWebhook
from payments.services.calls import recovering
from payments.services.refunds import returned_refunds
from tests.kit.books import assert_all_invariants_hold
from tests.kit.network import STRIPE_WEBHOOK_SECRET, eventually
from tests.kit.refunds import payment_of
from tests.kit.shop import CORE, Shop, good, run_jobs
from tests.kit.stripe import StripeSandbox

pytestmark = pytest.mark.django_db
BACK = "https://shop.example/back"


@pytest.fixture
def sandbox(shop: Shop) -> StripeSandbox:
    return StripeSandbox(shop.network)


def pay(shop: Shop, token: str = "pm_card_visa", status: int = 201, **options: Any) -> dict[str, Any]:
    method = {"type": "card", "token": token}
    return good(shop.client.post(CORE, shop.body(payment_method=method, confirm=True, **options)), status)


def operations_of(made: dict[str, Any]) -> list[ProviderOperation]:
    payment = payment_of(made)
    return list(ProviderOperation.objects.filter(payment=payment).order_by("created_at", "id"))


def send(event_type: str, subject: dict[str, Any], event_id: str) -> HttpResponse:
    """Deliver an event as Stripe would, signed now."""
    now = int(clock.now().timestamp())
    event = {"id": event_id, "object": "event", "type": event_type, "created": now,
             "data": {"object": subject}}  # fmt: skip
    body = json.dumps(event)
    signature = WebhookSignature.generate_signature_header(body, STRIPE_WEBHOOK_SECRET, now)
    return Client().post(
        "/webhooks/stripe/", body, content_type="application/json", headers={"stripe-signature": signature}
    )


def intent_of(sandbox: StripeSandbox, made: dict[str, Any]) -> dict[str, Any]:
    """The intent behind a payment, as Stripe shows it now."""
    operation = next(one for one in operations_of(made) if one.kind == "authorize")
    (intent,) = sandbox.truth_of(operation.idempotency_key)
    return intent


def test_a_payment_is_captured_in_part_and_refunded_there(shop, sandbox):
    made = pay(shop)
    assert made["status"] == "authorized"
    assert made["payment_method"] == {"id": None, "type": "card", "brand": "visa", "last4": "4242"}
    capture = {"amount": 6_000}
    good(shop.client.put(f"{CORE}{made['id']}/capture", capture), 200)
    good(shop.client.put(f"{CORE}{made['id']}/capture"), 200)
    shop.refunded(shop.payment(made["id"]), amount=1_000)
    assert {operation.provider for operation in operations_of(made)} == {"stripe"}
    fees = [operation.fee_minor for operation in operations_of(made) if operation.kind == "capture"]
    assert fees == [204, 146]
    intent = intent_of(sandbox, made)
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 10_000)
    (charge,) = sandbox.truth("charge", payment_intent=intent["id"])
    assert charge["amount_refunded"] == 1_000
    assert_all_invariants_hold()


def test_a_sale_is_taken_in_one_request(shop, sandbox):
    made = pay(shop, capture_method="automatic")
    run_jobs()
    assert shop.payment(made["id"])["status"] == "captured"
    assert intent_of(sandbox, made)["capture_method"] == "automatic"
    assert_all_invariants_hold()


def test_a_decline_is_told_with_its_advice(shop):
    made = pay(shop, "pm_card_visa_chargeDeclinedInsufficientFunds", 402)
    assert made["decline_code"] == "insufficient_funds"
    assert_all_invariants_hold()


@pytest.mark.parametrize(("result", "status"), [("success", "authorized"), ("fail", "failed")])
def test_a_challenge_ends_as_the_payer_ends_it(shop, sandbox, result, status):
    made = pay(shop, "pm_card_authenticationRequired", return_url=BACK)
    assert made["status"] == "requires_action"
    for seconds in (10, 40):  # the pauses between questions grow while the payer thinks
        recovering.sweep(clock.now() + timedelta(seconds=seconds))
    answer = httpx.post(made["next_action"]["url"], data={"result": result}, trust_env=False, verify=False)
    assert answer.status_code == 303
    subject = intent_of(sandbox, made)
    kind = "amount_capturable_updated" if result == "success" else "payment_failed"
    assert send(f"payment_intent.{kind}", subject, f"evt_{made['number']}").status_code == 200
    run_jobs()
    recovering.sweep(clock.now() + timedelta(seconds=1))
    assert shop.payment(made["id"])["status"] == status
    payment = payment_of(made)
    if result == "success":
        assert (payment.authentication, payment.liability_shift) == ("authenticated", "issuer")
    else:
        assert payment.decline_code == "authentication_failed"
    assert_all_invariants_hold()


@pytest.mark.parametrize("fault", ["reset_after", "500_after"])
def test_a_lost_answer_is_found_and_nothing_is_taken_twice(shop, sandbox, fault):
    fires = sandbox.fires()
    sandbox.script(fault, operation="authorize")
    made = pay(shop, status=202)
    assert made["status"] == "processing"
    assert fires(fault) == 1
    recovering.sweep(clock.now() + timedelta(seconds=60))
    assert shop.payment(made["id"])["status"] == "authorized"
    sandbox.script(fault, operation="capture")
    good(shop.client.put(f"{CORE}{made['id']}/capture"), 202)
    recovering.sweep(clock.now() + timedelta(seconds=120))
    assert shop.payment(made["id"])["status"] == "captured"
    assert intent_of(sandbox, made)["amount_received"] == 10_000
    assert_all_invariants_hold()


def test_an_event_about_nothing_of_ours_is_kept_and_rests(shop):
    assert send("customer.created", {"id": "cus_1"}, "evt_customer").status_code == 200
    run_jobs()
    (kept,) = ProviderWebhook.objects.filter(provider="stripe", event_id="evt_customer")
    assert kept.state == "ignored"


def test_a_dispute_withdraws_its_money_once(shop, sandbox):
    made = pay(shop, "pm_card_createDispute", capture_method="automatic")
    run_jobs()
    (dispute,) = sandbox.truth("dispute", payment_intent=intent_of(sandbox, made)["id"])
    for number, event_type in enumerate(("funds_withdrawn", "created", "created")):
        event_id = f"evt_{dispute['id']}_{number}"
        assert send(f"charge.dispute.{event_type}", dispute, event_id).status_code == 200
    run_jobs()
    kept = Dispute.objects.get(provider_reference=dispute["id"])
    assert (kept.state, kept.withheld_minor, kept.reason_code) == ("chargeback", 10_000, "10.4")
    assert_all_invariants_hold()


def test_a_refund_made_in_stripes_dashboard_is_adopted(shop, sandbox):
    made = pay(shop, capture_method="automatic")
    run_jobs()
    data = {"payment_intent": intent_of(sandbox, made)["id"], "amount": "2500"}
    refund = sandbox.client.post("/v1/refunds", data=data).raise_for_status().json()
    assert send("refund.created", refund, f"evt_{refund['id']}").status_code == 200
    run_jobs()
    assert shop.payment(made["id"])["refunded"] == {"amount": 2_500, "currency": "USD"}
    assert_all_invariants_hold()


def test_a_forged_event_is_refused(shop):
    forged = Client().post(
        "/webhooks/stripe/", "{}", content_type="application/json", headers={"stripe-signature": "t=1,v1=00"}
    )
    assert forged.status_code == 401


def test_a_refund_that_is_done_after_all_is_asked_about_for_a_message_may_be_old(shop, sandbox):
    made = pay(shop, capture_method="automatic")
    sandbox.script("fail_later:lost_or_stolen_card", operation="refund")
    refund = shop.refunded(made, amount=1_000)
    operation = ProviderOperation.objects.get(payment=payment_of(made), kind="refund")

    def told(status: str) -> dict[str, Any]:
        found = sandbox.truth_of(operation.idempotency_key)[0]
        return found if found["status"] == status else {}

    failed = eventually(lambda: told("failed"), "it fails")
    assert send("refund.failed", failed, "evt_fails").status_code == 200
    assert send("refund.created", failed | {"status": "succeeded"}, "evt_old").status_code == 200
    run_jobs()
    assert shop.refund(refund["id"])["status"] == "failed"
    jobs = Job.objects.filter(kind=returned_refunds.ASK_JOB)
    assert (jobs.count(), jobs.filter(finished_at=None).count()) == (1, 0)
    assert not Contradiction.objects.filter(operation=operation).exists()  # it had failed when it was asked
    done = sandbox.do_after_all(failed["id"])
    for event_id in ("evt_new", "evt_newer"):
        assert send("refund.updated", done, event_id).status_code == 200
    run_jobs()
    found = Contradiction.objects.get(operation=operation)
    assert (found.was, found.said, found.state, found.is_after_all) == ("approved", "approved", "open", True)
    assert shop.refund(refund["id"])["status"] == "failed"
    assert_all_invariants_hold()
