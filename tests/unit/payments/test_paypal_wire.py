"""PayPal's access token: asked for once, kept until shortly before its end, forgotten when it is refused."""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from payments.providers.errors import NotDelivered, Unanswered
from payments.providers.paypal.wire import TOKEN_PATH, Wire
from payments.providers.transport import Reply


class Web:
    """PayPal, as far as tokens go."""

    def __init__(self) -> None:
        self.given = 0
        self.seconds: object = 600
        self.sent: list[dict[str, str]] = []
        self.statuses: list[int] = []
        self.refusal: Exception | Reply | None = None

    def send(self, _operation: str, _method: str, path: str, **more: Any) -> Reply:
        if path != TOKEN_PATH:
            self.sent.append(more["headers"])
            return Reply(self.statuses.pop(0) if self.statuses else 200, {}, b"{}")
        assert more["headers"]["authorization"] == f"Basic {base64.b64encode(b'me:secret').decode()}"
        if isinstance(self.refusal, Exception):
            raise self.refusal
        if self.refusal is not None:
            return self.refusal
        self.given += 1
        return Reply(200, {"access_token": f"token-{self.given}", "expires_in": self.seconds}, b"")


@pytest.fixture
def web():
    return Web()


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def wire(web, clock):
    return Wire(web, "me", "secret", lambda: clock[0])


def test_one_token_serves_many_requests(wire, web):
    for _ in range(3):
        wire.send("find", "GET", "/v2/x", key="op_1")
    assert web.given == 1
    assert {headers["authorization"] for headers in web.sent} == {"Bearer token-1"}
    assert web.sent[0]["paypal-request-id"] == "op_1"


def test_many_threads_ask_for_one_token(wire, web):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: wire.send("find", "GET", "/v2/x"), range(40)))
    assert web.given == 1


def test_a_token_is_renewed_a_minute_before_its_end(wire, web, clock):
    wire.send("find", "GET", "/v2/x")
    clock[0] = 539.0
    wire.send("find", "GET", "/v2/x")
    assert web.given == 1
    clock[0] = 540.0
    wire.send("find", "GET", "/v2/x")
    assert web.given == 2


def test_a_refused_token_is_forgotten(wire, web):
    web.statuses = [401, 200]
    assert wire.send("capture", "POST", "/v2/x", body={}).status == 401
    wire.send("capture", "POST", "/v2/x", body={})
    assert [headers["authorization"] for headers in web.sent] == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize("seconds", [None, "soon", -1, 0, 30, True])
def test_a_token_without_a_lifetime_is_good_for_one_request(wire, web, seconds):
    web.seconds = seconds
    wire.send("find", "GET", "/v2/x")
    wire.send("find", "GET", "/v2/x")
    assert web.given == 2


@pytest.mark.parametrize(
    "refusal",
    [
        Unanswered("read_timeout"),
        NotDelivered("connect_error"),
        Reply(401, {"error": "invalid_client"}, b""),
        Reply(503, None, b""),
        Reply(200, {"access_token": ""}, b""),
        Reply(200, {"access_token": "a\r\nx: y"}, b""),
        Reply(200, None, b"<html>"),
    ],
)
def test_without_a_token_nothing_was_asked(wire, web, refusal):
    web.refusal = refusal
    with pytest.raises(NotDelivered):
        wire.send("capture", "POST", "/v2/x", body={})
    assert web.sent == []
