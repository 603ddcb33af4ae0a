"""Fifty equal requests at once: one effect, one answer; without the key there are fifty."""

import json
from collections import Counter

import pytest

from tests.factories import vendors as factory
from tests.kit.api_client import MerchantClient
from tests.kit.race import results, together
from vendors.models import IdempotencyKey, Vendor

pytestmark = [
    pytest.mark.races,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.kit.probe"),
]
PROBES = "/api/v1/probes/"
RACERS = 50


def race(plaintext, send):
    """Send from 50 threads with 50 connections at one instant; return the responses."""
    responses = results(together(*[lambda: send(MerchantClient(plaintext))] * RACERS))
    assert len(responses) == RACERS
    return responses


class TestEqualRequestsAtOnce:
    @pytest.mark.parametrize("outcome", ["made", "half", "declined"])
    def test_have_one_effect_and_one_answer(self, northwind, outcome):
        plaintext = factory.create_api_key(northwind)[1]
        body = {"outcome": outcome, "note": "x"}
        responses = race(plaintext, lambda client: client.post(PROBES, body, key="the-same-key"))
        status = 402 if outcome == "declined" else 201
        first = [a for a in responses if a.status_code == status and "Idempotency-Replayed" not in a]
        replayed = [a for a in responses if a.get("Idempotency-Replayed") == "true"]
        waiting = [a for a in responses if a.status_code == 409]
        assert (len(first), len(first) + len(replayed) + len(waiting)) == (1, RACERS)
        assert {answer.json()["code"] for answer in waiting} <= {"idempotency_in_progress"}
        settled = [MerchantClient(plaintext).post(PROBES, body, key="the-same-key") for _ in range(5)]
        assert {(a.status_code, a.content) for a in (*settled, *replayed)} == {(status, first[0].content)}
        assert {answer["Idempotency-Replayed"] for answer in settled} == {"true"}
        assert Vendor.objects.filter(merchant=northwind).count() == 1
        assert IdempotencyKey.objects.filter(merchant=northwind).count() == 1

    def test_with_different_bodies_are_one_effect_and_refusals(self, northwind):
        plaintext = factory.create_api_key(northwind)[1]
        bodies = iter([{"amount": number + 1} for number in range(RACERS)])
        responses = race(plaintext, lambda client: client.post(PROBES, next(bodies), key="one-key-many"))
        assert Counter(answer.status_code for answer in responses) == {201: 1, 422: RACERS - 1}
        assert Vendor.objects.filter(merchant=northwind).count() == 1

    def test_without_a_key_are_fifty_effects(self, northwind):
        """The negative control: what happens where nothing holds the requests together."""
        plaintext = factory.create_api_key(northwind)[1]
        responses = race(plaintext, lambda client: client.put(f"{PROBES}x", {}, key=None))
        assert {answer.status_code for answer in responses} == {201}
        assert Vendor.objects.filter(merchant=northwind).count() == RACERS

    def test_of_two_merchants_do_not_meet(self, northwind):
        southwind = factory.create_merchant("Southwind")
        plaintexts = [factory.create_api_key(merchant)[1] for merchant in (northwind, southwind)]
        clients = [MerchantClient(plaintexts[racer % 2]) for racer in range(20)]
        answers = results(
            together(*[lambda client=client: client.post(PROBES, {}, key="shared-key") for client in clients])
        )
        made = {json.loads(answer.content)["id"] for answer in answers if answer.status_code == 201}
        assert len(made) == 2
        for merchant in (northwind, southwind):
            assert Vendor.objects.filter(merchant=merchant).count() == 1


class TestTakingOver:
    def test_only_one_of_many_takes_a_lease_that_is_over(self, northwind):
        plaintext = factory.create_api_key(northwind)[1]
        MerchantClient(plaintext).post(PROBES, {"outcome": "away"}, key="left-behind")
        responses = race(
            plaintext, lambda client: client.post(PROBES, {"outcome": "away"}, key="left-behind")
        )
        ran = sum(answer.status_code == 503 for answer in responses)
        row = IdempotencyKey.objects.get(merchant=northwind, key="left-behind")
        assert row.tries == 1 + ran
        assert {answer.status_code for answer in responses} <= {503, 409}
        row.delete()  # committed rows stay: nobody's completer shall find it
