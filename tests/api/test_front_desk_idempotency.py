from datetime import timedelta

import pytest

from ledger import clock, retention
from tests.factories import vendors as factory
from tests.kit import probe
from tests.kit.api_cases import code_of
from tests.kit.api_client import MerchantClient
from tests.kit.probe import ProbeViewSet
from vendors.models import IdempotencyKey, Vendor
from vendors.services import completing, idempotency

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.kit.probe")]
PROBES = "/api/v1/probes/"
KEY = "a-key-of-the-test"


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it, nothing is cleaned up."""


@pytest.fixture
def runs():
    """Count how often the action itself ran since the test began."""
    before = ProbeViewSet.runs
    return lambda: ProbeViewSet.runs - before


@pytest.fixture
def between(monkeypatch):
    """Set what happens between the probe's two phases."""
    return lambda step: monkeypatch.setattr(ProbeViewSet, "between", staticmethod(step))


def killed():
    raise Killed


def vendors_of(merchant):
    return Vendor.objects.filter(merchant=merchant).count()


def row_of(merchant, key=KEY):
    return IdempotencyKey.objects.get(merchant=merchant, key=key)


class TestKey:
    def test_is_required_where_the_action_says_so(self, northwind, merchant_client, runs):
        response = merchant_client.post(PROBES, key=None)
        assert code_of(response) == (400, "idempotency_key_missing")
        assert response.json()["param"] == "Idempotency-Key"
        assert (runs(), vendors_of(northwind)) == (0, 0)

    @pytest.mark.parametrize("key", ["", "seven-7", "x" * 256, "with space", "schlüssel-1", "tab\tkey-1"])
    def test_is_refused_when_malformed(self, northwind, merchant_client, key):
        assert code_of(merchant_client.post(PROBES, key=key)) == (400, "idempotency_key_malformed")
        assert vendors_of(northwind) == 0

    @pytest.mark.parametrize("key", ["8-length", "x" * 255, '!~{}[]()<>@,;:\\"/?='])
    def test_may_be_any_visible_ascii(self, merchant_client, key):
        assert merchant_client.post(PROBES, key=key).status_code == 201
        assert merchant_client.post(PROBES, key=key)["Idempotency-Replayed"] == "true"

    def test_is_not_needed_where_it_is_only_accepted(self, northwind, merchant_client):
        assert merchant_client.put(f"{PROBES}x", key=None).status_code == 201
        assert merchant_client.put(f"{PROBES}x", key=None).status_code == 201
        assert vendors_of(northwind) == 2
        first = merchant_client.put(f"{PROBES}x", key=KEY)
        assert merchant_client.put(f"{PROBES}x", key=KEY).content == first.content

    def test_is_ignored_on_reads(self, northwind, merchant_client):
        assert merchant_client.get(PROBES, **{"Idempotency-Key": "x"}).status_code == 200
        assert not IdempotencyKey.objects.filter(merchant=northwind).exists()


class TestReplay:
    def test_is_byte_equal_and_says_so(self, northwind, merchant_client, runs):
        first = merchant_client.post(PROBES, {"name": "Zoë", "amount": 1}, key=KEY)
        again = merchant_client.post(PROBES, {"amount": 1, "name": "Zoë"}, key=KEY)
        assert (again.status_code, again.content) == (201, first.content)
        assert (again["Content-Type"], again["Idempotency-Replayed"]) == ("application/json", "true")
        assert "Idempotency-Replayed" not in first
        assert (runs(), vendors_of(northwind)) == (1, 1)

    def test_does_not_mind_the_slash_at_the_end(self, merchant_client):
        first = merchant_client.post(PROBES, key=KEY)
        assert merchant_client.post(PROBES[:-1], key=KEY).content == first.content

    def test_keeps_no_request_body_once_answered(self, northwind, merchant_client):
        merchant_client.post(PROBES, {"note": "private"}, key=KEY)
        row = row_of(northwind)
        assert (row.request_body, row.recovery_point, row.response_status) == (None, "finished", 201)

    def test_is_served_for_30_days_and_then_the_key_is_free(self, northwind, merchant_client, runs):
        first = merchant_client.post(PROBES, key=KEY)
        IdempotencyKey.objects.filter(merchant=northwind).update(expires_at=clock.now())
        again = merchant_client.post(PROBES, key=KEY)
        assert again.status_code == 201
        assert again.content != first.content
        assert runs() == 2

    def test_is_each_merchants_own(self, northwind, merchant_client):
        southwind = factory.create_merchant("Southwind")
        other = MerchantClient(factory.create_api_key(southwind)[1])
        assert merchant_client.post(PROBES, {"name": "Ada"}, key=KEY).status_code == 201
        assert other.post(PROBES, {"name": "Bruno"}, key=KEY).json()["name"] == "Bruno"

    def test_is_the_same_for_another_key_of_the_merchant(self, northwind, merchant_client):
        first = merchant_client.post(PROBES, key=KEY)
        rotated = MerchantClient(factory.create_api_key(northwind)[1])
        assert rotated.post(PROBES, key=KEY).content == first.content


class TestReuse:
    @pytest.mark.parametrize(
        "repeat",
        [
            lambda client: client.post(PROBES, {"amount": 2}, key=KEY),
            lambda client: client.post(PROBES, {"amount": 1, "note": ""}, key=KEY),
            lambda client: client.put(f"{PROBES}x", {"amount": 1}, key=KEY),
        ],
    )
    def test_for_another_request_is_422(self, northwind, merchant_client, repeat):
        merchant_client.post(PROBES, {"amount": 1}, key=KEY)
        assert code_of(repeat(merchant_client)) == (422, "idempotency_key_reused")
        assert vendors_of(northwind) == 1

    def test_for_another_object_is_422(self, merchant_client):
        merchant_client.put(f"{PROBES}x", key=KEY)
        assert code_of(merchant_client.put(f"{PROBES}y", key=KEY)) == (422, "idempotency_key_reused")

    def test_after_a_malformed_request_is_free(self, merchant_client):
        assert merchant_client.post(PROBES, {"amount": "1"}, key=KEY).status_code == 400
        assert merchant_client.post(PROBES, {"amount": 1}, key=KEY).status_code == 201


class TestRefusals:
    @pytest.mark.parametrize(
        ("outcome", "status", "code"),
        [("refused", 409, "probe_refused"), ("declined", 402, "probe_declined")],
    )
    def test_that_are_definite_are_kept(self, merchant_client, runs, outcome, status, code):
        first = merchant_client.post(PROBES, {"outcome": outcome}, key=KEY)
        assert code_of(first) == (status, code)
        again = merchant_client.post(PROBES, {"outcome": outcome}, key=KEY)
        assert (again.status_code, again.content) == (status, first.content)
        assert (again["Content-Type"], again["Idempotency-Replayed"]) == ("application/problem+json", "true")
        assert runs() == 1

    @pytest.mark.parametrize(
        ("outcome", "status"), [("busy", 409), ("away", 503), ("broken", 500), ("forgetful", 500)]
    )
    def test_that_pass_are_not_kept_and_a_retry_runs_with_the_same_effect_id(
        self, northwind, merchant_client, runs, outcome, status
    ):
        seen = []
        for _ in range(3):
            response = merchant_client.post(PROBES, {"outcome": outcome}, key=KEY)
            assert response.status_code == status
            assert "Idempotency-Replayed" not in response
            row = row_of(northwind)
            assert (row.finished_at, row.locked_until <= clock.now()) == (None, True)
            seen.append(row.effect_id)
        assert runs() == 3
        assert len(set(seen)) == 1
        assert row_of(northwind).tries == 3


class TestWhileItRuns:
    def test_the_same_request_is_told_to_wait(self, northwind, merchant_client, between, runs):
        between(killed)
        with pytest.raises(Killed):
            merchant_client.post(PROBES, {"outcome": "half"}, key=KEY)
        response = merchant_client.post(PROBES, {"outcome": "half"}, key=KEY)
        assert code_of(response) == (409, "idempotency_in_progress")
        assert response["Retry-After"] == "1"
        assert response.json()["retryable"] is True
        assert (runs(), vendors_of(northwind)) == (1, 1)

    def test_another_request_with_its_key_is_422(self, merchant_client, between):
        between(killed)
        with pytest.raises(Killed):
            merchant_client.post(PROBES, {"outcome": "half"}, key=KEY)
        assert code_of(merchant_client.post(PROBES, {"amount": 1}, key=KEY)) == (
            422,
            "idempotency_key_reused",
        )


class TestCrash:
    """Killed between its effect and its answer: one effect, one answer, whoever finishes."""

    @pytest.fixture(autouse=True)
    def crash(self, northwind, merchant_client, between):
        between(killed)
        with pytest.raises(Killed):
            merchant_client.post(PROBES, {"outcome": "half"}, key=KEY)
        between(None)
        assert (row_of(northwind).recovery_point, vendors_of(northwind)) == ("vendor_made", 1)

    def test_the_sender_finishes_it_when_the_lease_is_over(self, northwind, merchant_client):
        IdempotencyKey.objects.filter(merchant=northwind).update(locked_until=clock.now())
        response = merchant_client.post(PROBES, {"outcome": "half"}, key=KEY)
        assert response.status_code == 201
        assert response.json()["id"] == Vendor.objects.get(merchant=northwind).public_id
        assert merchant_client.post(PROBES, {"outcome": "half"}, key=KEY).content == response.content
        assert vendors_of(northwind) == 1

    def test_the_completer_finishes_it_when_the_sender_is_gone(self, northwind, merchant_client):
        later = clock.now() + timedelta(seconds=61)
        assert completing.complete_unfinished(later) == 1
        row = row_of(northwind)
        assert (row.response_status, row.tries, vendors_of(northwind)) == (201, 2, 1)
        response = merchant_client.post(PROBES, {"outcome": "half"}, key=KEY)
        assert response["Idempotency-Replayed"] == "true"
        assert response.content == bytes(row.response_body)
        assert response.json()["id"] == Vendor.objects.get(merchant=northwind).public_id

    def test_the_completer_leaves_it_while_the_lease_holds(self, northwind):
        assert completing.complete_unfinished(clock.now() + timedelta(seconds=45)) == 0
        assert row_of(northwind).tries == 1


class TestCompleter:
    def test_tries_again_after_a_growing_pause(self, northwind, merchant_client, runs):
        merchant_client.post(PROBES, {"outcome": "away"}, key=KEY)
        row = row_of(northwind)
        assert timedelta(seconds=30) <= row.resume_at - row.occurred_at < timedelta(seconds=40)
        tried_at = []
        for second in range(0, 500, 10):
            before = runs()
            completing.complete_unfinished(row.resume_at + timedelta(seconds=second))
            tried_at += [second] * (runs() - before)
        assert tried_at == [0, 60, 180, 420]

    def test_leaves_a_refusal_that_passes_to_its_sender(self, northwind, merchant_client):
        """He was told no and may have asked under another key: it must not be done twice."""
        merchant_client.post(PROBES, {"outcome": "busy"}, key=KEY)
        completing.complete_unfinished(clock.now() + timedelta(hours=2))
        assert row_of(northwind).tries == 1
        merchant_client.post(PROBES, {"outcome": "busy"}, key=KEY)
        assert row_of(northwind).tries == 2

    def test_goes_on_after_a_refusal_that_only_it_has_seen(self, northwind, merchant_client, monkeypatch):
        merchant_client.post(PROBES, {"outcome": "away"}, key=KEY)
        monkeypatch.setattr(probe, "ProbeAway", probe.ProbeBusy)
        for seconds in (61, 200):
            completing.complete_unfinished(clock.now() + timedelta(seconds=seconds))
        assert row_of(northwind).tries == 3

    def test_keeps_a_definite_refusal_as_the_answer(self, northwind, merchant_client, monkeypatch):
        merchant_client.post(PROBES, {"outcome": "away"}, key=KEY)
        monkeypatch.setattr(probe, "ProbeAway", probe.ProbeRefusal)
        assert completing.complete_unfinished(clock.now() + timedelta(seconds=61)) == 1
        assert row_of(northwind).response_status == 409

    def test_does_not_ask_the_key_again_once_the_work_was_begun(self, northwind, merchant_client, between):
        between(killed)
        with pytest.raises(Killed):
            merchant_client.post(PROBES, {"outcome": "half"}, key=KEY)
        between(None)
        northwind.api_keys.update(revoked_at=clock.now())
        assert completing.complete_unfinished(clock.now() + timedelta(seconds=61)) == 1


class TestFencing:
    def test_a_worker_who_lost_his_lease_changes_nothing(self, northwind, merchant_client, between):
        """The zombie of reliability 2.3 D07: it stops after its effect, another finishes, it wakes up."""
        answers = []

        def another_takes_over():
            between(None)
            IdempotencyKey.objects.filter(merchant=northwind).update(locked_until=clock.now())
            answers.append(merchant_client.post(PROBES, {"outcome": "half"}, key=KEY))

        between(another_takes_over)
        zombie = merchant_client.post(PROBES, {"outcome": "half"}, key=KEY)
        assert code_of(zombie) == (409, "idempotency_lease_lost")
        assert answers[0].status_code == 201
        assert bytes(row_of(northwind).response_body) == answers[0].content
        assert vendors_of(northwind) == 1

    def test_his_phase_rolls_back(self, northwind, merchant_client, monkeypatch):
        """Without the fence the zombie's vendor would be there: the answer's write is what undoes it."""
        finish = idempotency.finish

        def lose_then_finish(claim, answer, at):
            IdempotencyKey.objects.filter(pk=claim.id).update(locked_by=claim.effect_id)
            finish(claim, answer, at)

        monkeypatch.setattr(idempotency, "finish", lose_then_finish)
        assert code_of(merchant_client.post(PROBES, key=KEY)) == (409, "idempotency_lease_lost")
        assert vendors_of(northwind) == 0


class TestReap:
    def test_deletes_what_its_sender_was_refused_for_now(self, northwind, merchant_client):
        merchant_client.post(PROBES, {"outcome": "busy"}, key="refused-for-now")
        mine = IdempotencyKey.objects.filter(merchant=northwind)
        mine.update(expires_at=factory.AT)
        retention.erase("idempotency_keys", factory.AT + timedelta(days=1))
        assert not mine.exists()

    def test_deletes_old_answers_and_never_an_unfinished_request(self, northwind, merchant_client):
        for key in ("finished-1", "finished-2"):
            merchant_client.post(PROBES, key=key)
        merchant_client.post(PROBES, {"outcome": "away"}, key="unfinished-1")
        mine = IdempotencyKey.objects.filter(merchant=northwind)
        mine.exclude(key="finished-2").update(expires_at=factory.AT)
        assert retention.erase("idempotency_keys", factory.AT + timedelta(days=1)) == 1
        assert set(mine.values_list("key", flat=True)) == {"finished-2", "unfinished-1"}
