"""Paying later with Klarna at Stripe, over HTTP: its page, the plan, one capture, refunds, and its payout."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
import stripe

from ledger import clock
from payments.models import ProviderOperation
from payments.services.calls import recovering
from settlements import selectors
from tests.kit import settling
from tests.kit.books import assert_all_invariants_hold
from tests.kit.refunds import payment_of
from tests.kit.shop import CORE, Shop, good, run_jobs
from tests.kit.stripe import StripeSandbox
from tests.services.payments.stripe.test_paying_with_stripe import BACK, intent_of, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def sandbox(shop: Shop) -> StripeSandbox:
    return StripeSandbox(shop.network)


def begun(shop: Shop, status: int = 201, **more: Any) -> dict[str, Any]:
    """Order a payment by Klarna, by a method that Stripe has: so no other lender's desk is asked."""
    told = {"provider": "stripe", "token": "klarna.DE", "plan": "klarna", "instalments": 3}
    asked = shop.body(currency="EUR", **{"confirm": True, "return_url": BACK, **more})
    asked = {name: value for name, value in asked.items() if value is not None}
    body = {"customer_id": asked["customer_id"], "type": "bnpl", "provider_token": told}
    asked["payment_method"] = good(shop.client.post("/api/v1/payment-methods/", body), 201)["id"]
    return good(shop.client.post(CORE, asked), status)


def agree(shop: Shop, sandbox: StripeSandbox, made: dict[str, Any], result: str) -> dict[str, Any]:
    """Choose on Klarna's page, come back, and let Stripe's event be heard."""
    page = made["next_action"]["url"]
    assert "Pay with Klarna" in httpx.get(page, trust_env=False).text
    answer = httpx.post(page, data={"result": result}, trust_env=False)
    assert (answer.status_code, answer.headers["location"].startswith(BACK)) == (303, True)
    intent = intent_of(sandbox, made)
    told = {"requires_capture": "amount_capturable_updated", "succeeded": "succeeded"}
    kind = told.get(intent["status"], "payment_failed")
    assert send(f"payment_intent.{kind}", intent, f"evt_{intent['id']}").status_code == 200
    run_jobs()
    recovering.sweep(clock.now() + timedelta(seconds=1))
    return shop.payment(made["id"])


@pytest.mark.parametrize(
    ("chosen", "plan"),
    [("pay_now", "pay_now"), ("pay_later", "pay_later"), ("pay_in_installments", "instalments")],
)
def test_what_the_payer_chose_is_kept_as_stripe_tells_it(shop, sandbox, chosen, plan):
    made = begun(shop)
    assert (made["status"], made["provider"]) == ("requires_action", "stripe")
    shown = agree(shop, sandbox, made, chosen)
    assert shown["status"] == "authorized"
    assert (shown["payment_method"]["type"], shown["payment_method"]["brand"]) == ("bnpl", "klarna")
    authorization = ProviderOperation.objects.get(payment=payment_of(made), kind="authorize")
    assert authorization.outcome_detail["plan"] == plan
    stands = payment_of(made).expires_at - clock.now()
    assert timedelta(days=27) < stands < timedelta(days=29)
    assert_all_invariants_hold()


def test_it_is_captured_later_in_one_piece_and_given_back_in_part(shop, sandbox):
    made = begun(shop)
    agree(shop, sandbox, made, "pay_later")
    refused = shop.client.put(f"{CORE}{made['id']}/capture", {"amount": 1_000})
    assert refused.status_code == 402, refused.content
    good(shop.client.put(f"{CORE}{made['id']}/capture", {"amount": 6_000, "final": True}), 200)
    shop.refunded(shop.payment(made["id"]), amount=1_000)
    shown = shop.payment(made["id"])
    assert (shown["captured"]["amount"], shown["refunded"]["amount"]) == (6_000, 1_000)
    capture = ProviderOperation.objects.get(payment=payment_of(made), kind="capture", outcome="approved")
    assert capture.fee_minor == 199
    assert_all_invariants_hold()


def test_without_an_agreement_nothing_is_paid(shop, sandbox):
    shown = agree(shop, sandbox, begun(shop), "fail")
    assert (shown["status"], shown["decline"]["code"]) == ("failed", "authentication_failed")


def test_a_payer_who_could_not_come_back_is_not_sent_away(shop, sandbox):
    made = begun(shop, 402, return_url=None)
    assert (made["code"], made["payment"]["status"]) == ("payment_declined", "failed")


def test_it_is_paid_out_with_its_fee_and_its_refund(own_network, northwind, merchant_client):
    shop, there, at = Shop(merchant_client, own_network), StripeSandbox(own_network), clock.now()
    sold = agree(shop, there, begun(shop, capture_method="automatic"), "pay_now")
    assert sold["status"] == "captured"
    shop.refunded(sold, amount=1_000)
    settling.take_in(northwind, settling.statement_file(own_network, at), at)
    assert not list(selectors.open_breaks(northwind.pk).values_list("reason", "detail"))
    assert_all_invariants_hold()


class TestTheFace:
    """What the sandbox refuses as Stripe does, by the official library."""

    @pytest.mark.parametrize(
        ("changed", "param"),
        [({"currency": "usd"}, "currency"), ({"return_url": ""}, "return_url"),
         ({"payment_method_types": ["card"]}, "payment_method")],
    )  # fmt: skip
    def test_refuses_what_klarna_is_not_asked(self, sandbox, changed, param):
        payer = {"type": "klarna", "billing_details": {"address": {"country": "DE"}}}
        wanted = {
            "amount": 4_200, "currency": "eur", "confirm": True, "payment_method_types": ["klarna"],
            "payment_method_data": payer, "return_url": BACK, **changed,
        }  # fmt: skip
        with pytest.raises(stripe.InvalidRequestError) as refused:
            sandbox.library().v1.payment_intents.create(wanted)  # type: ignore[arg-type]
        assert refused.value.param == param
