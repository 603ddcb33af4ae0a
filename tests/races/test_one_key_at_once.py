"""Two hundred equal requests for one payment at once: one payment, one call to the provider, one answer."""

from itertools import chain
from typing import Any

import pytest

from payments.models import Payment
from tests.factories import vendors as factory
from tests.kit.api_client import MerchantClient
from tests.kit.network import Network
from tests.kit.race import errors, results, together
from tests.kit.shop import CORE, Shop
from vendors.models import Merchant

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
HANDS, EACH = 100, 2  # a connection to the database for each hand


def raced(client: MerchantClient, body: Any, keys: list[str]) -> list[Any]:
    """Send the body from all hands at one instant, each twice; return the answers."""

    def send(key: str) -> list[Any]:
        return [client.post(CORE, body, key=key) for _ in range(EACH)]

    outcomes = together(*[lambda key=key: send(key) for key in keys])  # type: ignore[misc]
    assert errors(outcomes) == []
    return list(chain.from_iterable(results(outcomes)))


@pytest.fixture
def client(northwind: Merchant) -> MerchantClient:
    return MerchantClient(factory.create_api_key(northwind)[1])


def test_two_hundred_requests_with_one_key_pay_once(
    northwind: Merchant, client: MerchantClient, network: Network
) -> None:
    body = Shop(client, network).body(capture_method="automatic", confirm=True)
    answers = raced(client, body, ["the-same-key"] * HANDS)
    first = [a for a in answers if a.status_code == 201 and "Idempotency-Replayed" not in a]
    replayed = [a for a in answers if a.get("Idempotency-Replayed") == "true"]
    waiting = [a for a in answers if a.status_code == 409]
    assert (len(first), len(first) + len(replayed) + len(waiting)) == (1, HANDS * EACH)
    assert waiting  # they did meet
    assert {a.json()["code"] for a in waiting} == {"idempotency_in_progress"}
    assert {a.content for a in replayed} <= {first[0].content}
    assert client.post(CORE, body, key="the-same-key").content == first[0].content
    payment = Payment.objects.get(merchant=northwind)
    assert (payment.state, payment.captured_minor) == ("captured", 10_000)
    assert sorted(row["kind"] for row in network.truth(reference=payment.public_id)) == [
        "authorize",
        "capture",
    ]


def test_with_keys_of_their_own_each_would_pay(
    northwind: Merchant, client: MerchantClient, network: Network
) -> None:
    """The negative control: the key alone holds them together."""
    body = Shop(client, network).body()
    answers = raced(client, body, [f"key-number-{number}" for number in range(4)])
    assert {answer.status_code for answer in answers} == {201}
    assert Payment.objects.filter(merchant=northwind).count() == 4
