"""Controller 3: vendors' shares of a payment, recorded, completed, failed, refunded and read over HTTP."""

from typing import Any

import pytest
from django.http import HttpResponse

from ledger import balances, chart
from ledger.chart import Code
from payments.models import PaymentTransaction, Refund
from tests.factories import payments as rows
from tests.factories import vendors as factory
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
from tests.kit.queries import statements
from tests.kit.shop import CORE, SHARES, Shop, good, split
from vendors.models import Merchant, Vendor

pytestmark = pytest.mark.django_db


def wish(payment: dict[str, Any], vendor: Vendor, amount: int) -> dict[str, Any]:
    return {"payment_id": payment["id"], "vendor_id": vendor.public_id, "amount": amount}


class TestRecord:
    def test_adds_a_share_with_the_commission_that_holds_now(self, shop: Shop, ada: Vendor) -> None:
        paid = shop.created()
        share = good(shop.client.post(SHARES, wish(paid, ada, 6_000)), 201)
        assert (share["status"], share["payment_id"], share["vendor_id"]) == (
            "pending", paid["id"], ada.public_id,
        )  # fmt: skip
        assert (share["commission"]["rate_bps"], share["commission"]["total"]["amount"]) == (1_000, 600)
        assert good(shop.client.get(SHARES + share["id"]), 200) == share
        assert [line["id"] for line in shop.payment(paid["id"])["vendor_split"]] == [share["id"]]

    def test_is_captured_with_its_payment(self, shop: Shop, ada: Vendor, northwind: Merchant) -> None:
        paid = shop.created()
        share = good(shop.client.post(SHARES, wish(paid, ada, 6_000)), 201)
        good(shop.client.put(f"{CORE}{paid['id']}/authorize"), 200)
        good(shop.client.put(f"{CORE}{paid['id']}/capture"), 200)
        assert good(shop.client.get(SHARES + share["id"]), 200)["captured"]["amount"] == 6_000
        pending = chart.account(Code.VENDOR_PENDING, northwind.pk, "USD", str(ada.pk))
        assert balances.balance(pending).minor == -5_400

    def test_refuses_shares_larger_than_the_payment(self, shop: Shop, ada: Vendor, bruno: Vendor) -> None:
        paid = shop.created(vendor_split=split((ada, 6_000)))
        problem(shop.client.post(SHARES, wish(paid, bruno, 4_001)), 422, "allocation_too_large")
        good(shop.client.post(SHARES, wish(paid, bruno, 4_000)), 201)

    def test_refuses_a_second_share_of_a_vendor(self, shop: Shop, ada: Vendor) -> None:
        paid = shop.created(vendor_split=split((ada, 1)))
        problem(shop.client.post(SHARES, wish(paid, ada, 1)), 409, "share_exists")

    @pytest.mark.parametrize("step", ["authorized", "captured"])
    def test_refuses_when_the_division_is_fixed(self, shop: Shop, ada: Vendor, step: str) -> None:
        paid = getattr(shop, step)()
        problem(shop.client.post(SHARES, wish(paid, ada, 1)), 409, "payment_closed_to_shares")

    def test_refuses_while_the_payment_is_being_authorized(self, shop: Shop, ada: Vendor) -> None:
        paid = good(shop.client.post(CORE, shop.body("late", confirm=True)), 202)
        problem(shop.client.post(SHARES, wish(paid, ada, 1)), 409, "payment_closed_to_shares")

    @pytest.mark.parametrize("part", ["payment", "vendor"])
    def test_refuses_another_merchants_objects_like_ones_that_are_not_there(
        self, shop: Shop, ada: Vendor, part: str
    ) -> None:
        southwind = factory.create_merchant("Southwind")
        sven = factory.create_vendor(southwind, "Sven")
        foreign = rows.create_payment(southwind).public_id if part == "payment" else sven.public_id
        prefix = foreign.partition("_")[0]
        paid = shop.created()
        answers = []
        for named in (foreign, f"{prefix}_01kagm0xj7f0w9r7s5m3d2k8ha"):
            body = {**wish(paid, ada, 1), f"{part}_id": named}
            answers.append(problem(shop.client.post(SHARES, body), 404, f"{part}_not_found"))
        for answer in answers:
            answer.pop("request_id")
        assert answers[0] == answers[1]

    @pytest.mark.parametrize("name", BAD_BODIES)
    def test_refuses_what_is_not_strict_json(self, merchant_client: MerchantClient, name: str) -> None:
        assert merchant_client.post(SHARES, BAD_BODIES[name]).status_code == 400

    @pytest.mark.parametrize("amount", BAD_AMOUNTS)
    def test_refuses_amounts_that_are_none(
        self, merchant_client: MerchantClient, northwind: Merchant, ada: Vendor, amount: str
    ) -> None:
        paid = rows.create_payment(northwind)
        raw = f'{{"payment_id": "{paid.public_id}", "vendor_id": "{ada.public_id}", "amount": {amount}}}'
        assert merchant_client.post(SHARES, raw.encode()).status_code == 400
        assert not PaymentTransaction.objects.filter(payment=paid).exists()


class TestRules(AnonymousIsRefused, WrongScopeIsRefused, OtherTenantIsHidden, IdempotentReplay):
    refused_scopes = ["payments:read"]

    @pytest.fixture(autouse=True)
    def _payment(self, northwind: Merchant, ada: Vendor) -> None:
        self.payment = rows.create_payment(northwind)
        self.ada = ada

    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return client.post(SHARES, wish({"id": self.payment.public_id}, self.ada, 100), **options)

    def effects(self) -> int:
        return PaymentTransaction.objects.filter(payment=self.payment).count()


class TestComplete:
    def test_wants_a_reference_that_the_provider_gave(self, shop: Shop, ada: Vendor) -> None:
        paid = shop.captured(vendor_split=split((ada, 6_000)))
        path = f"{SHARES}{paid['vendor_split'][0]['id']}/complete"
        problem(shop.client.put(path, {"gateway_reference": "auth_x"}), 409, "gateway_reference_unknown")
        done = good(shop.client.put(path, {"gateway_reference": paid["provider_reference"]}), 200)
        assert (done["status"], done["gateway_reference"]) == ("completed", paid["provider_reference"])
        assert good(shop.client.put(f"{CORE}{paid['id']}/complete"), 200)["status"] == "completed"

    def test_refuses_a_share_that_is_not_captured(self, shop: Shop, ada: Vendor) -> None:
        paid = shop.authorized(vendor_split=split((ada, 6_000)))
        path = f"{SHARES}{paid['vendor_split'][0]['id']}/complete"
        response = shop.client.put(path, {"gateway_reference": paid["provider_reference"]})
        problem(response, 409, "state_conflict")


class TestFail:
    def test_leaves_its_money_to_the_merchant(
        self, shop: Shop, ada: Vendor, bruno: Vendor, northwind: Merchant
    ) -> None:
        paid = shop.created(vendor_split=split((ada, 6_000), (bruno, 3_000)))
        share = paid["vendor_split"][0]["id"]
        failed = good(shop.client.put(f"{SHARES}{share}/fail", {"reason": "cannot deliver"}), 200)
        assert (failed["status"], failed["reason"]) == ("failed", "cannot deliver")
        good(shop.client.put(f"{CORE}{paid['id']}/authorize"), 200)
        done = good(shop.client.put(f"{CORE}{paid['id']}/capture"), 200)
        assert [line["status"] for line in done["vendor_split"]] == ["failed", "captured"]
        own = chart.account(Code.MERCHANT_BALANCE, northwind.pk, "USD")
        assert balances.balance(own).minor == -7_000
        good(shop.client.put(f"{CORE}{paid['id']}/complete"), 200)
        assert assert_all_invariants_hold()

    @pytest.mark.parametrize("card", ["insufficient_funds", "visa"])
    def test_does_not_stand_in_the_way_of_the_payments_end(
        self, shop: Shop, ada: Vendor, bruno: Vendor, card: str
    ) -> None:
        paid = shop.created(card, vendor_split=split((ada, 6_000), (bruno, 3_000)))
        path = f"{SHARES}{paid['vendor_split'][0]['id']}/fail"
        good(shop.client.put(path, {"reason": "cannot deliver"}), 200)
        shop.client.put(f"{CORE}{paid['id']}/authorize")
        if card == "visa":
            good(shop.client.put(f"{CORE}{paid['id']}/cancel"), 200)
        ended = shop.payment(paid["id"])
        assert ended["status"] == ("cancelled" if card == "visa" else "failed")
        assert ended["vendor_split"][0]["status"] == "failed"

    def test_frees_the_allocation_for_another_vendor(self, shop: Shop, ada: Vendor, bruno: Vendor) -> None:
        paid = shop.created(vendor_split=split((ada, 10_000)))
        path = f"{SHARES}{paid['vendor_split'][0]['id']}/fail"
        good(shop.client.put(path, {"reason": "cannot deliver"}), 200)
        good(shop.client.post(SHARES, wish(paid, bruno, 10_000)), 201)
        assert assert_all_invariants_hold()

    def test_refuses_when_money_was_captured(self, shop: Shop, ada: Vendor) -> None:
        paid = shop.captured(vendor_split=split((ada, 6_000)))
        path = f"{SHARES}{paid['vendor_split'][0]['id']}/fail"
        problem(shop.client.put(path, {"reason": "too late"}), 409, "state_conflict")


class TestRefund:
    def test_refunds_a_part_and_then_the_rest_of_the_share(self, shop: Shop, ada: Vendor) -> None:
        paid = shop.captured(vendor_split=split((ada, 6_000)))
        path = f"{SHARES}{paid['vendor_split'][0]['id']}/refund"
        first = good(shop.client.post(path, {"amount": 1_000, "reason": "torn"}), 201)
        assert (first["object"], first["status"], first["reason"]) == ("refund", "completed", "torn")
        assert [line["amount"]["amount"] for line in first["vendor_split"]] == [1_000]
        rest = good(shop.client.post(path), 201)
        assert rest["amount"]["amount"] == 5_000
        share = good(shop.client.get(f"{SHARES}{paid['vendor_split'][0]['id']}"), 200)
        assert (share["refundable"]["amount"], share["commission"]["given_back"]["amount"]) == (0, 600)

    def test_refuses_more_than_the_share_holds(self, shop: Shop, ada: Vendor) -> None:
        paid = shop.captured(vendor_split=split((ada, 6_000)))
        path = f"{SHARES}{paid['vendor_split'][0]['id']}/refund"
        body = problem(shop.client.post(path, {"amount": 6_001}), 422, "refund_too_large")
        assert body["param"] == "amount"
        assert not Refund.objects.filter(
            payment__number=paid["number"], payment__merchant=ada.merchant
        ).exists()

    def test_waits_for_a_second_person_above_the_limit(
        self, shop: Shop, ada: Vendor, northwind: Merchant
    ) -> None:
        northwind.refund_approval_above = {"USD": 999}
        northwind.save()
        paid = shop.captured(vendor_split=split((ada, 6_000)))
        path = f"{SHARES}{paid['vendor_split'][0]['id']}/refund"
        assert good(shop.client.post(path, {"amount": 1_000}), 202)["status"] == "requested"

    def test_repeats_its_answer_and_not_its_effect(self, shop: Shop, ada: Vendor) -> None:
        paid = shop.captured(vendor_split=split((ada, 6_000)))
        path = f"{SHARES}{paid['vendor_split'][0]['id']}/refund"
        first, again = (shop.client.post(path, {"amount": 100}, key="refund-key-1") for _ in range(2))
        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert shop.payment(paid["id"])["refunded"]["amount"] == 100

    def test_answers_a_refusal_of_the_network_with_402(self, shop: Shop, ada: Vendor) -> None:
        paid = shop.captured("refund_fails", vendor_split=split((ada, 6_000)))
        path = f"{SHARES}{paid['vendor_split'][0]['id']}/refund"
        body = problem(shop.client.post(path), 402, "refund_declined")
        assert body["refund"]["status"] == "failed"


class TestReads:
    def test_finds_shares_in_every_way(self, shop: Shop, ada: Vendor, bruno: Vendor) -> None:
        paid = shop.authorized(vendor_split=split((ada, 6_000), (bruno, 3_000)))
        both = [line["id"] for line in paid["vendor_split"]]
        for path in (
            f"transaction/{paid['provider_reference']}",
            f"order/{paid['order_id']}",
            f"customer/{paid['customer_id']}",
        ):
            found = good(shop.client.get(SHARES + path), 200)
            assert sorted(row["id"] for row in found["data"]) == sorted(both)
        of_ada = good(shop.client.get(f"{SHARES}vendor/{ada.public_id}/"), 200)["data"]
        assert [row["id"] for row in of_ada] == both[:1]

    @pytest.mark.parametrize(
        ("path", "code"),
        [
            ("ptx_01kagm3c8qf3p8w0t5y5r4d2ne", "payment_transaction_not_found"),
            ("transaction/auth_none", "payment_not_found"),
            ("vendor/vnd_01kagm3c8qf3p8w0t5y5r4d2ne", "vendor_not_found"),
        ],
    )
    def test_does_not_find_what_is_not_there(self, shop: Shop, path: str, code: str) -> None:
        problem(shop.client.get(SHARES + path), 404, code)

    @pytest.mark.parametrize("path", ["order/order-1", "customer/carla"])
    def test_lists_cost_the_same_for_1_and_20_rows(
        self, merchant_client: MerchantClient, northwind: Merchant, ada: Vendor, path: str
    ) -> None:
        rows.create_payment(northwind, shares=((ada, 60, 6),))
        merchant_client.get(SHARES + path)
        with statements() as one:
            assert len(good(merchant_client.get(SHARES + path), 200)["data"]) == 1
        for _ in range(19):
            rows.create_payment(northwind, shares=((ada, 60, 6),))
        with statements() as twenty:
            assert len(good(merchant_client.get(SHARES + path), 200)["data"]) == 20
        assert len(one) == len(twenty) == 2, "\n".join(twenty.sent)
