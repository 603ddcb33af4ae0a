from datetime import timedelta
from itertools import chain

import pytest

from ledger import clock
from ledger.models import AuditRecord
from tests.factories import vendors as factory
from tests.kit.api_client import MerchantClient
from tests.kit.queries import statement_budget, statements
from vendors.api import throttle
from vendors.models import ApiKey, IdempotencyKey, Vendor

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.kit.probe")]
PROBES = "/api/v1/probes/"


def problem(response, status, code):
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    body = response.json()
    assert (body["status"], body["code"]) == (status, code), body
    assert {"type", "title", "detail", "param", "advice", "retryable", "request_id", "doc_url"} <= body.keys()
    assert body["request_id"] == response["X-Request-Id"]
    return body


class TestWhoIsCalling:
    def test_refuses_a_caller_without_a_key(self):
        response = MerchantClient(None).get(PROBES)
        problem(response, 401, "not_authenticated")
        assert response["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize(
        "header",
        ["Bearer", "Bearer ", "Basic c2s6", "Bearer sk_test_abcdefghijkl_x", "Bearer é", "sk_test_x", "\x00"],
    )
    def test_refuses_what_is_no_key(self, header):
        problem(MerchantClient(None, Authorization=header).get(PROBES), 401, "authentication_failed")

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"revoked_at": factory.AT}, "api_key_revoked"),
            ({"expires_at": factory.AT}, "api_key_expired"),
        ],
    )
    def test_refuses_a_key_that_has_ended(self, northwind, fields, code):
        key, plaintext = factory.create_api_key(northwind)
        ApiKey.objects.filter(pk=key.pk).update(**fields)
        problem(MerchantClient(plaintext).get(PROBES), 401, code)

    def test_lets_a_key_in_until_its_last_moment(self, northwind):
        key, plaintext = factory.create_api_key(northwind)
        ApiKey.objects.filter(pk=key.pk).update(expires_at=clock.now() + timedelta(minutes=5))
        assert MerchantClient(plaintext).get(PROBES).status_code == 200

    def test_refuses_an_inactive_merchant(self):
        merchant = factory.create_merchant(is_active=False)
        problem(MerchantClient(factory.create_api_key(merchant)[1]).get(PROBES), 403, "merchant_inactive")

    def test_refuses_a_key_without_the_scope_and_keeps_that(self, northwind):
        key, plaintext = factory.create_api_key(northwind, ["vendors:read"])
        client = MerchantClient(plaintext)
        assert client.get(PROBES).status_code == 200
        problem(client.post(PROBES), 403, "scope_missing")
        record = AuditRecord.objects.get(actor_id=key.public_id, action="access.refused")
        assert (record.outcome, record.merchant_id) == ("refused", northwind.pk)
        assert record.after == {"request": f"POST {PROBES}"}

    def test_refuses_an_action_that_names_no_scope(self, merchant_client):
        problem(merchant_client.get("/api/v1/probes/unlisted"), 403, "forbidden")

    def test_notes_when_a_key_was_used(self, northwind):
        key, plaintext = factory.create_api_key(northwind)
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=None)
        MerchantClient(plaintext).get(PROBES)
        key.refresh_from_db()
        assert clock.now() - key.last_used_at < timedelta(seconds=30)


class TestEveryAnswer:
    def test_names_version_limits_and_request(self, merchant_client):
        response = merchant_client.get(PROBES)
        assert response["Everycent-Version"] == "2026-11-01"
        assert response["Cache-Control"] == "no-store"
        assert int(response["RateLimit-Limit"]) > 0
        assert {"RateLimit-Remaining", "RateLimit-Reset", "X-Request-Id"} <= set(response.headers)

    def test_takes_the_version_that_there_is_and_no_other(self, merchant_client):
        assert merchant_client.get(PROBES, **{"Everycent-Version": "2026-11-01"}).status_code == 200
        problem(merchant_client.get(PROBES, **{"Everycent-Version": "1999-01-01"}), 400, "version_unknown")

    def test_is_the_same_with_and_without_the_slash(self, merchant_client):
        assert merchant_client.get(PROBES).content == merchant_client.get("/api/v1/probes").content

    def test_unknown_paths_are_problems(self, merchant_client):
        for path in ("/api/", "/api/v1/nothing", "/api/v9/probes/", "/api/v1/probes/a/b/..;/c"):
            problem(merchant_client.get(path), 404, "unknown_route")

    def test_other_methods_are_405_with_allow(self, merchant_client):
        response = merchant_client.send("DELETE", PROBES, key=None)
        problem(response, 405, "method_not_allowed")
        assert set(response["Allow"].split(", ")) == {"GET", "HEAD", "POST"}
        problem(merchant_client.send("OPTIONS", PROBES, key=None), 405, "method_not_allowed")

    def test_ignores_method_overrides(self, merchant_client):
        response = merchant_client.get(PROBES, **{"X-HTTP-Method-Override": "DELETE"})
        assert (response.status_code, response.json()["object"]) == (200, "list")

    @pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*"])
    def test_other_representations_are_406(self, merchant_client, accept):
        problem(merchant_client.get(PROBES, Accept=accept), 406, "not_acceptable")

    @pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html, application/*;q=0.5", ""])
    def test_json_is_served_to_who_accepts_it(self, merchant_client, accept):
        assert merchant_client.get(PROBES, Accept=accept).status_code == 200

    @pytest.mark.parametrize(
        "kind",
        [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/xml",
            "",
        ],
    )
    def test_other_bodies_are_415(self, merchant_client, kind):
        problem(
            merchant_client.post(PROBES, b'{"name":"Ada"}', **{"Content-Type": kind}),
            415,
            "unsupported_media_type",
        )

    def test_a_body_without_a_length_is_411(self, northwind, merchant_client):
        response = merchant_client.post(PROBES, b"", **{"Transfer-Encoding": "chunked"})
        problem(response, 411, "length_required")
        assert not Vendor.objects.filter(merchant=northwind).exists()

    def test_a_large_body_is_413_before_it_is_read_to_its_end(self, merchant_client):
        problem(merchant_client.post(PROBES, b'{"note":"' + b"x" * 10**6 + b'"}'), 413, "body_too_large")

    def test_a_defect_is_500_without_its_inside(self, merchant_client, caplog):
        body = problem(merchant_client.post(PROBES, {"outcome": "broken"}), 500, "internal_error")
        assert "broken" not in str(body)
        assert "RuntimeError" in caplog.text

    def test_a_service_that_is_away_is_503_with_retry_after(self, merchant_client):
        response = merchant_client.post(PROBES, {"outcome": "away"})
        assert problem(response, 503, "probe_away")["retryable"] is True
        assert response["Retry-After"] == "7"


class TestThrottle:
    def test_answers_429_when_the_bucket_is_empty(self, merchant_client, settings):
        plenty = {"per_second": 9, "burst": 9}
        settings.API_RATE_LIMITS = {"read": {"per_second": 0.01, "burst": 3}, "write": plenty}
        answers = [merchant_client.get(PROBES) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0", "0"]
        body = problem(answers[-1], 429, "rate_limited")
        assert body["retryable"] is True
        assert 90 <= int(answers[-1]["Retry-After"]) <= 100
        assert merchant_client.post(PROBES).status_code == 201

    def test_lets_payments_go_on_when_valkey_is_away(self, merchant_client, monkeypatch):
        away = throttle.Throttle("redis://127.0.0.1:1/0", 2)
        monkeypatch.setattr(throttle, "shared", lambda: away)
        assert merchant_client.post(PROBES).status_code == 201


class TestStatements:
    def test_the_desk_costs_one_statement_on_a_read(self, merchant_client):
        with statement_budget(1):
            merchant_client.get("/api/v1/probes/x")

    def test_the_desk_costs_three_statements_on_a_write(self, merchant_client):
        with statements() as found:
            merchant_client.post(PROBES)
        own = [sql for sql in found.sent if "apikey" in sql or "idempotencykey" in sql]
        assert len(own) == 3, own

    @pytest.mark.parametrize(("key", "own"), [(None, ["apikey", "key_stands"]), ("a-key-of-1", ["apikey"])])
    def test_a_key_is_judged_again_where_no_claim_does_so(self, merchant_client, key, own):
        with statements() as found:
            merchant_client.put("/api/v1/probes/x", key=key)
        looks = [sql for sql in found.sent if "apikey" in sql or "key_stands" in sql]
        looks = [sql for sql in looks if "idempotencykey" not in sql]  # the claim, which asks it, too
        assert len(looks) == len(own), looks
        assert all(word in sql for word, sql in zip(own, looks, strict=True))

    def test_a_replay_costs_the_claim_and_one_look(self, merchant_client):
        merchant_client.post(PROBES, key="replayed-1")
        with statement_budget(3):
            merchant_client.post(PROBES, key="replayed-1")

    def test_a_malformed_request_claims_nothing(self, northwind, merchant_client):
        with statement_budget(1):
            problem(merchant_client.post(PROBES, {"amount": "1"}), 400, "invalid_request")
        assert not IdempotencyKey.objects.filter(merchant=northwind).exists()
        assert not Vendor.objects.filter(merchant=northwind).exists()


class TestPages:
    def test_go_from_the_newest_to_the_oldest_without_gap_or_repeat(self, northwind, merchant_client):
        made = [factory.create_vendor(northwind, rate_bps=None).public_id for _ in range(5)]
        seen, path = [], f"{PROBES}?limit=2"
        while path:
            page = merchant_client.get(path).json()
            seen.append([row["id"] for row in page["data"]])
            assert page["has_more"] is (page["next"] is not None)
            path = page["next"]
        assert [len(rows) for rows in seen] == [2, 2, 1]
        assert list(chain.from_iterable(seen)) == made[::-1]

    @pytest.mark.parametrize("limit", ["0", "-1", "101", "10000000", "x", "1.5", "٣", "", "1_0", "+1", " 1"])
    def test_refuse_a_bad_limit(self, merchant_client, limit):
        body = problem(merchant_client.get(f"{PROBES}?limit={limit}"), 400, "invalid_request")
        assert body["param"] == "limit"

    def test_refuse_a_forged_a_foreign_and_an_unknown_cursor(self, merchant_client):
        foreign = factory.create_vendor(factory.create_merchant("Southwind")).public_id
        for cursor in ("x", "vnd_" + "0" * 26, "pay_" + foreign[4:], foreign, foreign.upper(), "%00"):
            body = problem(merchant_client.get(f"{PROBES}?starting_after={cursor}"), 400, "invalid_request")
            assert body["param"] == "starting_after"

    def test_refuse_unknown_and_repeated_parameters(self, merchant_client):
        assert problem(merchant_client.get(f"{PROBES}?page=2"), 400, "unknown_field")["param"] == "page"
        problem(merchant_client.get(f"{PROBES}?limit=1&limit=2"), 400, "unknown_field")

    def test_cost_the_same_for_one_row_and_for_many(self, northwind, merchant_client):
        factory.create_vendor(northwind, rate_bps=None)
        with statement_budget(2):
            merchant_client.get(PROBES)
        for _ in range(4):
            factory.create_vendor(northwind, rate_bps=None)
        with statement_budget(2):
            merchant_client.get(PROBES)

    def test_show_nothing_of_another_merchant(self, northwind):
        factory.create_vendor(northwind)
        other = MerchantClient(factory.create_api_key(factory.create_merchant("Southwind"))[1])
        assert other.get(PROBES).json()["data"] == []
