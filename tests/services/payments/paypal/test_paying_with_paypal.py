"""Payments with PayPal's wallet through the REST API: approved on its page, captured, refunded, given up."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from ledger import clock
from payments.models import ProviderOperation, ProviderWebhook
from payments.providers import registry
from payments.services.calls import recovering
from tests.kit.books import assert_all_invariants_hold
from tests.kit.network import eventually
from tests.kit.paypal import PayPalSandbox
from tests.kit.refunds import payment_of
from tests.kit.shop import CORE, Shop, good, run_jobs

pytestmark = pytest.mark.django_db
BACK = "https://shop.example/back?order=7"
WALLET = {"type": "digital_wallet", "token": "paypal"}
METHODS = "/api/v1/payment-methods/"


@pytest.fixture
def sandbox(shop: Shop) -> PayPalSandbox:
    return PayPalSandbox(shop.network)


def asked(shop: Shop, status: int = 201, **options: Any) -> dict[str, Any]:
    """Create and confirm a payment, up to PayPal's page."""
    options = {"payment_method": WALLET, "return_url": BACK, **options}
    return good(shop.client.post(CORE, shop.body(confirm=True, **options)), status)


def told(sandbox: PayPalSandbox, made: dict[str, Any]) -> None:
    """Deliver what PayPal tells of an approved order, and do what workers do."""
    order = sandbox.order(operation(made, "authorize").idempotency_key)
    assert sandbox.send("CHECKOUT.ORDER.APPROVED", order, f"WH-{made['number']}").status_code == 200
    settle()


def settle(seconds: int = 1) -> None:
    run_jobs()
    recovering.sweep(clock.now() + timedelta(seconds=seconds))
    run_jobs()


def paid(shop: Shop, sandbox: PayPalSandbox, buyer: str = "ada", **options: Any) -> dict[str, Any]:
    """A payment that its payer has approved."""
    made = asked(shop, **options)
    assert sandbox.approve(made["next_action"]["url"], buyer).status_code == 303
    told(sandbox, made)
    return shop.payment(made["id"])


def operation(made: dict[str, Any], kind: str) -> ProviderOperation:
    payment = payment_of(made)
    return ProviderOperation.objects.filter(payment=payment, kind=kind).latest("created_at")


def test_a_payment_is_approved_captured_in_parts_and_refunded(shop, sandbox):
    made = asked(shop)
    assert (made["status"], made["provider"]) == ("requires_action", "paypal")
    assert made["next_action"]["type"] == "redirect_to_url"
    page = made["next_action"]["url"]
    answer = sandbox.approve(page)
    order_id = page.partition("token=")[2]
    assert answer.headers["location"].startswith(f"{BACK}&token={order_id}&PayerID=")
    told(sandbox, made)
    payment = shop.payment(made["id"])
    assert payment["status"] == "authorized"
    assert payment["payment_method"] == {"id": None, "type": "digital_wallet", "brand": "paypal",
                                         "last4": None}  # fmt: skip
    assert payment["expires_at"] is not None
    good(shop.client.put(f"{CORE}{made['id']}/capture", {"amount": 6_000}), 200)
    good(shop.client.put(f"{CORE}{made['id']}/capture"), 200)
    # No single capture has 7,000 left: PayPal gives it back out of both.
    refund = shop.refunded(shop.payment(made["id"]), amount=7_000)
    assert refund["status"] == "completed"
    assert shop.payment(made["id"])["refunded"]["amount"] == 7_000
    order = sandbox.order(operation(made, "authorize").idempotency_key)
    payments = order["purchase_units"][0]["payments"]
    assert [one["amount"]["value"] for one in payments["captures"]] == ["60.00", "40.00"]
    assert [one["amount"]["value"] for one in payments["refunds"]] == ["60.00", "10.00"]
    fees = ProviderOperation.objects.filter(payment=payment_of(made), kind="capture")
    assert sorted(fees.values_list("fee_minor", flat=True)) == [146, 204]
    assert_all_invariants_hold()


def test_a_sale_is_taken_with_the_approval(shop, sandbox):
    made = paid(shop, sandbox, capture_method="automatic")
    assert (made["status"], made["captured"]["amount"]) == ("captured", 10_000)
    assert operation(made, "capture").provider_reference
    assert_all_invariants_hold()


def test_without_any_message_the_approval_is_found(shop, sandbox):
    made = asked(shop, capture_method="automatic")
    sandbox.approve(made["next_action"]["url"])
    recovering.sweep(clock.now() + timedelta(seconds=30))
    assert shop.payment(made["id"])["status"] == "captured"


@pytest.mark.parametrize(("buyer", "code"), [("declined", "do_not_honor"), ("over_limit", "limit_exceeded")])
def test_a_decline_after_the_approval_fails_the_payment(shop, sandbox, buyer, code):
    made = paid(shop, sandbox, buyer)
    assert (made["status"], made["decline"]["code"]) == ("failed", code)
    assert_all_invariants_hold()


def test_one_more_step_is_asked_of_the_payer(shop, sandbox):
    made = paid(shop, sandbox, "acts_twice", capture_method="automatic")
    assert made["status"] == "requires_action"
    sandbox.approve(made["next_action"]["url"], "acts_twice")
    recovering.sweep(clock.now() + timedelta(seconds=3_600))
    assert shop.payment(made["id"])["status"] == "captured"


def test_a_payment_that_is_reviewed_waits(shop, sandbox):
    made = paid(shop, sandbox, "review_ok", capture_method="automatic")
    assert made["status"] == "processing"
    key = operation(made, "authorize").idempotency_key
    eventually(lambda: sandbox.truth("capture", key)[0]["status"] == "COMPLETED", "the review ends")
    settle(3_600)
    assert shop.payment(made["id"])["status"] == "captured"


class TestAPayerWhoComesBackThroughUs:
    @pytest.fixture(autouse=True)
    def back(self, shop, settings):
        settings.PAYPAL_RETURN_URL = "https://house.example/returns/"
        registry.reset()

    @staticmethod
    def come(answer: Any) -> Any:
        return Client().get(answer.headers["location"].removeprefix("https://house.example"))

    def test_has_paid_when_he_is_at_the_shop(self, shop, sandbox):
        made = asked(shop, capture_method="automatic")
        back = self.come(sandbox.approve(made["next_action"]["url"]))
        assert (back.status_code, back["location"]) == (303, BACK)
        assert shop.payment(made["id"])["status"] == "captured"
        again = self.come(sandbox.approve(made["next_action"]["url"]))
        assert again.status_code == 303
        assert_all_invariants_hold()

    def test_may_turn_back_and_come_again(self, shop, sandbox):
        made = asked(shop, capture_method="automatic")
        assert self.come(sandbox.cancel(made["next_action"]["url"]))["location"] == BACK
        assert shop.payment(made["id"])["status"] == "requires_action"
        self.come(sandbox.approve(made["next_action"]["url"]))
        assert shop.payment(made["id"])["status"] == "captured"

    def test_with_anothers_order_changes_nothing(self, shop, sandbox):
        mine, other = (asked(shop, capture_method="automatic") for _ in range(2))
        paid_there = sandbox.approve(other["next_action"]["url"])
        token = paid_there.headers["location"].partition("?")[2]
        key = operation(mine, "authorize").idempotency_key
        for query in (token, "token=..%2F..&PayerID=x", "token=0123456789ABCDEF0", "PayerID=x"):
            assert Client().get(f"/returns/{key}/?{query}").status_code == 303
            assert shop.payment(mine["id"])["status"] == "requires_action"
        self.come(sandbox.approve(mine["next_action"]["url"]))
        assert shop.payment(mine["id"])["status"] == "captured"

    def test_whose_order_answers_late_is_found(self, shop, sandbox):
        made = asked(shop, capture_method="automatic")
        self.come(sandbox.approve(made["next_action"]["url"], "lost_answer"))
        recovering.sweep(clock.now() + timedelta(seconds=60))
        assert shop.payment(made["id"])["status"] == "captured"
        assert_all_invariants_hold()


@pytest.mark.parametrize("buyer", ["late", "lost_answer", "review_ok"])
@pytest.mark.parametrize("capture_method", ["automatic", "manual"])
def test_messages_about_what_an_order_brought_change_nothing_of_its_end(shop, sandbox, buyer, capture_method):
    made = paid(shop, sandbox, buyer, capture_method=capture_method)
    key = operation(made, "authorize").idempotency_key
    kind, end = ("capture", "captured") if capture_method == "automatic" else ("authorization", "authorized")
    for number, event in enumerate(("PENDING", "COMPLETED", "PENDING")):
        (row,) = sandbox.truth(kind, key)
        name = f"PAYMENT.CAPTURE.{event}" if kind == "capture" else "PAYMENT.AUTHORIZATION.CREATED"
        assert sandbox.send(name, row, f"WH-{row['id']}-{number}").status_code == 200
        settle()
        eventually(lambda: sandbox.truth(kind, key)[0]["status"] != "PENDING", "the review ends")
    settle(30)
    assert shop.payment(made["id"])["status"] == end
    assert operation(made, "authorize").provider_reference == sandbox.order(key)["id"]
    assert_all_invariants_hold()


def test_a_payer_who_turns_back_leaves_nothing(shop, sandbox):
    made = asked(shop, capture_method="automatic")
    answer = sandbox.cancel(made["next_action"]["url"])
    assert "PayerID" not in answer.headers["location"]
    cancelled = good(shop.client.put(f"{CORE}{made['id']}/cancel", {"reason": "turned back"}), 200)
    assert cancelled["status"] == "cancelled"
    # The page is still open somewhere: an approval now cannot take anything any more.
    sandbox.approve(made["next_action"]["url"])
    settle(3_600)
    payment = shop.payment(made["id"])
    assert (payment["status"], payment["captured"]["amount"]) == ("cancelled", 0)
    order = sandbox.order(operation(made, "authorize").idempotency_key)
    assert "payments" not in order["purchase_units"][0]
    assert not ProviderOperation.objects.filter(payment=payment_of(made), concluded_at=None).exists()
    assert_all_invariants_hold()


def test_an_authorization_is_given_back(shop, sandbox):
    made = paid(shop, sandbox)
    cancelled = good(shop.client.put(f"{CORE}{made['id']}/cancel", {"reason": "sold out"}), 200)
    assert cancelled["status"] == "cancelled"
    (authorization,) = sandbox.truth("authorization", made["id"])
    assert authorization["status"] == "VOIDED"


@pytest.mark.parametrize("fault", ["reset_after", "500_after", "500_before"])
def test_a_lost_answer_takes_nothing_twice(shop, sandbox, fault):
    fires = sandbox.fires()
    sandbox.script(fault, operation="authorize")
    made = asked(shop, 202, capture_method="automatic")
    assert (made["status"], fires(fault)) == ("processing", 1)
    recovering.sweep(clock.now() + timedelta(seconds=60))
    made = shop.payment(made["id"])
    assert made["status"] == "requires_action"
    sandbox.approve(made["next_action"]["url"])
    sandbox.script(fault, operation="complete")
    told(sandbox, made)
    assert fires(fault) == 2
    recovering.sweep(clock.now() + timedelta(seconds=600))
    made = shop.payment(made["id"])
    assert (made["status"], made["captured"]["amount"]) == ("captured", 10_000)
    assert len(sandbox.truth("capture", operation(made, "authorize").idempotency_key)) == 1
    assert_all_invariants_hold()


def test_a_refund_that_fails_late_comes_back(shop, sandbox):
    made = paid(shop, sandbox, "refund_fails_late", capture_method="automatic")
    refund = shop.refunded(made, amount=1_000)
    assert refund["status"] == "completed"

    def failed() -> list[dict[str, Any]]:
        rows = sandbox.truth("refund", operation(made, "refund").idempotency_key)
        return [row for row in rows if row["status"] == "FAILED"]

    (row,) = eventually(failed, "the refund fails at PayPal")
    assert sandbox.send("PAYMENT.REFUND.FAILED", row, f"WH-{row['id']}").status_code == 200
    run_jobs()
    assert shop.refund(refund["id"])["status"] == "failed"
    assert shop.payment(made["id"])["refunded"]["amount"] == 0
    assert_all_invariants_hold()


def test_a_refund_made_in_paypals_dashboard_is_adopted(shop, sandbox):
    made = paid(shop, sandbox, capture_method="automatic")
    refund = sandbox.refund(operation(made, "capture").provider_reference, "25.00", made["number"])
    assert sandbox.send("PAYMENT.CAPTURE.REFUNDED", refund, f"WH-{refund['id']}").status_code == 200
    run_jobs()
    assert shop.payment(made["id"])["refunded"] == {"amount": 2_500, "currency": "USD"}
    assert_all_invariants_hold()


def test_a_stored_wallet_is_paid_with_by_redirect(shop, sandbox):
    token = {"provider": "paypal", "token": "paypal", "wallet": "paypal"}
    body = {"customer_id": "carla", "type": "digital_wallet", "provider_token": token}
    stored = good(shop.client.post(METHODS, body), 201)
    made = asked(shop, payment_method=stored["id"], customer_id="carla")
    assert (made["status"], made["provider"]) == ("requires_action", "paypal")
    assert made["payment_method"]["type"] == "digital_wallet"


def test_what_paypal_does_not_carry_is_refused(shop, sandbox):
    answer = shop.client.post(CORE, shop.body(confirm=True, payment_method=WALLET, currency="KWD"))
    assert answer.status_code == 422
    assert answer.json()["code"] == "no_provider"


def test_an_event_about_nothing_of_ours_rests(shop, sandbox):
    assert sandbox.send("BILLING.PLAN.CREATED", {"id": "P-1"}, "WH-plan").status_code == 200
    run_jobs()
    (kept,) = ProviderWebhook.objects.filter(provider="paypal", event_id="WH-plan")
    assert kept.state == "ignored"
