"""Controller 11: what providers said, as a merchant sees it, records it, and has it applied again."""

import json
from typing import Any

import pytest

from ledger import clock
from ledger.ids import parse
from ledger.models import AuditRecord
from payments.models import Payment, ProviderOperation, ProviderWebhook
from payments.services.webhooks import refusing
from tests.factories import payments as rows
from tests.factories import vendors as factory
from tests.kit import cards
from tests.kit.api_client import MerchantClient
from tests.kit.callbacks import Callback, callback_of
from tests.kit.network import Network
from tests.kit.shop import CORE, Shop, good, run_jobs
from vendors.models import Merchant

pytestmark = pytest.mark.django_db

HOOKS = "/api/v1/payment-webhooks/"


def message(callback: Callback, **changes: Any) -> dict[str, Any]:
    return {
        "provider": "velocitypay",
        "headers": callback.headers(),
        "payload": callback.body.decode(),
        **changes,
    }


def told(shop: Shop, made: dict[str, Any], **changes: Any) -> Callback:
    operation = ProviderOperation.objects.get(payment=parse("pay", made["id"]))
    return callback_of(shop.network, operation.idempotency_key, **changes)


@pytest.fixture
def unknown(shop: Shop) -> dict[str, Any]:
    """A payment whose authorization was answered too late."""
    return good(shop.client.post(CORE, shop.body("late_quiet", confirm=True)), 202)


@pytest.fixture
def dead(northwind: Merchant) -> ProviderWebhook:
    return rows.webhook_about(rows.captured_payment(northwind))


class TestRecord:
    def test_keeps_it_once_and_it_is_applied(self, shop: Shop, unknown: dict[str, Any]) -> None:
        asked = message(told(shop, unknown))
        first = good(shop.client.post(HOOKS, asked), 201)
        assert (first["status"], first["is_verified"], first["payment_id"]) == (
            "received", True, unknown["id"],
        )  # fmt: skip
        assert good(shop.client.get(f"{HOOKS}unprocessed"), 200)["data"] == [first]
        run_jobs()
        again = good(shop.client.post(HOOKS, asked), 200)
        assert (again["id"], again["status"]) == (first["id"], "applied")
        assert (again["verdict"], again["tries"]) == ("concluded the operation", 1)
        assert shop.payment(unknown["id"])["status"] == "authorized"
        listed = good(shop.client.get(f"{HOOKS}payment/{unknown['id']}"), 200)["data"]
        assert listed == [again]

    def test_a_forged_one_is_kept_refused_and_never_applied(
        self, shop: Shop, unknown: dict[str, Any]
    ) -> None:
        callback = told(shop, unknown)
        forged = callback.headers(secret="whsec_bXkgb3duIHNlY3JldA==")
        kept = good(shop.client.post(HOOKS, message(callback, headers=forged)), 201)
        assert (kept["status"], kept["is_verified"]) == ("refused", False)
        assert kept["verdict"] == "no signature of the callback is right"
        run_jobs()
        assert shop.payment(unknown["id"])["status"] == "processing"
        assert good(shop.client.get(f"{HOOKS}errors?status=refused"), 200)["data"] == [kept]
        for act in ("process", "retry"):
            refused = shop.client.post(f"{HOOKS}{kept['id']}/{act}", {})
            assert (refused.status_code, refused.json()["code"]) == (409, "webhook_not_verified")
        assert shop.payment(unknown["id"])["status"] == "processing"

    def test_forgeries_beyond_the_limit_are_only_counted(self, shop: Shop, unknown: dict[str, Any]) -> None:
        callback = told(shop, unknown)
        asked = message(callback, headers=callback.headers(at=1))
        answers = [shop.client.post(HOOKS, asked) for _ in range(refusing.KEPT_OF_A_SOURCE + 2)]
        assert [answer.status_code for answer in answers[-3:]] == [201, 404, 404]
        assert answers[-1].json()["code"] == "webhook_not_kept"
        assert ProviderWebhook.objects.filter(state="refused").count() >= refusing.KEPT_OF_A_SOURCE

    def test_one_about_another_s_money_is_like_none(self, shop: Shop, network: Network) -> None:
        southwind = factory.create_merchant("Southwind")
        other = Shop(MerchantClient(factory.create_api_key(southwind)[1]), network)
        callback = told(shop, shop.authorized())
        foreign = other.client.post(HOOKS, message(callback))
        key = {**callback.headers()}
        ProviderOperation.objects.filter(merchant__name="Northwind").update(provider="elsewhere")
        nowhere = other.client.post(HOOKS, message(callback, headers=key))
        assert foreign.status_code == nowhere.status_code == 404
        assert foreign.json()["code"] == nowhere.json()["code"] == "webhook_subject_not_found"
        assert foreign.json()["detail"] == nowhere.json()["detail"]
        assert not ProviderWebhook.objects.filter(event_id=callback.event_id).exists()

    @pytest.mark.parametrize(
        ("changes", "param"),
        [
            ({"provider": "nobody"}, "provider"),
            ({"headers": []}, "headers"),
            ({"headers": {"a": 1}}, "headers"),
            ({"headers": {"A": "1", "a": "1"}}, "headers"),
            ({"headers": {f"h{number}": "" for number in range(61)}}, "headers"),
            ({"payload": {}}, "payload"),
            ({"payload": "é" * 33_000}, "payload"),
            ({"payload": None}, "payload"),
            ({"colour": "red"}, "colour"),
        ],
    )
    def test_bad_input_names_its_field(
        self, merchant_client: MerchantClient, changes: dict[str, Any], param: str
    ) -> None:
        asked = {"provider": "velocitypay", "headers": {}, "payload": "{}", **changes}
        refused = merchant_client.post(HOOKS, asked)
        assert (refused.status_code, refused.json()["param"]) == (400, param)


class TestVerify:
    def test_a_genuine_one(self, shop: Shop, unknown: dict[str, Any]) -> None:
        callback = told(shop, unknown)
        found = good(shop.client.post(f"{HOOKS}verify-signature", message(callback), key=None), 200)
        assert (found["valid"], found["fault"]) == (True, None)
        assert (found["event_id"], found["type"]) == (callback.event_id, "authorization.authorized")
        assert not ProviderWebhook.objects.filter(event_id=callback.event_id).exists()

    @pytest.mark.parametrize(
        ("name", "value", "fault"),
        [
            ("webhook-id", "", "header_missing"),
            ("webhook-timestamp", "noon", "timestamp_malformed"),
            ("webhook-timestamp", "1", "too_old"),
            ("webhook-timestamp", "99999999999", "too_new"),
            ("webhook-signature", "v1,AAAA", "signature_wrong"),
        ],
    )
    def test_says_what_is_wrong(
        self, shop: Shop, unknown: dict[str, Any], name: str, value: str, fault: str
    ) -> None:
        callback = told(shop, unknown)
        asked = message(callback, headers={**callback.headers(), name: value})
        found = good(shop.client.post(f"{HOOKS}verify-signature", asked, key=None), 200)
        assert (found["valid"], found["fault"], found["event_id"]) == (False, fault, None)
        assert found["detail"]

    def test_signed_and_not_readable(self, merchant_client: MerchantClient, network: Network) -> None:
        found = merchant_client.post(f"{HOOKS}verify-signature", message(Callback("evt_1", b"[]")), key=None)
        assert found.json()["fault"] == "unreadable"


class TestShow:
    def test_its_body_is_masked(self, shop: Shop, unknown: dict[str, Any]) -> None:
        asked = message(told(shop, unknown))
        made = good(shop.client.post(HOOKS, asked), 201)
        number = cards.number()
        ProviderWebhook.objects.filter(event_id=made["event_id"]).update(
            body=json.dumps({"id": made["event_id"], "card": {"number": number}}).encode()
        )
        shown = good(shop.client.get(f"{HOOKS}{made['id']}"), 200)
        assert {name: shown[name] for name in made} == made
        assert json.loads(shown["payload"])["id"] == made["event_id"]
        assert number not in repr(shown)
        assert asked["headers"]["webhook-signature"] not in repr(shown)
        assert shown["headers"]["webhook-id"] == made["event_id"]

    def test_another_merchant_s_is_none(self, shop: Shop, unknown: dict[str, Any]) -> None:
        made = good(shop.client.post(HOOKS, message(told(shop, unknown))), 201)
        other = MerchantClient(factory.create_api_key(factory.create_merchant("Southwind"))[1])
        assert other.get(f"{HOOKS}{made['id']}").status_code == 404


class TestProcess:
    def test_applies_what_waits_and_then_changes_nothing(self, shop: Shop, unknown: dict[str, Any]) -> None:
        kept = good(shop.client.post(HOOKS, message(told(shop, unknown))), 201)
        done = good(shop.client.post(f"{HOOKS}{kept['id']}/process", {}), 200)
        assert (done["status"], done["next_attempt_at"]) == ("applied", None)
        assert shop.payment(unknown["id"])["status"] == "authorized"
        assert good(shop.client.post(f"{HOOKS}{kept['id']}/process", {}), 200) == done

    def test_is_refused_while_somebody_applies_it(self, shop: Shop, unknown: dict[str, Any]) -> None:
        kept = good(shop.client.post(HOOKS, message(told(shop, unknown))), 201)
        until = clock.now().replace(year=2099)
        ProviderWebhook.objects.filter(pk=parse("whk", kept["id"])).update(lease_until=until)
        refused = shop.client.post(f"{HOOKS}{kept['id']}/process", {})
        assert (refused.status_code, refused.json()["code"]) == (409, "webhook_busy")
        assert refused.json()["retryable"] is True

    def test_a_dead_letter_is_to_be_retried(
        self, merchant_client: MerchantClient, dead: ProviderWebhook
    ) -> None:
        refused = merchant_client.post(f"{HOOKS}{dead.public_id}/process", {})
        assert (refused.status_code, refused.json()["code"]) == (409, "state_conflict")


class TestRetry:
    def test_applies_a_dead_letter_whose_operation_is_there_now(
        self, shop: Shop, unknown: dict[str, Any]
    ) -> None:
        kept = good(shop.client.post(HOOKS, message(told(shop, unknown))), 201)
        row = ProviderWebhook.objects.get(pk=parse("whk", kept["id"]))
        row.fail("nobody knew", clock.now())
        row.save()
        listed = good(shop.client.get(f"{HOOKS}errors"), 200)["data"]
        assert [(one["id"], one["last_error"]) for one in listed] == [(kept["id"], "nobody knew")]
        done = good(shop.client.post(f"{HOOKS}{kept['id']}/retry", {"reason": "now it is there"}), 200)
        assert (done["status"], done["last_error"]) == ("applied", None)
        assert shop.payment(unknown["id"])["status"] == "authorized"
        noted = AuditRecord.objects.get(action="provider_webhook.retried", object_id=kept["id"])
        assert noted.reason == "now it is there"

    def test_in_bulk_takes_the_oldest_of_the_merchant_s_own(
        self, merchant_client: MerchantClient, northwind: Merchant
    ) -> None:
        payment = rows.captured_payment(northwind)
        mine = [rows.webhook_about(payment) for _ in range(3)]
        foreign = rows.webhook_about(rows.captured_payment(factory.create_merchant("Southwind")))
        asked = {"provider": "velocitypay", "limit": 2}
        found = good(merchant_client.post(f"{HOOKS}auto-retry", asked), 202)
        assert found == {"object": "webhook_retries", "scheduled": 2, "left": 1}
        assert [state_of(row) for row in (*mine, foreign)] == ["received", "received", "failed", "failed"]
        assert ProviderWebhook.objects.get(pk=mine[0].pk).tries == 0

    @pytest.mark.parametrize("limit", [0, 501, "many", True])
    def test_in_bulk_is_bounded(self, merchant_client: MerchantClient, limit: Any) -> None:
        refused = merchant_client.post(f"{HOOKS}auto-retry", {"limit": limit})
        assert (refused.status_code, refused.json()["param"]) == (400, "limit")


class TestLists:
    def test_show_nothing_that_is_not_understood(self, merchant_client: MerchantClient) -> None:
        waiting = rows.webhook_about(rows.captured_payment(factory.create_merchant("Southwind")))
        ProviderWebhook.objects.filter(pk=waiting.pk).update(merchant=None, operation=None)
        for name in ("errors", "unprocessed"):
            assert good(merchant_client.get(f"{HOOKS}{name}"), 200)["data"] == []

    def test_are_paged_and_filtered(self, merchant_client: MerchantClient, northwind: Merchant) -> None:
        payment = rows.captured_payment(northwind)
        kept = [rows.webhook_about(payment) for _ in range(3)]
        first = good(merchant_client.get(f"{HOOKS}errors?limit=2&provider=velocitypay"), 200)
        assert [row["id"] for row in first["data"]] == [row.public_id for row in (kept[2], kept[1])]
        rest = good(merchant_client.get(first["next"]), 200)
        assert [row["id"] for row in rest["data"]] == [kept[0].public_id]
        for query in ("type=capture.declined", "provider=stripe", "status=applied"):
            assert good(merchant_client.get(f"{HOOKS}errors?{query}"), 200)["data"] == []
        for query in ("status=lost", "colour=red", "limit=0", "type=%00"):
            assert merchant_client.get(f"{HOOKS}errors?{query}").status_code == 400

    def test_of_a_payment_need_the_payment(self, merchant_client: MerchantClient) -> None:
        foreign = rows.create_payment(factory.create_merchant("Southwind"))
        assert isinstance(foreign, Payment)
        assert merchant_client.get(f"{HOOKS}payment/{foreign.public_id}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "", "write"), ("GET", "unprocessed", "read"), ("GET", "errors", "read"),
        ("GET", "whk_01kagm3c8qf3p8w0t5y5r4d2nh", "read"), ("POST", "auto-retry", "write"),
        ("POST", "verify-signature", "write"),
    ],
)  # fmt: skip
def test_each_needs_its_scope(northwind: Merchant, method: str, path: str, scope: str) -> None:
    other = "write" if scope == "read" else "read"
    _, secret = factory.create_api_key(northwind, scopes=[f"webhooks:{other}", "payments:write"])
    refused = MerchantClient(secret).send(method, f"{HOOKS}{path}", {})
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")


def state_of(row: ProviderWebhook) -> str:
    return ProviderWebhook.objects.values_list("state", flat=True).get(pk=row.pk)
