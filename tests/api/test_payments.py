"""Controller 1: payments from creation to completion over HTTP, with the sandbox network behind it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse

from ledger import clock
from ledger.ids import parse
from ledger.models import Event, JournalEntry
from payments.models import Payment, PaymentTransaction, ProviderOperation
from payments.services.calls import operations, recovering
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
from tests.kit.bad_input import BAD_AMOUNTS, BAD_BODIES, BAD_CURRENCIES
from tests.kit.shop import CORE, Shop, good, run_jobs, split
from vendors.models import IdempotencyKey, Merchant, Vendor

pytestmark = pytest.mark.django_db


def count_rows(merchant: Merchant) -> tuple[int, ...]:
    """Count everything that a payment request could write for a merchant."""
    tables = (Payment, PaymentTransaction, ProviderOperation, Event, JournalEntry, IdempotencyKey)
    return tuple(table.objects.filter(merchant_id=merchant.pk).count() for table in tables)


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it, nothing is cleaned up."""


def killed(*_: Any, **__: Any) -> None:
    raise Killed


class TestCreate:
    def test_makes_a_payment_with_its_split_and_commission(
        self, shop: Shop, ada: Vendor, bruno: Vendor
    ) -> None:
        made = shop.created(
            amount=10_000, vendor_split=split((ada, 6_000), (bruno, 3_000)), metadata={"basket": "7"}
        )
        assert made["status"] == "pending"
        assert made["id"].startswith("pay_")
        assert made["number"].startswith("PAY-")
        assert made["metadata"] == {"basket": "7"}
        assert [
            (line["amount"]["amount"], line["commission"]["amount"]) for line in made["vendor_split"]
        ] == [
            (6_000, 600),
            (3_000, 375),
        ]
        assert shop.payment(made["id"]) == made

    def test_confirms_in_the_same_request(self, shop: Shop) -> None:
        made = good(shop.client.post(CORE, shop.body(confirm=True)), 201)
        assert made["status"] == "authorized"
        assert made["payment_method"] == {"id": None, "type": "card", "brand": "visa", "last4": "4242"}

    def test_captures_in_the_same_request_when_asked_to(self, shop: Shop) -> None:
        made = good(shop.client.post(CORE, shop.body(confirm=True, capture_method="automatic")), 201)
        assert (made["status"], made["captured"]["amount"]) == ("captured", 10_000)
        assert shop.payment(made["id"]) == made

    def test_sends_the_customer_to_act_and_is_paid_after_that(self, shop: Shop) -> None:
        body = shop.body(
            "challenge", confirm=True, capture_method="automatic", return_url="https://shop.example/back"
        )
        made = good(shop.client.post(CORE, body), 201)
        assert made["status"] == "requires_action"
        action = made["next_action"]
        assert (action["type"], action["return_url"]) == ("redirect_to_url", "https://shop.example/back")
        listed = good(shop.client.get(f"{CORE}status/requires_action"), 200)["data"]
        assert [row["id"] for row in listed] == [made["id"]]
        assert shop.network.act(action["url"]).headers["location"] == "https://shop.example/back"
        recovering.sweep(clock.now() + timedelta(seconds=60))
        paid = shop.payment(made["id"])
        assert (paid["status"], paid["next_action"]) == ("captured", None)
        assert paid["authentication"] == {
            "result": "authenticated", "liability_shift": "issuer", "exemption": None,
        }  # fmt: skip

    def test_pays_and_captures_on_a_date(self, shop: Shop) -> None:
        at = clock.now()
        later, then = ((at + timedelta(days=days)).isoformat() for days in (2, 3))
        body = shop.body(scheduled_date=later, capture_method="scheduled", capture_at=then)
        made = good(shop.client.post(CORE, body), 201)
        assert (made["status"], made["capture_method"]) == ("pending", "scheduled")
        assert made["scheduled_date"][:19] == later[:19]
        run_jobs(2 * 86_400 + 1)
        assert shop.payment(made["id"])["status"] == "authorized"
        run_jobs(3 * 86_400 + 1)
        assert shop.payment(made["id"])["status"] == "captured"

    def test_names_the_date_that_cannot_be_kept(self, shop: Shop, northwind: Merchant) -> None:
        body = shop.body(scheduled_date="2026-01-01T00:00:00Z")
        assert problem(shop.client.post(CORE, body), 422, "date_invalid")["param"] == "scheduled_date"
        body = shop.body(capture_at=(clock.now() + timedelta(days=1)).isoformat())
        assert problem(shop.client.post(CORE, body), 422, "date_invalid")["param"] == "capture_at"
        assert not Payment.objects.filter(merchant=northwind).exists()

    def test_raises_an_authorization(self, shop: Shop) -> None:
        made = shop.authorized()
        more = good(shop.client.put(f"{CORE}{made['id']}/increase", {"amount": 500}), 200)
        assert (more["amount"]["amount"], more["authorized"]["amount"]) == (10_500, 10_500)
        no = shop.authorized("increment_declined")
        response = shop.client.put(f"{CORE}{no['id']}/increase", {"amount": 500})
        assert problem(response, 402, "payment_declined")["payment"]["authorized"]["amount"] == 10_000

    def test_answers_a_decline_with_402_and_the_payment(self, shop: Shop) -> None:
        response = shop.client.post(CORE, shop.body("insufficient_funds", confirm=True))
        body = problem(response, 402, "payment_declined")
        assert body["decline_code"] == "insufficient_funds"
        assert body["payment"]["status"] == "failed"
        assert body["payment"]["decline"]["retry_later"] is True
        assert body["advice"]

    def test_answers_202_while_the_outcome_is_not_known(self, shop: Shop) -> None:
        made = good(shop.client.post(CORE, shop.body("late", confirm=True)), 202)
        assert made["status"] == "processing"
        recovering.sweep(clock.now() + timedelta(seconds=60))
        assert shop.payment(made["id"])["status"] == "authorized"

    @pytest.mark.parametrize(("currency", "minor"), [("JPY", 500), ("KWD", 1_234), ("EUR", 1)])
    def test_takes_any_currency_in_its_own_minor_unit(self, shop: Shop, currency: str, minor: int) -> None:
        made = shop.captured(amount=minor, currency=currency)
        assert made["captured"] == {"amount": minor, "currency": currency}
        truth = shop.network.truth(reference=made["id"])
        assert {(row["amount"], row["currency"]) for row in truth} == {(minor, currency)}

    def test_refuses_a_merchant_reference_used_before(self, shop: Shop) -> None:
        shop.created(merchant_reference="m-1")
        response = shop.client.post(CORE, shop.body(merchant_reference="m-1"))
        problem(response, 409, "merchant_reference_taken")

    def test_refuses_a_split_larger_than_the_payment(
        self, shop: Shop, northwind: Merchant, ada: Vendor
    ) -> None:
        body = shop.body(vendor_split=split((ada, 10_001)))
        problem(shop.client.post(CORE, body), 422, "vendor_split_too_large")
        assert not Payment.objects.filter(merchant=northwind).exists()

    def test_refuses_another_merchants_vendor_like_one_that_is_not_there(self, shop: Shop) -> None:
        stranger = factory.create_vendor(factory.create_merchant("Southwind"), "Sven")
        answers = []
        for vendor_id in (stranger.public_id, "vnd_01kagm0xj7f0w9r7s5m3d2k8ha"):
            body = shop.body(vendor_split=[{"vendor_id": vendor_id, "amount": 1}])
            answers.append(problem(shop.client.post(CORE, body), 404, "vendor_not_found"))
        for answer in answers:
            answer.pop("request_id")
        assert answers[0] == answers[1]


class TestCreateRefusals:
    @pytest.mark.parametrize("name", BAD_BODIES)
    def test_refuses_what_is_not_strict_json(
        self, merchant_client: MerchantClient, northwind: Merchant, name: str
    ) -> None:
        before = count_rows(northwind)
        response = merchant_client.post(CORE, BAD_BODIES[name])
        assert response.status_code == 400, response.content
        assert response.json()["code"]
        assert count_rows(northwind) == before

    @pytest.mark.parametrize("amount", BAD_AMOUNTS)
    @pytest.mark.parametrize("place", ["amount", "vendor_split"])
    def test_refuses_amounts_that_are_none(
        self, merchant_client: MerchantClient, northwind: Merchant, ada: Vendor, place: str, amount: str
    ) -> None:
        body = (
            _body(vendor_split=split((ada, 111_111)))
            if place == "vendor_split"
            else _body(amount_minor=111_111)
        )
        before = count_rows(northwind)
        response = merchant_client.post(CORE, json.dumps(body).replace("111111", amount).encode())
        assert response.status_code == 400, response.content
        assert response.json()["param"].startswith(place)
        assert count_rows(northwind) == before

    @pytest.mark.parametrize("currency", BAD_CURRENCIES)
    def test_refuses_currencies_that_are_none(
        self, merchant_client: MerchantClient, northwind: Merchant, currency: str
    ) -> None:
        before = count_rows(northwind)
        response = merchant_client.post(CORE, json.dumps(_body()).replace('"USD"', currency).encode())
        assert response.status_code == 400, response.content
        assert response.json()["param"] == "amount.currency"
        assert count_rows(northwind) == before

    @pytest.mark.parametrize(
        "change",
        [
            {"status": "captured"}, {"merchant_id": "mer_1"}, {"id": "pay_1"}, {"captured_minor": 1},
            {"order_id": ""}, {"order_id": "x" * 101}, {"order_id": 7}, {"customer_id": None},
            {"metadata": {"k": 1}}, {"metadata": {f"k{n}": "v" for n in range(51)}}, {"confirm": "yes"},
            {"vendor_split": {}}, {"vendor_split": [{"vendor_id": "ven_1", "amount": 1}]},
            {"payment_method": {"type": "cash", "token": "t"}}, {"payment_method": {"type": "card"}},
            {"capture_method": "later"},
            {"return_url": "javascript:alert(1)"}, {"return_url": "http://shop.example"},
            {"exemption": "mine"}, {"scheduled_date": "tomorrow"}, {"capture_at": 7},
            {"customer": {"ip": "nowhere"}}, {"customer": {"country": "us"}},
        ],
        ids=str,
    )  # fmt: skip
    def test_refuses_fields_that_are_unknown_or_wrong(
        self, merchant_client: MerchantClient, northwind: Merchant, change: dict[str, Any]
    ) -> None:
        before = count_rows(northwind)
        response = merchant_client.post(CORE, {**_body(), **change})
        assert response.status_code == 400, response.content
        assert response.json()["param"]
        assert count_rows(northwind) == before

    def test_refuses_another_media_type(self, merchant_client: MerchantClient) -> None:
        response = merchant_client.send(
            "POST", CORE, b"a=1", Content_Type="application/x-www-form-urlencoded"
        )
        problem(response, 415, "unsupported_media_type")

    def test_refuses_the_same_key_for_another_body(self, shop: Shop) -> None:
        body = shop.body()
        good(shop.client.post(CORE, body, key="key-number-1"), 201)
        response = shop.client.post(CORE, {**body, "order_id": "another"}, key="key-number-1")
        problem(response, 422, "idempotency_key_reused")

    @pytest.mark.parametrize("key", ["short", "x" * 256, "with space", "schlüssel-1"])
    def test_refuses_a_malformed_key(self, merchant_client: MerchantClient, key: str) -> None:
        problem(merchant_client.post(CORE, _body(), key=key), 400, "idempotency_key_malformed")


class TestRules(AnonymousIsRefused, WrongScopeIsRefused, IdempotentReplay):
    refused_scopes = ["payments:read", "refunds:write"]

    @pytest.fixture(autouse=True)
    def _on_the_network(self, network: Any, northwind: Merchant) -> None:
        self.northwind = northwind

    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return client.post(CORE, _body(), **options)

    def effects(self) -> int:
        return Payment.objects.filter(merchant=self.northwind).count()


class TestForeignPayment(OtherTenantIsHidden):
    @pytest.fixture(autouse=True)
    def _payment(self, northwind: Merchant) -> None:
        self.payment = rows.create_payment(northwind)

    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return client.get(f"{CORE}{self.payment.public_id}")


class TestAuthorizeAndCapture:
    def test_moves_no_money_before_the_capture(self, shop: Shop) -> None:
        paid = shop.authorized()
        assert (paid["status"], paid["captured"]["amount"], paid["authorized"]["amount"]) == (
            "authorized",
            0,
            10_000,
        )

    def test_captures_in_parts(self, shop: Shop, ada: Vendor) -> None:
        paid = shop.authorized(vendor_split=split((ada, 6_000)))
        first = good(shop.client.put(f"{CORE}{paid['id']}/capture", {"amount": 1_000}), 200)
        assert (first["status"], first["captured"]["amount"]) == ("partly_captured", 1_000)
        rest = good(shop.client.put(f"{CORE}{paid['id']}/capture"), 200)
        assert (rest["status"], rest["captured"]["amount"]) == ("captured", 10_000)

    def test_gives_the_rest_up_with_a_final_capture(self, shop: Shop) -> None:
        paid = shop.authorized()
        done = good(shop.client.put(f"{CORE}{paid['id']}/capture", {"amount": 1_000, "final": True}), 200)
        assert (done["status"], done["captured"]["amount"]) == ("captured", 1_000)

    def test_refuses_more_than_is_authorized(self, shop: Shop) -> None:
        paid = shop.authorized()
        response = shop.client.put(f"{CORE}{paid['id']}/capture", {"amount": 10_001})
        problem(response, 422, "capture_too_large")
        assert shop.network.truth(reference=paid["id"], kind="capture") == []

    @pytest.mark.parametrize("amount", BAD_AMOUNTS)
    def test_refuses_amounts_that_are_none(self, shop: Shop, northwind: Merchant, amount: str) -> None:
        paid = rows.authorize_payment(rows.create_payment(northwind))
        before = count_rows(northwind)
        raw = b'{"amount": ' + amount.encode() + b"}"
        assert shop.client.put(f"{CORE}{paid.public_id}/capture", raw).status_code == 400
        assert count_rows(northwind) == before

    def test_answers_a_refused_capture_with_402(self, shop: Shop) -> None:
        paid = shop.authorized("capture_declined")
        body = problem(shop.client.put(f"{CORE}{paid['id']}/capture"), 402, "payment_declined")
        assert body["payment"]["status"] == "authorized"
        assert body["payment"]["captured"]["amount"] == 0

    def test_answers_202_while_a_capture_is_not_known(self, shop: Shop) -> None:
        paid = shop.authorized("capture_late")
        body = good(shop.client.put(f"{CORE}{paid['id']}/capture"), 202)
        assert body["status"] == "processing"
        recovering.sweep(clock.now() + timedelta(seconds=60))
        assert shop.payment(paid["id"])["status"] == "captured"

    @pytest.mark.parametrize(
        ("card", "status", "taken"), [("visa", 200, 10_000), ("capture_declined", 402, 0)]
    )
    def test_answers_by_its_own_outcome_when_it_is_run_again(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch, card: str, status: int, taken: int
    ) -> None:
        """Killed between the call and its conclusion; the recovery concludes, then the sender comes back."""
        path = f"{CORE}{shop.authorized(card)['id']}/capture"
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(operations, "conclude", killed)
            shop.client.put(path, key="capture-1")
        recovering.sweep(clock.now() + timedelta(seconds=60))
        IdempotencyKey.objects.filter(key="capture-1").update(locked_until=clock.now())
        again = shop.client.put(path, key="capture-1")
        assert again.status_code == status
        shown = again.json() if status == 200 else again.json()["payment"]
        assert shown["captured"]["amount"] == taken

    def test_repeats_the_answer_to_a_repeated_capture(self, shop: Shop) -> None:
        paid = shop.authorized()
        path = f"{CORE}{paid['id']}/capture"
        first, again = (shop.client.put(path, {"amount": 600}, key="capture-key-1") for _ in range(2))
        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert again["Idempotency-Replayed"] == "true"
        assert shop.payment(paid["id"])["captured"]["amount"] == 600

    def test_refuses_to_authorize_twice(self, shop: Shop) -> None:
        paid = shop.authorized()
        problem(shop.client.put(f"{CORE}{paid['id']}/authorize"), 409, "state_conflict")

    def test_refuses_to_capture_before_the_authorization(self, shop: Shop) -> None:
        made = shop.created()
        problem(shop.client.put(f"{CORE}{made['id']}/capture"), 409, "state_conflict")


class TestEnds:
    def test_completes_a_captured_payment(self, shop: Shop) -> None:
        paid = shop.captured()
        assert good(shop.client.put(f"{CORE}{paid['id']}/complete"), 200)["status"] == "completed"

    def test_refuses_to_complete_one_that_is_not_captured(self, shop: Shop) -> None:
        problem(shop.client.put(f"{CORE}{shop.authorized()['id']}/complete"), 409, "state_conflict")

    def test_fails_one_that_was_not_authorized_with_its_reason(self, shop: Shop, ada: Vendor) -> None:
        made = shop.created(vendor_split=split((ada, 100)))
        done = good(shop.client.put(f"{CORE}{made['id']}/fail", {"reason": "left the checkout"}), 200)
        assert (done["status"], done["reason"]) == ("failed", "left the checkout")
        assert done["vendor_split"][0]["status"] == "failed"

    def test_wants_a_reason_to_fail(self, shop: Shop) -> None:
        response = shop.client.put(f"{CORE}{shop.created()['id']}/fail", {})
        assert problem(response, 400, "invalid_request")["param"] == "reason"

    def test_refuses_to_fail_an_authorized_one(self, shop: Shop) -> None:
        path = f"{CORE}{shop.authorized()['id']}/fail"
        problem(shop.client.put(path, {"reason": "no"}), 409, "state_conflict")

    def test_cancels_by_a_void_at_the_network(self, shop: Shop) -> None:
        paid = shop.authorized()
        done = good(shop.client.put(f"{CORE}{paid['id']}/cancel", {"reason": "out of stock"}), 200)
        assert (done["status"], done["reason"]) == ("cancelled", "out of stock")
        voids = shop.network.truth(kind="void", reference=_operation_id(paid, "void"))
        assert [row["amount"] for row in voids] == [10_000]

    def test_refuses_to_cancel_a_captured_one(self, shop: Shop) -> None:
        problem(shop.client.put(f"{CORE}{shop.captured()['id']}/cancel"), 409, "state_conflict")


def _body(*, amount_minor: int = 10_000, **more: Any) -> dict[str, Any]:
    return {
        "amount": {"amount": amount_minor, "currency": "USD"},
        "order_id": "order-1",
        "customer_id": "carla",
        "payment_method": {"type": "card", "token": "vpt_of_nobody"},
        **more,
    }


def _operation_id(paid: dict[str, Any], kind: str) -> str:
    operation = ProviderOperation.objects.get(payment_id=parse("pay", paid["id"]), kind=kind)
    return operation.public_id
