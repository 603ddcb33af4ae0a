"""A web worker killed with -9 at each boundary of the front desk: one effect, one answer, nothing stuck."""

from datetime import timedelta

import pytest

from tests.factories import vendors as factory
from tests.kit.api_cases import code_of
from tests.kit.api_client import MerchantClient
from tests.kit.killed import in_child, killed_at
from vendors.models import IdempotencyKey, Vendor
from vendors.services import completing

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.kit.probe"),
]
PROBES = "/api/v1/probes/"
KEY = "killed-by-the-test"
# point, kind of request, effects that were committed when the worker died, whether the answer was
BOUNDARIES = [
    ("request.after_claim", "made", 0, False),
    ("request.after_claim", "half", 0, False),
    ("request.before_commit", "made", 0, False),
    ("request.before_commit", "half", 1, False),
    ("request.before_reply", "made", 1, True),
    ("request.before_reply", "half", 1, True),
]


def effects(merchant):
    return Vendor.objects.filter(merchant=merchant).count()


@pytest.mark.parametrize(("point", "outcome", "committed", "is_answered"), BOUNDARIES)
def test_a_killed_worker_leaves_one_effect_and_one_answer(
    northwind, tmp_path, point, outcome, committed, is_answered
):
    plaintext = factory.create_api_key(northwind)[1]
    body = {"outcome": outcome, "name": "Ada"}
    killed_at(point, tmp_path, lambda: MerchantClient(plaintext).post(PROBES, body, key=KEY))
    assert effects(northwind) == committed

    client = MerchantClient(plaintext)
    row = IdempotencyKey.objects.get(merchant=northwind, key=KEY)
    assert row.is_finished is is_answered
    if not is_answered:
        assert code_of(client.post(PROBES, body, key=KEY)) == (409, "idempotency_in_progress")
        later = row.occurred_at + timedelta(seconds=61)
        completing.complete_unfinished(later, limit=1000)  # also what other tests left behind
        assert IdempotencyKey.objects.get(pk=row.pk).tries == 2
    replays = [client.post(PROBES, body, key=KEY) for _ in range(3)]
    assert {answer["Idempotency-Replayed"] for answer in replays} == {"true"}
    assert len({answer.content for answer in replays}) == 1
    assert replays[0].status_code == 201
    (vendor,) = Vendor.objects.filter(merchant=northwind)
    assert replays[0].json()["id"] == vendor.public_id
    assert vendor.pk == row.effect_id


def test_an_unharmed_worker_answers(northwind, tmp_path):
    """The control: the same child without an armed point lives and answers."""
    plaintext = factory.create_api_key(northwind)[1]
    answered = tmp_path / "answered"

    def ask() -> None:
        answer = MerchantClient(plaintext).post(PROBES, {}, key=KEY)
        assert answer.status_code == 201
        answered.write_bytes(answer.content)

    assert in_child(ask, tmp_path) == 0
    assert effects(northwind) == 1
    assert MerchantClient(plaintext).post(PROBES, {}, key=KEY).content == answered.read_bytes()
