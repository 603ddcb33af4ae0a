"""Payments by Adyen's tokens through the REST API: captured, refunded, challenged, recovered, disputed."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.http import HttpResponse
from django.test import Client

from ledger import clock, ids
from payments.models import Contradiction, Dispute, ProviderOperation, ProviderWebhook
from payments.services.calls import recovering
from tests.kit.adyen import AdyenSandbox
from tests.kit.books import assert_all_invariants_hold
from tests.kit.refunds import payment_of
from tests.kit.shop import CORE, Shop, good, run_jobs

pytestmark = pytest.mark.django_db
BACK = "https://shop.example/back?order=7"


@pytest.fixture
def sandbox(shop: Shop) -> AdyenSandbox:
    return AdyenSandbox(shop.network)


def pay(shop: Shop, token: str, status: int = 201, **options: Any) -> dict[str, Any]:
    method = {"type": "card", "token": token}
    return good(shop.client.post(CORE, shop.body(payment_method=method, confirm=True, **options)), status)


def operations_of(made: dict[str, Any], kind: str = "") -> list[ProviderOperation]:
    payment = payment_of(made)
    found = ProviderOperation.objects.filter(payment=payment).order_by("created_at", "id")
    return list(found.filter(kind=kind) if kind else found)


def send(webhook: dict[str, Any]) -> HttpResponse:
    return Client().post("/webhooks/adyen/", json.dumps(webhook), content_type="application/json")


def deliver(sandbox: AdyenSandbox, made: dict[str, Any]) -> list[str]:
    """Deliver all webhooks about a payment and its modifications, and apply them; return their events."""
    subjects = []
    for operation in operations_of(made):
        key, kind = operation.idempotency_key, operation.kind
        before = f".{operation.request['before_minor']}" if kind == "increment" else ""
        for reference in (key, f"sale.{key}") if kind == "authorize" else (f"{kind}{before}.{key}",):
            subjects += [row["id"] for row in sandbox.truth_of(reference)]
    events = []
    for subject in subjects:
        for webhook in sandbox.webhooks(subject):
            assert send(webhook).status_code == 200
            events.append(webhook["notificationItems"][0]["NotificationRequestItem"]["eventCode"])
    run_jobs()
    return events


def _key(made: dict[str, Any], kind: str) -> str:
    return operations_of(made, kind)[0].idempotency_key


def captured(shop: Shop, sandbox: AdyenSandbox, scenario: str = "visa") -> dict[str, Any]:
    made = pay(shop, sandbox.token(scenario))
    good(shop.client.put(f"{CORE}{made['id']}/capture"), 202)
    deliver(sandbox, made)
    return shop.payment(made["id"])


class TestACapture:
    def test_is_only_received_until_its_webhook_tells(self, shop, sandbox):
        made = pay(shop, sandbox.token())
        assert made["status"] == "authorized"
        assert made["payment_method"] == {"id": None, "type": "card", "brand": "visa", "last4": "1111"}
        part = good(shop.client.put(f"{CORE}{made['id']}/capture", {"amount": 6_000}), 202)
        assert part["status"] == "processing"
        assert deliver(sandbox, made) == ["AUTHORISATION", "CAPTURE"]
        assert shop.payment(made["id"])["status"] == "partly_captured"
        good(shop.client.put(f"{CORE}{made['id']}/capture"), 202)
        deliver(sandbox, made)
        assert shop.payment(made["id"])["captured"] == {"amount": 10_000, "currency": "USD"}
        assert {operation.provider for operation in operations_of(made)} == {"adyen"}
        assert_all_invariants_hold()

    def test_that_fails_late_is_put_before_a_person(self, shop, sandbox):
        made = captured(shop, sandbox, "capture_fails_late")
        (capture,) = operations_of(made, "capture")
        (row,) = sandbox.truth_of(f"capture.{capture.idempotency_key}")
        sandbox.wait_for(row["id"], "CAPTURE_FAILED")
        deliver(sandbox, made)
        assert Contradiction.objects.filter(operation=capture).count() == 1
        assert_all_invariants_hold()

    def test_that_is_refused_leaves_the_authorization(self, shop, sandbox):
        made = pay(shop, sandbox.token("capture_fails"))
        good(shop.client.put(f"{CORE}{made['id']}/capture"), 202)
        deliver(sandbox, made)
        assert shop.payment(made["id"])["status"] == "authorized"
        assert_all_invariants_hold()


class TestASale:
    def test_is_captured_in_one_call_and_nothing_more_is_asked(self, shop, sandbox):
        made = pay(shop, sandbox.token(), capture_method="automatic")
        assert (made["status"], made["captured"]["amount"]) == ("captured", 10_000)
        assert {(row.kind, row.outcome, row.tries) for row in operations_of(made)} == {
            ("authorize", "approved", 1), ("capture", "approved", 1),
        }  # fmt: skip
        assert deliver(sandbox, made) == ["AUTHORISATION"]
        asked = shop.refund_asked(made, amount=1_000)
        shop.client.post(f"/api/v1/refunds/{asked['id']}/process")
        deliver_refund(sandbox, asked)
        assert shop.payment(made["id"])["refunded"]["amount"] == 1_000
        assert_all_invariants_hold()

    def test_whose_answer_is_lost_is_concluded_whole_by_its_webhook(self, shop, sandbox):
        sandbox.script("reset_after", operation="authorize")
        made = pay(shop, sandbox.token(), status=202, capture_method="automatic")
        assert deliver(sandbox, made) == ["AUTHORISATION"]
        assert shop.payment(made["id"])["status"] == "captured"
        recovering.sweep(clock.now() + timedelta(seconds=60))
        assert len(sandbox.truth_of(f"sale.{_key(made, 'authorize')}")) == 1
        assert_all_invariants_hold()

    def test_after_a_challenge_is_captured_too(self, shop, sandbox):
        made = pay(shop, sandbox.token("challenge"), return_url=BACK, capture_method="automatic")
        answer = httpx.post(made["next_action"]["url"], data={"result": "success"}, trust_env=False)
        Client().get(answer.headers["location"].removeprefix("http://testserver"))
        assert shop.payment(made["id"])["status"] == "captured"

    def test_whose_capture_fails_late_is_put_before_a_person(self, shop, sandbox):
        made = pay(shop, sandbox.token("capture_fails_late"), capture_method="automatic")
        (capture,) = operations_of(made, "capture")
        psp = payment_of(made).provider_reference
        (taken,) = [row for row in sandbox.of_parent(psp) if row["kind"] == "capture"]
        assert send(sandbox.wait_for(taken["id"], "CAPTURE_FAILED")).status_code == 200
        run_jobs()
        assert Contradiction.objects.filter(operation=capture).count() == 1


@pytest.mark.parametrize("wallet", ["applepay", "googlepay"])
def test_a_card_out_of_a_wallet_is_paid_with_as_what_it_is(shop, sandbox, wallet):
    token = sandbox.wallet_token(wallet, "mastercard")
    told = {"provider": "adyen", "token": token, "wallet": f"{wallet.removesuffix('pay')}_pay"}
    body = {"customer_id": "carla", "type": "digital_wallet", "provider_token": told}
    stored = good(shop.client.post("/api/v1/payment-methods/", body), 201)
    asked = shop.body(payment_method=stored["id"], confirm=True, customer_id="carla")
    made = good(shop.client.post(CORE, asked), 201)
    assert (made["status"], made["payment_method"]["brand"]) == ("authorized", "mastercard")


class TestAnIncrease:
    def increase(self, shop, made, amount=500):
        return good(shop.client.put(f"{CORE}{made['id']}/increase", {"amount": amount}), 202)

    def test_is_done_when_its_webhook_tells_the_new_total(self, shop, sandbox):
        made = pay(shop, sandbox.token())
        assert self.increase(shop, made)["status"] == "processing"
        deliver(sandbox, made)
        self.increase(shop, made, 250)
        deliver(sandbox, made)
        assert shop.payment(made["id"])["authorized"] == {"amount": 10_750, "currency": "USD"}
        for kind, asked in (("authorize", [10_000]), ("increment", [500, 250])):
            told = [sandbox.operation(row.idempotency_key)["amount"] for row in operations_of(made, kind)]
            assert told == asked  # what each was for, as the day's proof reads it
        good(shop.client.put(f"{CORE}{made['id']}/capture"), 202)
        deliver(sandbox, made)
        assert shop.payment(made["id"])["captured"]["amount"] == 10_750
        assert_all_invariants_hold()

    @pytest.mark.parametrize(("fault", "authorized"), [("reset_after", 10_500), ("decline:2", 10_000)])
    def test_is_made_once_or_not_at_all(self, shop, sandbox, fault, authorized):
        made = pay(shop, sandbox.token())
        sandbox.script(fault, operation="increment")
        self.increase(shop, made)
        recovering.sweep(clock.now() + timedelta(seconds=60))
        (operation,) = operations_of(made, "increment")
        assert len(sandbox.truth_of(f"increment.10000.{operation.idempotency_key}")) == 1
        deliver(sandbox, made)
        shown = shop.payment(made["id"])
        assert (shown["status"], shown["authorized"]["amount"]) == ("authorized", authorized)


class TestARefund:
    def test_is_done_when_its_webhook_tells(self, shop, sandbox):
        made = captured(shop, sandbox)
        asked = shop.refund_asked(made, amount=1_000)
        shop.client.post(f"/api/v1/refunds/{asked['id']}/process")
        assert shop.refund(asked["id"])["status"] == "processing"
        deliver_refund(sandbox, asked)
        assert shop.refund(asked["id"])["status"] == "completed"
        assert shop.payment(made["id"])["refunded"] == {"amount": 1_000, "currency": "USD"}
        assert_all_invariants_hold()

    def test_that_fails_late_gives_the_money_back(self, shop, sandbox):
        made = captured(shop, sandbox, "refund_fails_late")
        asked = shop.refund_asked(made, amount=1_000)
        shop.client.post(f"/api/v1/refunds/{asked['id']}/process")
        deliver_refund(sandbox, asked)
        assert shop.refund(asked["id"])["status"] == "completed"
        deliver_refund(sandbox, asked, "REFUND_FAILED")
        assert shop.refund(asked["id"])["status"] == "failed"
        assert shop.payment(made["id"])["refunded"] == {"amount": 0, "currency": "USD"}
        assert_all_invariants_hold()

    def test_made_in_the_customer_area_is_adopted(self, shop, sandbox):
        made = captured(shop, sandbox)
        payment = payment_of(made)
        refund = sandbox.refund(payment.provider_reference, 2_500)
        for webhook in sandbox.webhooks(refund["pspReference"]):
            assert send(webhook).status_code == 200
        run_jobs()
        assert shop.payment(made["id"])["refunded"] == {"amount": 2_500, "currency": "USD"}
        assert_all_invariants_hold()


def deliver_refund(sandbox: AdyenSandbox, asked: dict[str, Any], event: str = "REFUND") -> None:
    subject = ids.parse("ref", asked["id"])
    operation = ProviderOperation.objects.filter(kind="refund", subject_id=subject).latest("created_at")
    (row,) = sandbox.truth_of(f"refund.{operation.idempotency_key}")
    assert send(sandbox.wait_for(row["id"], event)).status_code == 200
    run_jobs()


class TestAChallenge:
    @pytest.mark.parametrize(
        ("result", "status"), [("success", "authorized"), ("fail", "failed"), ("timeout", "failed")]
    )
    def test_ends_as_the_payer_ends_it(self, shop, sandbox, result, status):
        made = pay(shop, sandbox.token("challenge"), return_url=BACK)
        assert made["status"] == "requires_action"
        answer = httpx.post(
            made["next_action"]["url"], data={"result": result}, trust_env=False, verify=False
        )
        assert answer.status_code == 303
        back = Client().get(answer.headers["location"].removeprefix("http://testserver"))
        assert (back.status_code, back["Location"]) == (303, BACK)
        if result == "timeout":
            assert deliver(sandbox, made) == ["OFFER_CLOSED"]
        assert shop.payment(made["id"])["status"] == status
        payment = payment_of(made)
        if result == "success":
            assert (payment.authentication, payment.liability_shift) == ("authenticated", "issuer")
        else:
            assert payment.decline_code == "authentication_failed"
        assert_all_invariants_hold()

    def test_survives_a_provider_that_is_down_when_the_payer_comes_back(self, shop, sandbox):
        made = pay(shop, sandbox.token("challenge"), return_url=BACK)
        answer = httpx.post(
            made["next_action"]["url"], data={"result": "success"}, trust_env=False, verify=False
        )
        sandbox.script("500_before", operation="finish")
        Client().get(answer.headers["location"].removeprefix("http://testserver"))
        assert shop.payment(made["id"])["status"] in ("requires_action", "processing")
        recovering.sweep(clock.now() + timedelta(seconds=30))
        assert shop.payment(made["id"])["status"] == "authorized"
        assert_all_invariants_hold()

    def test_is_not_ended_by_a_result_that_somebody_made_up(self, shop, sandbox):
        made = pay(shop, sandbox.token("challenge"), return_url=BACK)
        (operation,) = operations_of(made)
        made_up = Client().get(f"/returns/{operation.public_id}/", {"redirectResult": "made up"})
        assert made_up.status_code == 303
        assert shop.payment(made["id"])["status"] == "requires_action"
        answer = httpx.post(
            made["next_action"]["url"], data={"result": "success"}, trust_env=False, verify=False
        )
        Client().get(answer.headers["location"].removeprefix("http://testserver"))
        assert shop.payment(made["id"])["status"] == "authorized"

    def test_is_given_up_at_adyen_before_it_is_cancelled_here(self, shop, sandbox):
        made = pay(shop, sandbox.token("challenge"), return_url=BACK)
        good(shop.client.put(f"{CORE}{made['id']}/cancel", {"reason": "gone"}), 202)
        assert deliver(sandbox, made) == ["TECHNICAL_CANCEL"]
        recovering.sweep(clock.now() + timedelta(seconds=30))
        assert shop.payment(made["id"])["status"] == "cancelled"
        assert not ProviderOperation.objects.filter(payment=payment_of(made), concluded_at=None).exists()
        late = httpx.post(
            made["next_action"]["url"], data={"result": "success"}, trust_env=False, verify=False
        )
        assert "redirectResult" not in late.headers["location"]
        assert_all_invariants_hold()

    def test_cannot_be_come_back_to_where_there_is_none(self, client):
        assert client.get("/returns/op_nothing/").status_code == 404
        assert client.get("/returns/op_00000000000000000000000000/").status_code == 404


@pytest.mark.parametrize("fault", ["reset_after", "500_after", "500_before", "409_after"])
def test_a_lost_answer_is_had_again_under_its_key(shop, sandbox, fault):
    fires = sandbox.fires()
    sandbox.script(fault, operation="authorize")
    made = pay(shop, sandbox.token(), status=202)
    assert made["status"] == "processing"
    assert fires(fault) == 1
    recovering.sweep(clock.now() + timedelta(seconds=60))
    assert shop.payment(made["id"])["status"] == "authorized"
    assert len(sandbox.truth_of(_key(made, "authorize"))) == 1
    sandbox.script(fault, operation="capture")
    good(shop.client.put(f"{CORE}{made['id']}/capture"), 202)
    recovering.sweep(clock.now() + timedelta(seconds=120))
    deliver(sandbox, made)
    assert shop.payment(made["id"])["status"] == "captured"
    assert len(sandbox.truth_of(f"capture.{_key(made, 'capture')}")) == 1
    assert_all_invariants_hold()


def test_what_was_received_is_neither_sent_again_nor_failed_while_no_webhook_comes(shop, sandbox):
    made = pay(shop, sandbox.token())
    good(shop.client.put(f"{CORE}{made['id']}/capture"), 202)
    for hours in (1, 30, 800):
        recovering.sweep(clock.now() + timedelta(hours=hours))
    (capture,) = operations_of(made, "capture")
    assert (capture.outcome, capture.tries, capture.is_awaited) == ("pending", 1, True)
    deliver(sandbox, made)
    assert shop.payment(made["id"])["status"] == "captured"


def test_a_decline_is_told_with_its_advice(shop, sandbox):
    made = pay(shop, sandbox.token("insufficient_funds"), 402)
    assert made["decline_code"] == "insufficient_funds"


def test_a_dispute_is_notified_charged_back_and_reversed_once(shop, sandbox):
    made = captured(shop, sandbox, "dispute")
    payment = payment_of(made)
    psp = payment.provider_reference
    (opened,) = [row for row in sandbox.of_parent(psp) if row["kind"] == "dispute"]
    events = sandbox.webhooks(opened["id"])
    for webhook in [*reversed(events), *events]:  # in any order, and repeated
        assert send(webhook).status_code == 200
    run_jobs()
    kept = Dispute.objects.get(provider_reference=opened["id"])
    assert (kept.state, kept.withheld_minor, kept.reason_code) == ("chargeback", 10_000, "10.4")
    for event in ("CHARGEBACK_REVERSED", "ISSUER_RESPONSE_TIMEFRAME_EXPIRED"):
        sandbox.dispute(dispute=opened["id"], event=event)
        assert send(sandbox.wait_for(opened["id"], event)).status_code == 200
    run_jobs()
    kept.refresh_from_db()
    assert (kept.state, kept.withheld_minor) == ("won", 0)
    assert_all_invariants_hold()


def test_an_event_about_nothing_of_ours_is_kept_and_rests(shop, sandbox):
    made = pay(shop, sandbox.token())
    (row,) = sandbox.truth_of(_key(made, "authorize"))
    (webhook,) = sandbox.webhooks(row["id"])
    item = webhook["notificationItems"][0]["NotificationRequestItem"]
    sandbox.resign(item, eventCode="REPORT_AVAILABLE")
    before = list(ProviderWebhook.objects.values_list("pk", flat=True))
    assert send(webhook).status_code == 200
    run_jobs()
    kept = ProviderWebhook.objects.exclude(pk__in=before).get(event_type="REPORT_AVAILABLE")
    assert kept.state == "ignored"


def test_a_forged_webhook_is_refused(shop, sandbox):
    made = pay(shop, sandbox.token())
    (row,) = sandbox.truth_of(_key(made, "authorize"))
    (webhook,) = sandbox.webhooks(row["id"])
    webhook["notificationItems"][0]["NotificationRequestItem"]["amount"]["value"] += 1
    assert send(webhook).status_code == 401
