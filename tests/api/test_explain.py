"""`GET /api/v1/explain/{id}`: a merchant's figures, led back to its own requests."""

import pytest

from ledger.models import Account
from tests.factories import vendors as factory
from tests.kit.api_client import MerchantClient
from tests.kit.queries import statements
from tests.kit.shop import good, split

pytestmark = pytest.mark.django_db
EXPLAIN = "/api/v1/explain/"
BAD = ("x" * 300, "acc_01kagm3c8qf3p8w0t5y5r4d2n%00")


@pytest.fixture
def sale(shop, ada):
    """A captured payment of which Ada has a part."""
    return shop.captured(amount=10_000, vendor_split=split((ada, 6_000)))


def texts(answer):
    return [cause["text"] for node in answer["nodes"] for cause in node["causes"] if cause["is_outside"]]


def test_a_payment_leads_to_the_requests_of_its_merchant(merchant_client, shop, ada):
    made = shop.created(amount=10_000, vendor_split=split((ada, 6_000)))
    path = f"/api/v1/payments/core/{made['id']}"
    good(merchant_client.put(f"{path}/authorize", X_Request_Id="request-authorize"), 200)
    good(merchant_client.put(f"{path}/capture", X_Request_Id="request-capture"), 200)
    answer = good(merchant_client.get(EXPLAIN + made["id"]), 200)
    assert (answer["id"], answer["is_explained"], answer["is_complete"]) == (made["id"], True, True)
    assert answer["footing"] == answer["unexplained"] == [{"amount": 0, "currency": "USD"}]
    root, *_ = answer["nodes"]
    assert root["amounts"] == [{"amount": 10_000, "currency": "USD"}]
    assert root["parts"][0]["name"] == "capture 1"
    assert any("API request request-capture, by key_" in text for text in texts(answer))
    assert any("approved, reference cap_" in text for text in texts(answer))


def test_every_id_in_an_answer_can_be_asked_for(merchant_client, sale, northwind):
    bank = Account.objects.get(merchant_id=northwind.pk, code="provider_clearing")
    answer = good(merchant_client.get(f"{EXPLAIN}{bank.public_id}"), 200)
    assert answer["is_explained"]
    for node in answer["nodes"]:
        again = good(merchant_client.get(EXPLAIN + node["id"]), 200)
        assert again["nodes"][0] == node
        assert again["is_explained"]


def test_depth_says_how_many_steps_are_followed(merchant_client, sale):
    answer = good(merchant_client.get(f"{EXPLAIN}{sale['id']}?depth=0"), 200)
    assert [node["id"] for node in answer["nodes"]] == [sale["id"]]
    assert not answer["is_complete"]
    assert answer["not_followed"]["count"] == len(answer["not_followed"]["ids"]) == 2


@pytest.mark.parametrize("query", ["depth=51", "depth=-1", "depth=x", "depth=1&depth=2", "deep=1", "depth="])
def test_a_wrong_depth_is_refused(merchant_client, sale, query):
    assert merchant_client.get(f"{EXPLAIN}{sale['id']}?{query}").status_code == 400


@pytest.mark.parametrize(
    "unknown",
    [
        "pay_01kagm3c8qf3p8w0t5y5r4d2ne",
        "acc_01kagm3c8qf3p8w0t5y5r4d2ne",
        "nothing",
        "po_",
        "bal_1@2026",
        "x" * 300,
        "acc_01kagm3c8qf3p8w0t5y5r4d2n%00",
    ],
)
def test_what_is_not_there_is_404(merchant_client, unknown):
    answer = merchant_client.get(EXPLAIN + unknown)
    assert (answer.status_code, answer.json()["code"]) == (404, "explanation_not_found")


def test_another_merchants_things_are_not_there(merchant_client, sale):
    answer = good(merchant_client.get(EXPLAIN + sale["id"]), 200)
    other = MerchantClient(factory.create_api_key(factory.create_merchant("Southwind"))[1])
    for node in answer["nodes"]:
        assert other.get(EXPLAIN + node["id"]).status_code == 404


def test_a_key_needs_the_scope(northwind, sale):
    client = MerchantClient(factory.create_api_key(northwind, scopes=["payments:read"])[1])
    assert client.get(EXPLAIN + sale["id"]).status_code == 403
    assert MerchantClient(None).get(EXPLAIN + sale["id"]).status_code == 401


def test_it_costs_the_same_for_one_part_as_for_many(merchant_client, shop, northwind):
    def cost():
        clearing = Account.objects.get(merchant_id=northwind.pk, code="provider_clearing")
        with statements() as sent:
            good(merchant_client.get(f"{EXPLAIN}{clearing.public_id}"), 200)
        return len(sent)

    shop.captured()
    one = cost()
    for _ in range(4):
        shop.captured()
    assert cost() == one
