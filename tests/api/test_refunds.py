"""Controller 4: refunds asked for, processed, completed, given up and read over HTTP."""

from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse

from ledger import clock
from ledger.actors import SYSTEM
from ledger.ids import parse, uuid7
from payments.models import Payment, ProviderOperation, Refund
from payments.services.calls import recovering
from payments.services.refunds import requesting_refunds
from payments.services.refunds.requesting_refunds import RefundWish
from payments.states import REFUND_STATUSES
from tests.factories import payments as rows
from tests.kit.api_cases import (
    AnonymousIsRefused,
    IdempotentReplay,
    OtherTenantIsHidden,
    WrongScopeIsRefused,
    problem,
)
from tests.kit.api_client import MerchantClient
from tests.kit.bad_input import BAD_AMOUNTS, BAD_BODIES
from tests.kit.queries import statements
from tests.kit.shop import REFUNDS, Shop, good, split
from vendors.models import Merchant, Vendor

pytestmark = pytest.mark.django_db


class TestCreate:
    def test_reserves_and_is_approved_within_the_limit(self, shop: Shop, ada: Vendor, bruno: Vendor) -> None:
        paid = shop.captured(vendor_split=split((ada, 6_000), (bruno, 3_000)))
        made = shop.refund_asked(paid, amount=1_000, reason="torn", metadata={"ticket": "9"})
        assert (made["status"], made["reason"], made["metadata"]) == ("approved", "torn", {"ticket": "9"})
        assert [line["amount"]["amount"] for line in made["vendor_split"]] == [600, 300]
        assert shop.payment(paid["id"])["refundable"]["amount"] == 9_000
        assert shop.refund(made["id"]) == made

    def test_follows_a_split(self, shop: Shop, ada: Vendor, bruno: Vendor) -> None:
        paid = shop.captured(vendor_split=split((ada, 6_000), (bruno, 3_000)))
        share = paid["vendor_split"][1]["id"]
        made = shop.refund_asked(
            paid, amount=2_000, vendor_split=[{"transaction_id": share, "amount": 1_500}]
        )
        assert [(line["transaction_id"], line["amount"]["amount"]) for line in made["vendor_split"]] == [
            (share, 1_500)
        ]

    @pytest.mark.parametrize(("amount", "parts"), [(100, [101]), (10_000, [6_001]), (5_001, [1_000])])
    def test_refuses_a_split_that_does_not_add_up(
        self, shop: Shop, ada: Vendor, amount: int, parts: list[int]
    ) -> None:
        paid = shop.captured(vendor_split=split((ada, 6_000)))
        share = paid["vendor_split"][0]["id"]
        body = {
            "payment_id": paid["id"],
            "amount": amount,
            "vendor_split": [{"transaction_id": share, "amount": part} for part in parts],
        }
        problem(shop.client.post(REFUNDS, body), 422, "refund_split_invalid")
        assert shop.payment(paid["id"])["refundable"]["amount"] == 10_000

    def test_refuses_a_share_named_twice(self, shop: Shop, ada: Vendor) -> None:
        paid = shop.captured(vendor_split=split((ada, 6_000)))
        line = {"transaction_id": paid["vendor_split"][0]["id"], "amount": 1}
        body = {"payment_id": paid["id"], "amount": 2, "vendor_split": [line, line]}
        assert problem(shop.client.post(REFUNDS, body), 400, "invalid_request")["param"] == "vendor_split"

    def test_refuses_more_than_is_left(self, shop: Shop) -> None:
        paid = shop.captured()
        shop.refund_asked(paid, amount=9_999)
        body = {"payment_id": paid["id"], "amount": 2}
        problem(shop.client.post(REFUNDS, body), 422, "refund_too_large")

    def test_refuses_a_merchant_reference_used_before(self, shop: Shop) -> None:
        paid = shop.captured()
        shop.refund_asked(paid, amount=1, merchant_reference="rma-1")
        body = {"payment_id": paid["id"], "amount": 1, "merchant_reference": "rma-1"}
        problem(shop.client.post(REFUNDS, body), 409, "merchant_reference_taken")
        assert shop.payment(paid["id"])["refundable"]["amount"] == 9_999

    def test_refuses_a_payment_that_is_not_captured(self, shop: Shop) -> None:
        body = {"payment_id": shop.authorized()["id"]}
        problem(shop.client.post(REFUNDS, body), 409, "payment_not_refundable")

    @pytest.mark.parametrize("name", BAD_BODIES)
    def test_refuses_what_is_not_strict_json(self, merchant_client: MerchantClient, name: str) -> None:
        assert merchant_client.post(REFUNDS, BAD_BODIES[name]).status_code == 400

    @pytest.mark.parametrize("amount", BAD_AMOUNTS)
    def test_refuses_amounts_that_are_none(
        self, merchant_client: MerchantClient, northwind: Merchant, amount: str
    ) -> None:
        paid = rows.captured_payment(northwind)
        raw = f'{{"payment_id": "{paid.public_id}", "amount": {amount}}}'
        assert merchant_client.post(REFUNDS, raw.encode()).status_code == 400
        assert not Refund.objects.filter(payment=paid).exists()

    @pytest.mark.parametrize(
        "change",
        [
            {"status": "completed"},
            {"currency": "EUR"},
            {"payment_id": "ref_1"},
            {"payment_id": 7},
            {"reason": 1},
        ],
        ids=str,
    )
    def test_refuses_fields_that_are_unknown_or_wrong(
        self, merchant_client: MerchantClient, northwind: Merchant, change: dict[str, Any]
    ) -> None:
        body = {"payment_id": rows.captured_payment(northwind).public_id, **change}
        response = merchant_client.post(REFUNDS, body)
        assert response.status_code == 400, response.content
        assert not Refund.objects.filter(merchant=northwind).exists()


class TestRules(AnonymousIsRefused, WrongScopeIsRefused, OtherTenantIsHidden, IdempotentReplay):
    refused_scopes = ["refunds:read", "payments:write"]

    @pytest.fixture(autouse=True)
    def _payment(self, northwind: Merchant) -> None:
        self.payment = rows.captured_payment(northwind)

    def request_of(self, client: MerchantClient, **options: Any) -> HttpResponse:
        return client.post(REFUNDS, {"payment_id": self.payment.public_id, "amount": 100}, **options)

    def effects(self) -> int:
        return Refund.objects.filter(payment=self.payment).count()


class TestProcess:
    def test_gives_the_money_back(self, shop: Shop, ada: Vendor) -> None:
        paid = shop.captured(vendor_split=split((ada, 6_000)))
        done = shop.refunded(paid, amount=5_000)
        assert done["status"] == "completed"
        assert done["provider_reference"]
        assert done["vendor_split"][0]["commission_back"]["amount"] == 300
        assert shop.payment(paid["id"])["refunded"]["amount"] == 5_000
        operation = ProviderOperation.objects.get(subject_id=parse("ref", done["id"]))
        truth = shop.network.truth(idempotency_key=operation.idempotency_key)
        assert [(row["amount"], row["currency"]) for row in truth] == [(5_000, "USD")]

    def test_repeats_its_answer_and_not_its_effect(self, shop: Shop) -> None:
        made = shop.refund_asked(shop.captured(), amount=500)
        path = f"{REFUNDS}{made['id']}/process"
        first, again = (shop.client.post(path, key="process-key-1") for _ in range(2))
        assert (first.status_code, first.content) == (again.status_code, again.content)
        problem(shop.client.post(path), 409, "state_conflict")
        assert shop.payment(made["payment_id"])["refunded"]["amount"] == 500

    def test_answers_a_refusal_of_the_network_with_402(self, shop: Shop) -> None:
        made = shop.refund_asked(shop.captured("refund_fails"))
        body = problem(shop.client.post(f"{REFUNDS}{made['id']}/process"), 402, "refund_declined")
        assert body["refund"]["status"] == "failed"
        assert body["decline_code"] == body["refund"]["failure"]["code"]
        assert shop.payment(made["payment_id"])["refundable"]["amount"] == 10_000

    def test_answers_202_while_the_outcome_is_not_known(self, shop: Shop) -> None:
        made = shop.refund_asked(shop.captured("refund_late"))
        assert good(shop.client.post(f"{REFUNDS}{made['id']}/process"), 202)["status"] == "processing"
        recovering.sweep(clock.now() + timedelta(seconds=60))
        assert shop.refund(made["id"])["status"] == "completed"

    def test_refuses_one_that_waits_for_a_second_person(self, shop: Shop, northwind: Merchant) -> None:
        northwind.refund_approval_above = {"USD": 99}
        northwind.save()
        made = shop.refund_asked(shop.captured(), amount=100)
        assert made["status"] == "requested"
        problem(shop.client.post(f"{REFUNDS}{made['id']}/process"), 409, "refund_awaits_approval")

    def test_wants_a_key(self, shop: Shop) -> None:
        made = shop.refund_asked(shop.captured())
        response = shop.client.post(f"{REFUNDS}{made['id']}/process", key=None)
        problem(response, 400, "idempotency_key_missing")


class TestCompleteAndFail:
    def test_complete_takes_the_networks_word_only(self, shop: Shop) -> None:
        made = shop.refund_asked(shop.captured("refund_late"))
        path = f"{REFUNDS}{made['id']}"
        problem(shop.client.post(f"{path}/complete"), 409, "refund_not_completed_at_provider")
        good(shop.client.post(f"{path}/process"), 202)
        assert good(shop.client.post(f"{path}/complete"), 200)["status"] == "completed"

    def test_fail_frees_what_was_reserved(self, shop: Shop) -> None:
        made = shop.refund_asked(shop.captured())
        done = good(shop.client.post(f"{REFUNDS}{made['id']}/fail", {"reason": "kept"}), 200)
        assert done["failure"] == {"code": "failed_by_merchant", "message": "kept"}
        assert shop.payment(made["payment_id"])["refundable"]["amount"] == 10_000

    def test_fail_refuses_a_completed_one(self, shop: Shop) -> None:
        done = shop.refunded(shop.captured())
        response = shop.client.post(f"{REFUNDS}{done['id']}/fail", {"reason": "changed my mind"})
        problem(response, 409, "refund_already_completed")


class TestAskAgain:
    def test_begins_anew_what_the_network_refused(self, shop: Shop) -> None:
        made = shop.refund_asked(shop.captured("refund_fails"), amount=1_000)
        problem(shop.client.post(f"{REFUNDS}{made['id']}/process", {}), 402, "refund_declined")
        path = f"{REFUNDS}{made['id']}/ask-again"
        assert problem(shop.client.post(path, {}), 400, "invalid_request")["param"] == "reason"
        answers = [shop.client.post(path, {"reason": "open again"}, key="again-0001") for _ in range(2)]
        again = good(answers[0], 200)
        assert (again["status"], again["tries"], again["failure"]) == ("approved", 2, None)
        assert answers[1].content == answers[0].content
        assert answers[1]["Idempotency-Replayed"] == "true"
        problem(shop.client.post(path, {"reason": "and again"}), 409, "refund_not_askable_again")

    def test_refuses_one_that_was_given_up(self, shop: Shop) -> None:
        made = shop.refund_asked(shop.captured(), amount=1_000)
        good(shop.client.post(f"{REFUNDS}{made['id']}/fail", {"reason": "kept"}), 200)
        refused = shop.client.post(f"{REFUNDS}{made['id']}/ask-again", {"reason": "no"})
        assert "given up" in problem(refused, 409, "refund_not_askable_again")["detail"]
        assert shop.refund(made["id"])["status"] == "failed"


class TestReads:
    def test_finds_refunds_in_every_way(self, shop: Shop) -> None:
        made = shop.refund_asked(shop.captured(), amount=100)
        assert good(shop.client.get(f"{REFUNDS}refund-number/{made['number']}"), 200) == made
        for path in (f"payment/{made['payment_id']}", f"order/{made['order_id']}/", "status/approved"):
            assert good(shop.client.get(REFUNDS + path), 200)["data"] == [made]

    @pytest.mark.parametrize(
        ("path", "code"),
        [
            ("ref_01kagm3c8qf3p8w0t5y5r4d2ne", "refund_not_found"),
            ("refund-number/REF-2026-999999", "refund_not_found"),
            ("payment/pay_01kagm3c8qf3p8w0t5y5r4d2ne", "payment_not_found"),
        ],
    )
    def test_does_not_find_what_is_not_there(self, shop: Shop, path: str, code: str) -> None:
        problem(shop.client.get(REFUNDS + path), 404, code)

    def test_names_the_statuses_when_one_is_unknown(self, shop: Shop) -> None:
        body = problem(shop.client.get(f"{REFUNDS}status/done"), 400, "invalid_request")
        assert all(status in body["detail"] for status in REFUND_STATUSES)

    def test_lists_cost_the_same_for_1_and_20_rows(
        self, merchant_client: MerchantClient, northwind: Merchant, ada: Vendor
    ) -> None:
        payment = rows.captured_payment(northwind, shares=((ada, 6_000, 600),))
        path = f"{REFUNDS}order/{payment.order_ref}"
        _ask(payment)
        merchant_client.get(path)
        with statements() as one:
            assert len(good(merchant_client.get(path), 200)["data"]) == 1
        for _ in range(19):
            _ask(payment)
        with statements() as twenty:
            assert len(good(merchant_client.get(path), 200)["data"]) == 20
        assert len(one) == len(twenty) == 3, "\n".join(twenty.sent)


def _ask(payment: Payment) -> None:
    requesting_refunds.request(
        merchant_id=payment.merchant_id,
        wish=RefundWish(refund_id=uuid7(), payment_id=payment.pk, amount_minor=100),
        actor=SYSTEM,
        at=clock.now(),
    )
