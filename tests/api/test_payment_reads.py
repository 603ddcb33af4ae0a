"""Controller 1: reading payments, page by page, and what each request costs in statements."""

from typing import Final

import pytest

from ledger import clock
from ledger.actors import SYSTEM
from payments.states import PAYMENT_STATUSES
from tests.factories import payments as rows
from tests.factories import vendors as people
from tests.kit.api_cases import problem
from tests.kit.api_client import MerchantClient
from tests.kit.queries import statements
from tests.kit.shop import CORE, Shop, good, split
from vendors.models import ApiKey, Merchant, Vendor
from vendors.services import keys

pytestmark = pytest.mark.django_db

# The statements of a request with two vendors' shares, its key's claim and answer among them.
HOT_COSTS: Final = {"create": 7, "authorize": 8, "capture": 9, "pay": 9}


class TestReads:
    def test_finds_a_payment_in_every_way(self, shop: Shop) -> None:
        paid = shop.authorized()
        for path in (paid["id"], f"number/{paid['number']}", f"transaction/{paid['provider_reference']}"):
            for form in (path, path + "/"):
                assert good(shop.client.get(CORE + form), 200) == paid
        for path in (f"order/{paid['order_id']}", f"customer/{paid['customer_id']}"):
            assert good(shop.client.get(CORE + path), 200) == {
                "object": "list", "data": [paid], "has_more": False, "next": None,
            }  # fmt: skip

    @pytest.mark.parametrize(
        "path", ["pay_01kagm3c8qf3p8w0t5y5r4d2ne", "number/PAY-2026-999999", "transaction/auth_none"]
    )
    def test_does_not_find_what_is_not_there(self, shop: Shop, path: str) -> None:
        problem(shop.client.get(CORE + path), 404, "payment_not_found")

    @pytest.mark.parametrize("path", ["order/none", "customer/none"])
    def test_lists_nothing_for_strangers(self, shop: Shop, path: str) -> None:
        assert good(shop.client.get(CORE + path), 200)["data"] == []

    def test_filters_by_the_public_status(self, shop: Shop) -> None:
        late = good(shop.client.post(CORE, shop.body("late", confirm=True)), 202)
        made, paid = shop.created(), shop.authorized()
        for status, wanted in (("processing", late), ("pending", made), ("authorized", paid)):
            found = good(shop.client.get(f"{CORE}status/{status}"), 200)["data"]
            assert [row["id"] for row in found] == [wanted["id"]]

    def test_names_the_statuses_when_one_is_unknown(self, shop: Shop) -> None:
        body = problem(shop.client.get(f"{CORE}status/settled"), 400, "invalid_request")
        assert body["param"] == "status"
        assert all(status in body["detail"] for status in PAYMENT_STATUSES)

    def test_pages_by_cursor(self, shop: Shop, northwind: Merchant) -> None:
        made = [rows.create_payment(northwind, order_ref="order-7").public_id for _ in range(5)]
        seen, path = [], f"{CORE}order/order-7?limit=2"
        while path:
            page = good(shop.client.get(path), 200)
            seen += [row["id"] for row in page["data"]]
            path = page["next"]
        assert seen == made[::-1]

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=101", "limit=x", "colour=red", "starting_after=pay_1"]
    )
    def test_refuses_bad_paging(self, shop: Shop, query: str) -> None:
        assert shop.client.get(f"{CORE}order/o?{query}").status_code == 400

    @pytest.mark.parametrize(
        "path", ["order/%00", "customer/a%0Ab", "number/%00", "transaction/" + "x" * 200]
    )
    def test_refuses_texts_that_cannot_be(self, shop: Shop, path: str) -> None:
        assert shop.client.get(CORE + path).status_code == 400


class TestQueryBudgets:
    @pytest.mark.parametrize("path", ["order/order-1", "customer/carla", "status/pending"])
    def test_lists_cost_the_same_for_1_and_20_rows(
        self, shop: Shop, northwind: Merchant, ada: Vendor, bruno: Vendor, path: str
    ) -> None:
        def make() -> None:
            rows.create_payment(northwind, shares=((ada, 60, 6), (bruno, 30, 3)))

        make()
        shop.client.get(CORE + path)
        with statements() as one:
            assert len(good(shop.client.get(CORE + path), 200)["data"]) == 1
        for _ in range(19):
            make()
        with statements() as twenty:
            assert len(good(shop.client.get(CORE + path), 200)["data"]) == 20
        assert len(one) == len(twenty) == 3, "\n".join(twenty.sent)

    def test_hot_paths_cost_what_they_cost(self, shop: Shop, ada: Vendor, bruno: Vendor) -> None:
        shop.captured(vendor_split=split((ada, 60), (bruno, 30)))  # accounts are open now
        costs = {}
        body = shop.body(vendor_split=split((ada, 60), (bruno, 30)))
        with statements() as sent:
            made = good(shop.client.post(CORE, body), 201)
        costs["create"] = len(sent)
        for step in ("authorize", "capture"):
            with statements() as sent:
                good(shop.client.put(f"{CORE}{made['id']}/{step}"), 200)
            costs[step] = len(sent)
        body = shop.body(vendor_split=split((ada, 60), (bruno, 30)), confirm=True, capture_method="automatic")
        with statements() as sent:
            assert good(shop.client.post(CORE, body), 201)["status"] == "captured"
        costs["pay"] = len(sent)
        assert costs == HOT_COSTS


class TestTogetherWithTheKey:
    """A payment by its id is read by the statement that looks at the caller's key, once the key is known."""

    def test_one_statement_reads_the_same_in_the_same_order(
        self, shop: Shop, ada: Vendor, bruno: Vendor
    ) -> None:
        made = shop.created(vendor_split=split((bruno, 60), (ada, 30)))
        shop.client.get(f"{CORE}order/none")  # the key is known now
        with statements() as sent:
            assert good(shop.client.get(CORE + made["id"]), 200) == made
        assert len(sent) == 1, "\n".join(sent.sent)
        assert good(shop.client.get(f"{CORE}number/{made['number']}"), 200) == made

    def test_another_merchants_payment_is_not_there(self, shop: Shop) -> None:
        theirs = rows.create_payment(people.create_merchant("Other")).public_id
        for _ in range(2):
            problem(shop.client.get(CORE + theirs), 404, "payment_not_found")

    def test_a_key_that_ended_shows_nothing(self, shop: Shop, northwind: Merchant) -> None:
        made = shop.created()
        good(shop.client.get(CORE + made["id"]), 200)
        key = ApiKey.objects.get(merchant=northwind)
        keys.revoke(merchant_id=northwind.pk, api_key_id=key.pk, reason="lost", actor=SYSTEM, at=clock.now())
        problem(shop.client.get(CORE + made["id"]), 401, "api_key_revoked")

    def test_a_key_without_the_scope_shows_nothing(self, shop: Shop, northwind: Merchant) -> None:
        made = shop.created()
        client = MerchantClient(people.create_api_key(northwind, ["payments:write"])[1])
        for _ in range(2):
            problem(client.get(CORE + made["id"]), 403, "scope_missing")


class TestNarrowing:
    def test_by_creation_currency_and_method(self, shop: Shop, northwind: Merchant) -> None:
        euro = rows.create_payment(northwind, order_ref="order-8", currency="EUR").public_id
        bank = rows.create_payment(northwind, order_ref="order-8", method_type="bank_transfer").public_id
        card = rows.create_payment(northwind, order_ref="order-8", capture_method="automatic").public_id

        def found(query: str) -> list[str]:
            page = good(shop.client.get(f"{CORE}order/order-8?{query}"), 200)
            return [row["id"] for row in page["data"]]

        assert found("currency=EUR") == [euro]
        assert found("method=bank_transfer") == [bank]
        assert found("capture_method=automatic") == [card]
        assert found("currency=USD&method=card") == [card]
        assert found("currency=EUR&method=bank_transfer") == []

    def test_by_the_moment_of_creation_from_inclusive_to_exclusive(self, shop: Shop) -> None:
        made = [shop.created(order_id="order-9") for _ in range(3)]
        moments = [row["created_at"].replace("Z", "000Z") for row in made]

        def found(query: str) -> int:
            return len(good(shop.client.get(f"{CORE}order/order-9?{query}"), 200)["data"])

        assert found("created_from=2020-01-01T00:00:00Z") == 3
        assert found("created_to=2020-01-01T00:00:00Z") == 0
        assert found("created_from=2100-01-01T00:00:00Z") == 0
        assert found(f"created_from={moments[0]}") == 3
        assert found(f"created_to={moments[0]}") == 0
        assert found(f"created_from={moments[0]}&created_to=2100-01-01T00:00:00Z&limit=2") == 2

    @pytest.mark.parametrize(
        "query",
        [
            "created_from=yesterday", "created_to=2026-01-01", "currency=usd", "currency=XXY", "method=cash",
            "capture_method=later",
        ],
    )  # fmt: skip
    def test_refuses_what_is_not_of_its_form(self, shop: Shop, query: str) -> None:
        refused = problem(shop.client.get(f"{CORE}status/pending?{query}"), 400, "invalid_request")
        assert refused["param"] == query.partition("=")[0]

    def test_finds_a_payment_by_its_captures_reference_too(self, shop: Shop) -> None:
        paid = good(shop.client.post(CORE, shop.body(confirm=True, capture_method="automatic")), 201)
        (capture,) = shop.network.truth(reference=paid["id"], kind="capture")
        assert good(shop.client.get(f"{CORE}transaction/{capture['id']}"), 200)["id"] == paid["id"]
