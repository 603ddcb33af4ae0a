"""Controller 10 as a merchant's server sees it: settle, pay, look."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ledger import clock
from ledger.actors import SYSTEM
from ledger.ids import uuid7
from ledger.money import Money
from settlements.models import Payout, SettlementBatch
from settlements.services import batching
from tests.factories import settlements as make
from tests.factories import vendors as who
from tests.kit import settling
from tests.kit.api_cases import (
    AnonymousIsRefused,
    IdempotentReplay,
    OtherTenantIsHidden,
    WrongScopeIsRefused,
    code_of,
)
from tests.kit.api_client import MerchantClient

pytestmark = pytest.mark.django_db
SETTLEMENTS = "/api/v1/settlements/"


def closed(vendor, amount=10_000, currency="EUR"):
    make.sell(vendor, Money(amount, currency))
    return batching.settle(
        merchant_id=vendor.merchant_id,
        vendor_id=vendor.pk,
        currency=currency,
        batch_id=uuid7(),
        actor=SYSTEM,
        at=clock.now(),
    )


class TestCreate(AnonymousIsRefused, WrongScopeIsRefused, OtherTenantIsHidden, IdempotentReplay):
    refused_scopes = ["settlements:read"]

    @pytest.fixture(autouse=True)
    def _sales(self, ada):
        make.sell(ada, Money(10_000, "EUR"), Money(5_000, "EUR"))
        self.vendor_id = ada.public_id

    def request_of(self, client, **options):
        return client.post(SETTLEMENTS, {"vendor_id": self.vendor_id, "currency": "EUR"}, **options)

    def effects(self):
        return SettlementBatch.objects.count()

    def test_answers_with_the_reckoning(self, merchant_client, ada):
        response = self.request_of(merchant_client)
        batch = SettlementBatch.objects.get(vendor=ada)
        assert response.status_code == 201
        body = response.json()
        assert body.pop("created_at").endswith("Z")
        assert body == {
            "id": batch.public_id,
            "object": "settlement",
            "number": batch.number,
            "status": "closed",
            "vendor_id": ada.public_id,
            "business_date": clock.business_date(clock.now()).isoformat(),
            "sequence": 1,
            "gross": {"amount": 15_000, "currency": "EUR"},
            "commission": {"amount": 1_500, "currency": "EUR"},
            "refunds": {"amount": 0, "currency": "EUR"},
            "other": {"amount": 0, "currency": "EUR"},
            "recovered": {"amount": 0, "currency": "EUR"},
            "net": {"amount": 13_500, "currency": "EUR"},
            "items": 4,
            "payout": None,
            "paid_at": None,
        }

    def test_says_that_nothing_is_due_the_second_time(self, merchant_client):
        assert self.request_of(merchant_client).status_code == 201
        assert code_of(self.request_of(merchant_client)) == (409, "nothing_to_settle")
        assert self.effects() >= 1

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"currency": "eur"}, (400, "invalid_request")),
            ({"currency": None}, (400, "invalid_request")),
            ({"vendor_id": "vnd_nobody"}, (400, "invalid_request")),
            ({"business_date": "2026-02-30"}, (400, "invalid_request")),
            ({"business_date": 20260302}, (400, "invalid_request")),
            ({"colour": "red"}, (400, "unknown_field")),
            ({"business_date": (clock.now() + timedelta(days=2)).date().isoformat()},
             (422, "business_date_in_future")),
        ],
    )  # fmt: skip
    def test_refuses_what_cannot_be(self, merchant_client, change, expected):
        made = self.effects()
        body = {"vendor_id": self.vendor_id, "currency": "EUR", **change}
        assert code_of(merchant_client.post(SETTLEMENTS, body)) == expected
        assert self.effects() == made


class TestProcess(AnonymousIsRefused, WrongScopeIsRefused, OtherTenantIsHidden, IdempotentReplay):
    refused_scopes = ["settlements:read"]

    @pytest.fixture(autouse=True)
    def _batch(self, ada, network):
        self.batch = closed(ada)

    def request_of(self, client, **options):
        return client.post(f"{SETTLEMENTS}{self.batch.public_id}/process", {}, **options)

    def effects(self):
        return Payout.objects.count()

    def test_pays_and_shows_the_payout(self, merchant_client):
        response = self.request_of(merchant_client)
        payout = Payout.objects.get(batch=self.batch)
        body = response.json()
        assert (response.status_code, body["status"]) == (200, "paid")
        assert body["payout"]["id"] == payout.public_id
        assert body["payout"]["account_last4"] == "3000"
        assert body["payout"]["amount"] == {"amount": 9_000, "currency": "EUR"}
        assert who.DESTINATION["iban"] not in response.content.decode()

    def test_a_refused_payout_is_402_and_payable_again(self, merchant_client, ada):
        settling.send_to(ada, "bank_closed")
        response = self.request_of(merchant_client)
        assert code_of(response) == (402, "payout_failed")
        assert response.json()["settlement"]["status"] == "closed"
        settling.send_to(ada, "bank_ok")
        assert self.request_of(merchant_client).status_code == 200

    def test_an_outcome_that_is_not_known_is_202(self, merchant_client, ada):
        settling.send_to(ada, "bank_lost_answer")
        response = self.request_of(merchant_client)
        assert (response.status_code, response.json()["status"]) == (202, "paying")

    def test_what_is_paid_is_not_paid_again(self, merchant_client):
        self.request_of(merchant_client)
        assert code_of(self.request_of(merchant_client)) == (409, "state_conflict")

    @pytest.mark.parametrize("id", ["set_", "set_0000000000000000000000000z", "po_1", "x"])
    def test_an_id_that_names_nothing_is_404(self, merchant_client, id):
        path = f"{SETTLEMENTS}{id}/process"
        assert code_of(merchant_client.post(path, {})) == (404, "settlement_not_found")


class TestReading:
    def test_lists_a_vendors_settlements_newest_first(self, merchant_client, ada, bruno):
        first, second = closed(ada), closed(ada, 500)
        closed(bruno)
        body = merchant_client.get(f"{SETTLEMENTS}vendor/{ada.public_id}").json()
        assert [row["id"] for row in body["data"]] == [second.public_id, first.public_id]
        assert merchant_client.get(f"{SETTLEMENTS}{first.public_id}").json() == body["data"][1]

    def test_lists_what_is_due(self, merchant_client, ada, bruno, network):
        due, paid = closed(ada), closed(bruno)
        settling.pay(paid, clock.now())
        body = merchant_client.get(f"{SETTLEMENTS}due-for-payment").json()
        assert [row["id"] for row in body["data"]] == [due.public_id]

    def test_costs_the_same_for_one_and_for_many(self, merchant_client, ada):
        counts = []
        for _ in range(2):
            closed(ada)
            with CaptureQueriesContext(connection) as queries:
                merchant_client.get(f"{SETTLEMENTS}due-for-payment")
            counts.append(len(queries))
            for _ in range(5):
                closed(ada)
        assert counts[0] == counts[1]

    def test_previews_a_commission(self, merchant_client, ada):
        query = f"vendor_id={ada.public_id}&amount=1999&currency=USD"
        body = merchant_client.get(f"{SETTLEMENTS}calculate-commission?{query}").json()
        assert (body["commission"]["amount"], body["net"]["amount"], body["rate_bps"]) == (200, 1_799, 1_000)

    @pytest.mark.parametrize(
        "query",
        ["", "amount=-1", "amount=0", "amount=1.5", "amount=1e3", "amount=9999999999999", "amount=1&x=1"],
    )
    def test_refuses_a_preview_that_cannot_be(self, merchant_client, ada, query):
        path = f"{SETTLEMENTS}calculate-commission?vendor_id={ada.public_id}&currency=USD&{query}"
        assert merchant_client.get(path).status_code == 400

    def test_shows_where_a_vendors_money_is(self, merchant_client, ada, network):
        settling.pay(closed(ada), clock.now())
        last = closed(ada, 1_000)
        make.sell(ada, Money(700, "EUR"))
        body = merchant_client.get(f"{SETTLEMENTS}vendor/{ada.public_id}/settlement-info").json()
        (euros,) = body["currencies"]
        assert euros["open"]["net"]["amount"] == 630
        assert (euros["available"]["amount"], euros["in_transit"]["amount"]) == (900, 9_000)
        assert (euros["paid"]["amount"], euros["receivable"]["amount"]) == (0, 0)
        assert euros["last_settlement_id"] == last.public_id

    @pytest.mark.parametrize(
        "path",
        [
            "vendor/{vendor}",
            "vendor/{vendor}/settlement-info",
            "{settlement}",
            "calculate-commission?{query}",
        ],
    )
    def test_another_merchant_sees_nothing(self, ada, path):
        batch = closed(ada)
        southwind = MerchantClient(who.create_api_key(who.create_merchant("Southwind"))[1])
        query = f"vendor_id={ada.public_id}&amount=1&currency=USD"
        path = path.format(vendor=ada.public_id, settlement=batch.public_id, query=query)
        response = southwind.get(f"{SETTLEMENTS}{path}")
        assert response.status_code == 404
