"""Paying later with Klarna at Adyen, over HTTP: the page, the plan, captures, refunds, and who is asked."""

from typing import Any

import httpx
import pytest
from django.test import Client

from ledger.models import Event
from payments.models import Payment
from tests.kit.api_cases import problem
from tests.kit.books import assert_all_invariants_hold
from tests.kit.refunds import payment_of
from tests.kit.shop import CORE, Shop, good
from tests.services.payments.adyen.test_paying_with_adyen import (
    BACK,
    deliver,
    deliver_refund,
    operations_of,
    sandbox,
)

__all__ = ["sandbox"]  # a fixture
pytestmark = pytest.mark.django_db


def begun(shop: Shop, status: int = 201, token: str = "klarna.DE", **more: Any) -> dict[str, Any]:
    method = {"type": "bnpl", "token": token}
    asked = {"currency": "EUR", "confirm": True, "return_url": BACK, **more}
    return good(shop.client.post(CORE, shop.body(payment_method=method, **asked)), status)


def agree(made: dict[str, Any], result: str = "success", plan: str = "klarna_account") -> None:
    page = made["next_action"]["url"]
    assert "How I pay" in httpx.get(page, trust_env=False).text
    answer = httpx.post(page, data={"result": result, "plan": plan}, trust_env=False)
    back = Client().get(answer.headers["location"].removeprefix("http://testserver"))
    assert (back.status_code, back["Location"]) == (303, BACK)


@pytest.mark.parametrize(
    ("chosen", "plan"),
    [
        ("klarna", {"plan": "pay_later"}),
        ("klarna_account", {"plan": "instalments", "instalments": "3"}),
        ("klarna_paynow", {"plan": "pay_now"}),
    ],
)
def test_what_the_payer_chose_is_kept_as_adyen_tells_it(shop, sandbox, chosen, plan):
    made = begun(shop)
    assert (made["status"], made["provider"]) == ("requires_action", "adyen")
    agree(made, plan=chosen)
    shown = shop.payment(made["id"])
    assert shown["status"] == "authorized"
    assert shown["payment_method"] == {"id": None, "type": "bnpl", "brand": "klarna", "last4": None}
    (authorization,) = operations_of(made, "authorize")
    kept = authorization.outcome_detail
    assert {name: kept[name] for name in ("plan", "instalments") if name in kept} == plan
    told = Event.objects.filter(subject_id=payment_of(made).pk).order_by("sequence").last()
    assert told is not None
    assert told.payload.items() >= plan.items()
    assert_all_invariants_hold()


def test_it_is_captured_and_given_back_in_part(shop, sandbox):
    made = begun(shop)
    agree(made)
    good(shop.client.put(f"{CORE}{made['id']}/capture", {"amount": 6_000}), 202)
    deliver(sandbox, made)
    asked = shop.refund_asked(shop.payment(made["id"]), amount=1_000)
    shop.client.post(f"/api/v1/refunds/{asked['id']}/process")
    deliver_refund(sandbox, asked)
    shown = shop.payment(made["id"])
    assert (shown["captured"]["amount"], shown["refunded"]["amount"]) == (6_000, 1_000)
    assert_all_invariants_hold()


def test_it_is_taken_at_once_where_that_is_asked(shop, sandbox):
    made = begun(shop, capture_method="automatic")
    agree(made)
    assert shop.payment(made["id"])["status"] == "captured"
    assert_all_invariants_hold()


@pytest.mark.parametrize("result", ["refused", "cancel"])
def test_without_an_agreement_nothing_is_paid(shop, sandbox, result):
    made = begun(shop)
    agree(made, result)
    assert shop.payment(made["id"])["status"] == "failed"
    assert payment_of(made).decline_code
    assert_all_invariants_hold()


def test_it_is_given_up_at_adyen_first(shop, sandbox):
    made = begun(shop)
    good(shop.client.put(f"{CORE}{made['id']}/cancel", {"reason": "gone"}), 202)
    assert deliver(sandbox, made) == ["TECHNICAL_CANCEL"]


@pytest.mark.parametrize(
    ("token", "currency"),
    [("klarna.DE", "USD"), ("klarna.BR", "EUR"), ("nobody.DE", "EUR"), ("klarna", "EUR")],
    ids=["another currency", "another country", "another lender", "no country"],
)
def test_nobody_is_asked_who_cannot_lend(shop, sandbox, token, currency):
    method = {"type": "bnpl", "token": token}
    body = shop.body(payment_method=method, currency=currency, confirm=True)
    assert problem(shop.client.post(CORE, body), 422, "no_provider")["param"] == "payment_method"
    assert not Payment.objects.filter(order_ref=body["order_id"]).exists()


def test_a_stored_plan_is_paid_with_where_it_is_stored(shop, sandbox):
    told = {"provider": "adyen", "token": "klarna.DE", "plan": "klarna", "instalments": 4}
    body = {"customer_id": shop.body()["customer_id"], "type": "bnpl", "provider_token": told}
    stored = good(shop.client.post("/api/v1/payment-methods/", body), 201)
    asked = shop.body(payment_method=stored["id"], currency="EUR", confirm=True, return_url=BACK)
    asked["customer_id"] = body["customer_id"]
    made = good(shop.client.post(CORE, asked), 201)
    agree(made)
    shown = shop.payment(made["id"])
    assert (shown["status"], shown["payment_method"]["id"]) == ("authorized", stored["id"])
