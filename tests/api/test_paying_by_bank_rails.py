"""Paying by ACH and SEPA debit over HTTP: a stored account, a debit that waits, what its merchant sees."""

from typing import Any

import pytest

from payments.models import PaymentMethod
from tests.kit.api_client import MerchantClient
from tests.kit.rails import ROUTING, RailsBank, account_number, iban
from tests.kit.shop import CORE, REFUNDS, good
from vendors.models import Merchant

pytestmark = pytest.mark.django_db
CURRENCIES = {"ach": "USD", "sepa": "EUR"}


def stored(client: MerchantClient, rail: str, code: str = "") -> dict[str, Any]:
    """Add an account as a merchant does."""
    details = (
        {"iban": iban(code)}
        if rail == "sepa"
        else {"routing_number": ROUTING, "account_number": account_number(code), "account_type": "savings"}
    )
    body = {"customer_id": "carla", "type": rail, "details": {"holder": "Carla Jung", **details}}
    return good(client.post("/api/v1/payment-methods/", body), 201)


def paid(client: MerchantClient, rail: str, code: str = "") -> dict[str, Any]:
    method = stored(client, rail, code)
    body = {
        "amount": {"amount": 4_200, "currency": CURRENCIES[rail]},
        "order_id": "order-1",
        "customer_id": "carla",
        "payment_method": method["id"],
        "capture_method": "automatic",
        "confirm": True,
    }
    return good(client.post(CORE, body), 202)  # it waits for its file


@pytest.mark.parametrize("rail", ["ach", "sepa"])
def test_a_debit_from_the_order_to_the_refund(rail, merchant_client, northwind: Merchant, rails: RailsBank):
    payment = paid(merchant_client, rail)
    assert (payment["status"], payment["provider"]) == ("processing", rail)
    rails.day(rail)
    shown = good(merchant_client.get(f"{CORE}{payment['id']}"), 200)
    assert (shown["status"], shown["payment_method"]["type"]) == ("captured", rail)
    number = PaymentMethod.objects.get(merchant=northwind).last4
    assert shown["payment_method"]["last4"] == number

    asked = good(merchant_client.post(REFUNDS, {"payment_id": payment["id"], "amount": 1_200}), 201)
    refund = good(merchant_client.post(f"{REFUNDS}{asked['id']}/process"), 202)
    assert refund["status"] == "processing"
    rails.day(rail, 2)
    assert good(merchant_client.get(f"{REFUNDS}{asked['id']}"), 200)["status"] == "completed"
    assert [one["direction"] for one in rails.entries()] == ["debit", "credit"]
    assert {one["account"] for one in rails.entries()} == {number}


@pytest.mark.parametrize(("rail", "code"), [("ach", "R07"), ("sepa", "MD01")])
def test_a_merchant_sees_a_revoked_debit_as_a_lost_dispute(rail, code, merchant_client, rails: RailsBank):
    payment = paid(merchant_client, rail, code)
    rails.day(rail)
    rails.day(rail, 2)
    found = good(merchant_client.get(f"/api/v1/disputes/payment/{payment['id']}"), 200)["data"]
    assert [(one["status"], one["reason_code"]) for one in found] == [("lost", code)]


@pytest.mark.parametrize(("rail", "code"), [("ach", "R23"), ("sepa", "AC04")])
def test_a_refund_that_comes_back_fails_and_can_be_asked_for_again(
    rail, code, merchant_client, rails: RailsBank
):
    payment = paid(merchant_client, rail)
    rails.day(rail)
    asked = good(merchant_client.post(REFUNDS, {"payment_id": payment["id"]}), 201)
    good(merchant_client.post(f"{REFUNDS}{asked['id']}/process"), 202)
    rails.hand_over()
    [credit] = [one for one in rails.entries() if one["direction"] == "credit"]
    body = {"end_to_end": credit["end_to_end"], "code": code}
    rails.network.client.post("/rails/sim/returns", json=body).raise_for_status()
    rails.day(rail, 2)
    refund = good(merchant_client.get(f"{REFUNDS}{asked['id']}"), 200)
    assert refund["status"] == "failed"
    assert code in str(refund)
    good(merchant_client.post(REFUNDS, {"payment_id": payment["id"]}), 201)
