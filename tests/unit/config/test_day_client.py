"""The day's HTTP client: what may be repeated is repeated with the same key, and nothing for ever."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from config.day.client import Api, NoAnswer, Refused


class ScriptedServer(ThreadingHTTPServer):
    """Gives the scripted answers one after the other, the last one for ever, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[tuple[int, dict[str, str], Any]] = []
        self.asked: list[tuple[str, str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length).decode()
        self.server.asked.append((self.path, self.headers.get("Idempotency-Key", ""), body))
        script = self.server.script
        status, headers, content = script.pop(0) if len(script) > 1 else script[0]
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture
def api(server: ScriptedServer) -> Iterator[Api]:
    api = Api(server.url, "sk_test_x", connections=2, patience_seconds=3)
    yield api
    api.close()


@pytest.mark.parametrize(
    "trouble",
    [
        (503, {}, {"code": "unavailable"}),
        (500, {}, b"<html>"),
        (502, {}, b""),
        (429, {"Retry-After": "0"}, {"code": "rate_limited"}),
        (409, {"Retry-After": "0"}, {"code": "request_in_progress", "retryable": True}),
        (200, {}, b'{"half": '),
    ],
)
def test_passing_trouble_is_sat_out_with_the_same_key(server: ScriptedServer, api: Api, trouble: Any):
    server.script = [trouble, (201, {"Idempotency-Replayed": "true"}, {"id": "pay_1"})]
    answer = api.post("/x", {"a": 1}, "key-0001")
    assert (answer.status, answer.body, answer.is_replay) == (201, {"id": "pay_1"}, True)
    assert server.asked == [("/x", "key-0001", '{"a":1}')] * 2


@pytest.mark.parametrize("status", [400, 402, 404, 409, 422])
def test_a_refusal_is_an_answer(server: ScriptedServer, api: Api, status: int):
    server.script = [(status, {}, {"code": "no", "detail": "why", "retryable": False})]
    answer = api.post("/x", {}, "key-0001")
    assert (answer.status, answer.code) == (status, "no")
    with pytest.raises(Refused, match=r"POST /x: .* no why"):
        api.make("/x", {}, "key-0001")


def test_patience_ends(server: ScriptedServer, api: Api):
    server.script = [(503, {"Retry-After": "1"}, {})]
    with pytest.raises(NoAnswer, match=r"GET /x: no final answer in 3 s \(HTTP 503\)"):
        api.get("/x")


def test_a_house_that_is_not_there_is_named():
    api = Api("http://127.0.0.1:9", "k", connections=1, patience_seconds=0.2)
    with pytest.raises(NoAnswer, match="ConnectError"):
        api.get("/x")


def test_all_pages_are_read(server: ScriptedServer, api: Api):
    server.script = [
        (200, {}, {"data": [{"id": "a"}, {"id": "b"}], "has_more": True}),
        (200, {}, {"data": [{"id": "c"}], "has_more": False}),
    ]
    assert [row["id"] for row in api.pages("/list")] == ["a", "b", "c"]
    assert [path for path, _, _ in server.asked] == ["/list?limit=100", "/list?limit=100&starting_after=b"]
