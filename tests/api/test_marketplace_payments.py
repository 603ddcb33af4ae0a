"""Marketplace payments over HTTP: begun, carried out by their job, cancelled, read; and what is refused."""

import json
from typing import Any

import pytest
from django.http import HttpResponse

from ledger.explain import walking
from payments.models import Saga
from tests.kit.api_cases import (
    AnonymousIsRefused,
    IdempotentReplay,
    OtherTenantIsHidden,
    WrongScopeIsRefused,
    problem,
)
from tests.kit.api_client import MerchantClient
from tests.kit.bad_input import BAD_AMOUNTS, BAD_BODIES
from tests.kit.books import assert_all_invariants_hold
from tests.kit.shop import Shop, good, run_jobs
from vendors.models import Vendor

pytestmark = pytest.mark.django_db

PATH = "/api/v1/marketplace-payments/"


def body(token: str, *vendors: Vendor, **more: Any) -> dict[str, Any]:
    return {
        "amount": {"amount": 10_000, "currency": "USD"},
        "order_id": "order-7",
        "customer_id": "carla",
        "payment_method": {"type": "card", "token": token},
        "sellers": [{"vendor_id": vendor.public_id, "weight": 1} for vendor in vendors],
        "marketplace_fee": 1,
        **more,
    }


class TestCreate:
    def test_is_carried_out_by_its_job(self, shop: Shop, ada: Vendor, bruno: Vendor) -> None:
        token = shop.network.card()["token"]
        begun = good(shop.client.post(PATH, body(token, ada, bruno)), 202)
        assert (begun["status"], begun["fee_held"]["amount"]) == ("running", 0)
        assert [step["name"] for step in begun["steps"]] == [
            "authorize", "hold_fee", "allocate", "allocate", "capture", "prove",
        ]  # fmt: skip
        assert [step["amount"]["amount"] for step in begun["steps"][2:4]] == [5_000, 4_999]
        run_jobs()

        told = good(shop.client.get(f"{PATH}{begun['id']}"), 200)
        assert {step["status"] for step in told["steps"]} == {"done"}
        assert (told["status"], told["allocated"]["amount"], told["fee_held"]["amount"]) == (
            "completed", 9_999, 1,
        )  # fmt: skip
        paid = shop.payment(told["payment_id"])
        assert (paid["status"], paid["capture_method"], len(paid["vendor_split"])) == (
            "captured",
            "managed",
            2,
        )
        assert good(shop.client.get(PATH), 200)["data"] == [told]
        assert_all_invariants_hold()

    def test_it_and_its_shares_are_explained_without_problems(self, shop: Shop, ada: Vendor) -> None:
        begun = good(shop.client.post(PATH, body(shop.network.card()["token"], ada)), 202)
        run_jobs()
        told = good(shop.client.get(f"/api/v1/explain/{begun['id']}"), 200)
        assert told["is_explained"], told
        share = good(shop.client.get(f"{PATH}{begun['id']}"), 200)["steps"][2]["note"]
        story = walking.explain(share)
        assert story.is_explained
        assert begun["id"] in story.nodes

    def test_bad_bodies_and_amounts_are_refused(self, merchant_client: MerchantClient, ada: Vendor) -> None:
        good_one = json.dumps(body("t", ada))
        with_amounts = [good_one.replace('"weight": 1', f'"amount": {amount}') for amount in BAD_AMOUNTS]
        for raw in (*BAD_BODIES.values(), *(text.encode() for text in with_amounts)):
            assert merchant_client.post(PATH, raw).status_code == 400, raw[:200]
        assert not Saga.objects.filter(merchant_id=ada.merchant_id).exists()

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"marketplace_fee": 10_001}, "vendor_split_too_large"),
            ({"marketplace_fee": 10_000}, "vendor_split_invalid"),
        ],
    )
    def test_what_does_not_come_to_the_whole(
        self, merchant_client: MerchantClient, ada: Vendor, changes: dict[str, Any], code: str
    ) -> None:
        problem(merchant_client.post(PATH, body("t", ada, **changes)), 422, code)

    def test_managed_is_no_way_to_ask_for_a_capture(self, shop: Shop) -> None:
        answer = shop.client.post("/api/v1/payments/core/", shop.body(capture_method="managed"))
        assert answer.status_code == 400


class TestCancel:
    def test_undoes_what_was_done(self, shop: Shop, ada: Vendor) -> None:
        begun = good(shop.client.post(PATH, body(shop.network.card("challenge")["token"], ada)), 202)
        run_jobs()
        told = good(shop.client.post(f"{PATH}{begun['id']}/cancel", {"reason": "sold out"}), 202)
        assert (told["status"], told["reason"]) == ("compensating", "sold out")
        run_jobs()
        told = good(shop.client.get(f"{PATH}{begun['id']}"), 200)
        assert told["status"] == "failed"
        back = [step for step in told["steps"] if step["direction"] == "back"]
        assert [(step["name"], step["status"]) for step in back] == [("authorize", "done")]

    def test_not_once_it_is_captured(self, shop: Shop, ada: Vendor) -> None:
        begun = good(shop.client.post(PATH, body(shop.network.card()["token"], ada)), 202)
        run_jobs()
        problem(shop.client.post(f"{PATH}{begun['id']}/cancel", {}), 409, "state_conflict")

    def test_its_payment_is_captured_by_nobody_else(self, shop: Shop, ada: Vendor) -> None:
        begun = good(shop.client.post(PATH, body(shop.network.card()["token"], ada)), 202)
        core = f"/api/v1/payments/core/{begun['payment_id']}"
        good(shop.client.put(f"{core}/authorize"), 200)
        problem(shop.client.put(f"{core}/capture"), 409, "capture_managed")
        run_jobs()
        assert good(shop.client.get(f"{PATH}{begun['id']}"), 200)["status"] == "completed"


class TestWeightsOfAPlainPayment:
    def test_weights_divide_what_the_amounts_leave(self, shop: Shop, ada: Vendor, bruno: Vendor) -> None:
        lines = [
            {"vendor_id": ada.public_id, "amount": 3_001},
            {"vendor_id": bruno.public_id, "weight": 3},
        ]
        made = shop.created(vendor_split=lines)
        assert [line["amount"]["amount"] for line in made["vendor_split"]] == [3_001, 6_999]

    def test_a_line_with_both_or_neither_is_refused(self, shop: Shop, ada: Vendor) -> None:
        for wrong in ({}, {"amount": 1, "weight": 1}):
            answer = shop.client.post(
                "/api/v1/payments/core/", shop.body(vendor_split=[{"vendor_id": ada.public_id, **wrong}])
            )
            assert answer.status_code == 400


class _OfOne:
    def effects(self) -> int:
        return Saga.objects.count()

    @pytest.fixture(autouse=True)
    def _begun(self, ada: Vendor, merchant_client: MerchantClient) -> None:
        self.body = body("vpt_none", ada)


class TestAnonymous(_OfOne, AnonymousIsRefused):
    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return client.post(PATH, self.body, **options)


class TestScope(_OfOne, WrongScopeIsRefused):
    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return client.post(PATH, self.body, **options)


class TestReplay(_OfOne, IdempotentReplay):
    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return client.post(PATH, self.body, **options)


class TestTenant(OtherTenantIsHidden):
    @pytest.fixture(autouse=True)
    def _begun(self, ada: Vendor, merchant_client: MerchantClient) -> None:
        self.saga = good(merchant_client.post(PATH, body("vpt_none", ada)), 202)

    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return client.get(f"{PATH}{self.saga['id']}", **options)
