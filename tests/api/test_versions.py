"""If-Match: who changes a payment method as he saw it is told when somebody else was quicker; D13."""

from typing import Any

import pytest
from django.http import HttpResponse

from ledger import clock, remembering
from ledger.models import AuditRecord, Event
from payments.models import PaymentMethod, ProviderOperation, ProviderToken
from payments.services.calls import operations
from payments.services.methods import keeping_methods
from tests.kit.api_cases import problem
from tests.kit.api_client import MerchantClient
from tests.kit.checkout import METHODS, Till
from tests.kit.network import Network
from tests.kit.shop import good
from vendors.models import IdempotencyKey, Merchant
from vendors.services import completing

pytestmark = pytest.mark.django_db
FAILED = {"status": "failed", "reason": "unknown"}
GOOD = {"status": "verified", "reason": "seen the passport"}
KEY = "the-same-key"


@pytest.fixture
def till(merchant_client: MerchantClient, northwind: Merchant, network: Network) -> Till:
    return Till(merchant_client, northwind)


@pytest.fixture
def account(till: Till) -> dict[str, Any]:
    """A bank account, which was made the default since it was first seen."""
    till.account()
    return till.account()


def change(till: Till, made: dict[str, Any], tag: str, **more: Any) -> HttpResponse:
    body = more.pop("body", FAILED)
    path = f"{METHODS}{made['id']}/verification-status"
    return till.client.put(path, body, **{"If-Match": tag}, **more)


def tag_of(till: Till, made: dict[str, Any]) -> str:
    response = till.client.get(METHODS + made["id"])
    assert response.status_code == 200
    return str(response["ETag"])


def written(till: Till) -> tuple[Any, ...]:
    """Everything that a change could write."""
    merchant = till.merchant
    return (
        list(PaymentMethod.objects.filter(merchant=merchant).order_by("pk").values()),
        Event.objects.filter(merchant_id=merchant.pk).count(),
        AuditRecord.objects.filter(merchant_id=merchant.pk).count(),
        ProviderOperation.objects.filter(merchant=merchant).count(),
        ProviderToken.objects.filter(method__merchant=merchant).count(),
    )


class TestTags:
    def test_are_strong_and_of_one_version(self, till: Till, account: dict[str, Any]) -> None:
        before = tag_of(till, account)
        assert before == tag_of(till, account)
        assert before.startswith(f'"{account["id"]}.')
        changed = till.put(f"{account['id']}/set-default")
        assert changed["ETag"] == tag_of(till, account) != before

    def test_come_with_each_answer_that_shows_one(self, till: Till) -> None:
        first = till.client.post(METHODS, till.body(encrypted=till.encrypted(), verify=True))
        made = good(first, 201)
        assert first["ETag"] == tag_of(till, made)
        for _ in range(2):  # read, then remembered
            assert till.client.get(f"{METHODS}customer/{till.customer}/default")["ETag"] == first["ETag"]
            remembering.forget_near()
        assert change(till, made, "*")["ETag"] == tag_of(till, made)
        assert till.client.send("DELETE", METHODS + made["id"], key=None)["ETag"] == tag_of(till, made)

    def test_change_when_a_card_lapses(self, till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
        made = till.card()
        before, now = tag_of(till, made), clock.now()
        monkeypatch.setattr(clock, "now", lambda: now.replace(year=2041))
        assert tag_of(till, made) == f'{before[:-1]}.expired"'

    def test_come_again_with_a_replay(self, till: Till, account: dict[str, Any]) -> None:
        first = change(till, account, tag_of(till, account), key=KEY, body=GOOD)
        till.put(f"{account['id']}/verification-status", FAILED)
        again = change(till, account, f'"{account["id"]}.1"', key=KEY, body=GOOD)
        assert (again["ETag"], again["Idempotency-Replayed"]) == (first["ETag"], "true")
        assert again["ETag"] != tag_of(till, account)


class TestAChange:
    @pytest.mark.parametrize("header", ["*", "{}", '"x", {}', "{}, W/{}", ' , {} ,"y"'])
    def test_of_the_version_that_stands_is_done(
        self, till: Till, account: dict[str, Any], header: str
    ) -> None:
        told = header.format(*[tag_of(till, account)] * 2)
        assert good(change(till, account, told), 200)["status"] == "failed"

    @pytest.mark.parametrize("key", [None, KEY])
    @pytest.mark.parametrize("body", [GOOD, {"status": "pending", "verification": "micro_deposits"}])
    def test_of_another_version_is_refused_and_writes_nothing(
        self, till: Till, account: dict[str, Any], body: dict[str, Any], key: str | None
    ) -> None:
        seen = tag_of(till, account)
        good(till.put(f"{account['id']}/verification-status", FAILED), 200)
        before = written(till)
        for tag in (seen, f"W/{tag_of(till, account)}", '"x"'):
            own = None if key is None else f"{key}-{hash(tag)}"
            refused = problem(change(till, account, tag, body=body, key=own), 412, "version_stale")
            assert (refused["param"], refused["retryable"]) == ("If-Match", False)
            assert "send the ETag of that answer as If-Match" in refused["advice"]
        assert written(till) == before

    def test_of_another_version_asks_no_bank(self, till: Till) -> None:
        made = till.card()
        seen = tag_of(till, made)
        good(till.put(f"{made['id']}/verification-status", FAILED), 200)
        before = written(till)
        asked = {"status": "pending", "verification": "zero_amount"}
        problem(change(till, made, seen, body=asked), 412, "version_stale")
        assert written(till) == before
        assert good(change(till, made, tag_of(till, made), body=asked), 200)["status"] == "verified"

    def test_of_the_default_and_a_removal_ask_it_too(self, till: Till, account: dict[str, Any]) -> None:
        seen = tag_of(till, account)
        good(till.put(f"{account['id']}/verification-status", GOOD), 200)
        before = written(till)
        path, stale = METHODS + account["id"], {"If-Match": seen}
        problem(till.client.put(f"{path}/set-default", {}, **stale), 412, "version_stale")
        problem(till.client.send("DELETE", path, key=None, **stale), 412, "version_stale")
        assert written(till) == before
        fresh = {"If-Match": tag_of(till, account)}
        made_default = till.client.put(f"{path}/set-default", {}, **fresh)
        assert good(made_default, 200)["default"]
        removed = till.client.send("DELETE", path, key=None, **{"If-Match": made_default["ETag"]})
        assert good(removed, 200)["status"] == "removed"

    @pytest.mark.parametrize("told", ["", "7", '"a" "b"', '*, "a"', "w/*"])
    def test_with_a_malformed_header_is_refused_by_its_name(
        self, till: Till, account: dict[str, Any], told: str
    ) -> None:
        before = written(till)
        refused = problem(change(till, account, told, key=KEY), 400, "if_match_malformed")
        assert refused["param"] == "If-Match"
        assert written(till) == before
        assert not IdempotencyKey.objects.filter(merchant=till.merchant, key=KEY).exists()

    def test_without_the_header_is_as_ever(self, till: Till, account: dict[str, Any]) -> None:
        for body in (FAILED, GOOD, FAILED):
            good(till.put(f"{account['id']}/verification-status", body), 200)

    def test_of_what_is_not_there_is_not_found(self, till: Till, account: dict[str, Any]) -> None:
        nobodys = {"id": f"{account['id'][:-4]}0000"}
        problem(change(till, nobodys, "*"), 404, "payment_method_not_found")


class TestWithAnIdempotencyKey:
    def test_the_refusal_is_kept_and_another_version_is_another_request(
        self, till: Till, account: dict[str, Any]
    ) -> None:
        first = change(till, account, '"old"', key=KEY)
        problem(first, 412, "version_stale")
        again = change(till, account, '"old"', key=KEY)
        assert (again.content, again["Idempotency-Replayed"]) == (first.content, "true")
        problem(change(till, account, tag_of(till, account), key=KEY), 422, "idempotency_key_reused")
        good(change(till, account, tag_of(till, account), key="a-fresh-key"), 200)

    def test_a_request_that_died_is_said_again_by_its_sender_only(
        self, till: Till, account: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else it would be driven on without its condition, over what others have written meanwhile."""

        def died(**_: Any) -> None:
            raise RuntimeError("gone")

        seen = tag_of(till, account)
        with monkeypatch.context() as patch:
            patch.setattr(keeping_methods, "judge", died)
            problem(change(till, account, seen, key=KEY), 500, "internal_error")
        row = IdempotencyKey.objects.get(merchant=till.merchant, key=KEY)
        assert (row.request_body, row.finished_at) == (None, None)
        good(till.put(f"{account['id']}/verification-status", GOOD), 200)
        IdempotencyKey.objects.filter(pk=row.pk).update(occurred_at=row.occurred_at.replace(year=2020))
        completing.complete_unfinished(clock.now().replace(year=2030))
        assert PaymentMethod.objects.get(merchant=till.merchant, is_default=False).state == "verified"
        problem(change(till, account, seen, key=KEY), 412, "version_stale")

    def test_a_run_that_was_begun_is_not_stale_for_its_own_work(
        self, till: Till, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = till.card()
        seen, asked = tag_of(till, made), {"status": "pending", "verification": "zero_amount"}

        def died(*_: Any) -> None:
            raise RuntimeError("gone")

        with monkeypatch.context() as patch:
            patch.setattr(operations, "call", died)
            problem(change(till, made, seen, key=KEY, body=asked), 500, "internal_error")
        assert tag_of(till, made) != seen
        assert change(till, made, seen, key=KEY, body=asked).status_code == 200
        assert ProviderOperation.objects.filter(merchant=till.merchant).count() == 1
