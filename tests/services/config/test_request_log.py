"""One canonical line for each request, with an id that the caller sees."""

import json
import re

import pytest

pytestmark = pytest.mark.django_db


@pytest.fixture
def log(caplog):
    """Return a function that gives the canonical lines written so far."""
    caplog.set_level("INFO", logger="everycent.request")
    return lambda: [r.msg for r in caplog.records if r.name == "everycent.request"]


def test_an_id_is_made_and_answered(client):
    assert re.fullmatch(r"req_[a-km-np-r]{32}", client.get("/healthz").headers["X-Request-Id"])


def test_a_good_id_of_the_caller_is_kept(client):
    assert (
        client.get("/healthz", headers={"X-Request-Id": "abc-12345"}).headers["X-Request-Id"] == "abc-12345"
    )


@pytest.mark.parametrize(
    "bad", ["short", "x" * 65, "a b c d e f g", "line\nbreak--", "é" * 10, "4242424242424242"]
)
def test_an_odd_id_is_replaced(client, bad):
    assert client.get("/healthz", headers={"X-Request-Id": bad}).headers["X-Request-Id"].startswith("req_")


def test_the_line_has_route_status_and_time_but_no_path(client, log):
    client.get(
        "/api/v1/payments/core/pay_nobody?card=4242424242424242", headers={"Idempotency-Key": "secret-key-1"}
    )
    (line,) = log()
    assert line["event"] == "request"
    assert line["method"] == "GET"
    assert line["status"] in (401, 403, 404)
    assert line["ms"] >= 0
    assert re.fullmatch(r"[0-9a-f]{16}", line["idempotency_key_hash"])
    text = json.dumps(line, default=str)
    for secret in ("4242", "secret-key-1", "pay_nobody"):
        assert secret not in text


def test_health_is_not_logged(client, log):
    client.get("/healthz")
    client.get("/metrics")
    assert log() == []


def test_every_answer_has_a_content_policy(client):
    assert "default-src 'self'" in client.get("/admin/login/").headers["Content-Security-Policy"]
    assert client.get("/api/v1/none").headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_requests_are_counted_by_route(client):
    client.get("/admin/login/")
    text = client.get("/metrics").content.decode()
    assert 'everycent_requests_total{method="GET",route="admin/login/",status="200"}' in text
