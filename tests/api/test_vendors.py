import pytest

from ledger import clock, journal
from ledger.chart import Code, account
from ledger.ids import uuid7
from ledger.journal import EntryDraft, credit, debit
from ledger.locks import phase
from ledger.money import Money
from tests.factories import vendors as factory
from tests.kit.api_cases import (
    AnonymousIsRefused,
    IdempotentReplay,
    OtherTenantIsHidden,
    WrongScopeIsRefused,
    code_of,
)
from tests.kit.queries import statement_budget
from vendors.models import CommissionRule, Vendor

VENDORS = "/api/v1/vendors/"
PAYOUT = {"holder": "Ada Lovelace", "iban": "DE89 3704 0044 0532 0130 00", "country": "DE"}
BODY = {
    "external_id": "seller-17",
    "name": "Ada's Books",
    "category": "books",
    "payout_destination": PAYOUT,
    "commission": {"rate_bps": 1250, "fixed_minor": 30, "currency": "EUR"},
    "metadata": {"tier": "gold"},
}


class TestCreate(AnonymousIsRefused, WrongScopeIsRefused, IdempotentReplay):
    refused_scopes = ["vendors:read"]

    def request_of(self, client, **options):
        return client.post(VENDORS, BODY, **options)

    def effects(self):
        return Vendor.objects.count()

    def test_answers_with_the_vendor_and_the_end_of_the_account_only(self, northwind, merchant_client):
        response = merchant_client.post(VENDORS, BODY)
        ada = Vendor.objects.get(merchant=northwind)
        assert response.status_code == 201
        body = response.json()
        assert body.pop("created_at").endswith("Z")
        assert body == {
            "id": ada.public_id,
            "object": "vendor",
            "external_id": "seller-17",
            "name": "Ada's Books",
            "category": "books",
            "status": "active",
            "payout_destination": {"holder": "Ada Lovelace", "account_last4": "3000", "country": "DE"},
            "metadata": {"tier": "gold"},
        }
        assert ada.payout_destination["iban"] == "DE89370400440532013000"
        rule = CommissionRule.objects.get(vendor=ada)
        assert (rule.rate_bps, rule.fixed_minor, rule.currency) == (1250, 30, "EUR")

    def test_needs_neither_category_nor_commission_nor_metadata(self, northwind, merchant_client):
        body = {name: BODY[name] for name in ("external_id", "name", "payout_destination")}
        assert merchant_client.post(VENDORS, body).status_code == 201
        assert not CommissionRule.objects.filter(merchant=northwind).exists()

    @pytest.mark.parametrize(
        ("change", "param"),
        [
            ({"payout_destination": {**PAYOUT, "iban": "DE88370400440532013000"}}, "payout_destination.iban"),
            ({"payout_destination": {**PAYOUT, "country": "de"}}, "payout_destination.country"),
            ({"payout_destination": {"holder": "Ada"}}, "payout_destination.iban"),
            ({"commission": {"rate_bps": 10_001}}, "commission.rate_bps"),
            ({"commission": {"rate_bps": True}}, "commission.rate_bps"),
            ({"commission": {"rate_bps": 10, "currency": "XXX"}}, "commission.currency"),
            ({"name": " "}, "name"),
            ({"name": None}, "name"),
            ({"metadata": {"a": 1}}, "metadata"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, northwind, merchant_client, change, param):
        response = merchant_client.post(VENDORS, {**BODY, **change})
        assert code_of(response) == (400, "invalid_request")
        assert response.json()["param"] == param
        assert not Vendor.objects.filter(merchant=northwind).exists()

    @pytest.mark.parametrize("field", ["id", "state", "status", "merchant_id", "version", "created_at"])
    def test_refuses_fields_that_are_not_the_callers(self, northwind, merchant_client, field):
        response = merchant_client.post(VENDORS, {**BODY, field: "x"})
        assert (*code_of(response), response.json()["param"]) == (400, "unknown_field", field)
        assert not Vendor.objects.filter(merchant=northwind).exists()

    def test_refuses_an_external_id_twice_and_keeps_that_answer(self, merchant_client):
        merchant_client.post(VENDORS, BODY)
        refused = merchant_client.post(VENDORS, BODY, key="second-time")
        assert code_of(refused) == (409, "vendor_exists")
        again = merchant_client.post(VENDORS, BODY, key="second-time")
        assert again.content == refused.content
        assert again["Idempotency-Replayed"] == "true"

    def test_refuses_a_fixed_part_without_currency(self, merchant_client):
        response = merchant_client.post(VENDORS, {**BODY, "commission": {"rate_bps": 1, "fixed_minor": 30}})
        assert code_of(response) == (422, "commission_invalid")


class TestRetrieve(AnonymousIsRefused, WrongScopeIsRefused, OtherTenantIsHidden):
    refused_scopes = ["vendors:write"]

    @pytest.fixture(autouse=True)
    def vendor(self, db, ada):
        self.ada = ada

    def request_of(self, client, **options):
        return client.get(f"{VENDORS}{self.ada.public_id}")

    def test_shows_the_vendor(self, merchant_client):
        body = self.request_of(merchant_client).json()
        assert (body["id"], body["name"], body["status"]) == (self.ada.public_id, "Ada", "active")

    @pytest.mark.parametrize("name", ["vnd_x", "vnd_" + "z" * 26, "pay_" + "0" * 26, "1", "%00", "vnd_é"])
    def test_does_not_find_what_is_no_id(self, merchant_client, name):
        assert code_of(merchant_client.get(f"{VENDORS}{name}")) == (404, "vendor_not_found")

    def test_answers_alike_for_a_foreign_and_for_an_unknown_id(self, merchant_client):
        foreign = factory.create_vendor(factory.create_merchant("Southwind"))
        unknown = "vnd_0" + "1" * 25
        answers = [merchant_client.get(f"{VENDORS}{name}").json() for name in (foreign.public_id, unknown)]
        for answer in answers:
            answer.pop("request_id")
        assert answers[0] == answers[1]


@pytest.mark.django_db
class TestList:
    def test_shows_the_merchants_vendors_newest_first(self, merchant_client, ada, bruno):
        factory.create_vendor(factory.create_merchant("Southwind"))
        with statement_budget(2):
            page = merchant_client.get(VENDORS).json()
        assert [row["name"] for row in page["data"]] == ["Bruno", "Ada"]
        assert (page["object"], page["has_more"], page["next"]) == ("list", False, None)


class TestBalance(AnonymousIsRefused, WrongScopeIsRefused, OtherTenantIsHidden):
    @pytest.fixture(autouse=True)
    def vendor(self, db, ada):
        self.ada = ada

    def request_of(self, client, **options):
        return client.get(f"{VENDORS}{self.ada.public_id}/balance")

    def test_is_empty_before_the_first_sale(self, merchant_client):
        assert self.request_of(merchant_client).json() == {
            "object": "vendor_balance",
            "vendor_id": self.ada.public_id,
            "balances": [],
        }

    def test_counts_what_the_vendor_is_owed_as_people_do(self, northwind, merchant_client):
        owner, sold = str(self.ada.pk), Money(900, "USD")
        legs = [
            debit(account(Code.PROVIDER_CLEARING, northwind.pk, "USD", "velocitypay"), sold, "clearing"),
            credit(account(Code.VENDOR_PENDING, northwind.pk, "USD", owner), sold, "sale"),
        ]
        with phase():
            journal.post(
                [
                    EntryDraft(
                        merchant_id=northwind.pk,
                        kind="capture",
                        source_type="payment",
                        source_id=uuid7(),
                        step="capture:1",
                        occurred_at=clock.now(),
                        legs=legs,
                    )
                ]
            )
        assert self.request_of(merchant_client).json()["balances"] == [
            {"currency": "USD", "pending": 900, "available": 0, "receivable": 0}
        ]
