"""One request and its answer on a kept connection, against servers that say exactly what a test wants."""

import socket
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager, suppress

import pytest

from payments.providers import wires
from payments.providers.errors import NotDelivered, Unanswered
from payments.providers.wires import Address, Timeouts, Wires

FIELDS = {"host": "provider", "content-length": "0"}
GOOD = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'  # fmt: skip
CLOSE = None  # a script's word for ending the connection


class Scripted:
    """A server that answers each request with the next pieces of its script; it counts connections."""

    def __init__(self, *script: Sequence[bytes | float | None]) -> None:
        self._script = list(script)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self.requests: list[bytes] = []
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError):  # the client has left
            self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        while self._script:
            asked = connection.recv(65_536)
            if not asked:
                return
            self.requests.append(asked)
            for piece in self._script.pop(0):
                if piece is CLOSE:
                    connection.shutdown(socket.SHUT_RDWR)
                    connection.close()
                    return
                if isinstance(piece, float):
                    time.sleep(piece)
                else:
                    connection.sendall(piece)

    def close(self) -> None:
        with suppress(OSError):  # closed already
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()


@contextmanager
def served(*script, keep_seconds=20.0, read=1.0, connections=2):
    server = Scripted(*script)
    client = Wires(
        connections=connections,
        keep_seconds=keep_seconds,
        timeouts=Timeouts(connect=0.3, write=1.0, read=read, total=3.0),
        trusted=ssl.create_default_context(),
    )

    def ask(fields=FIELDS, *, body_max_bytes=1_000, seconds=3.0, scheme="http"):
        address = Address(scheme, "127.0.0.1", server.port, "/v1/things?a=1")
        return client.ask(
            "POST", address, fields, b"", body_max_bytes=body_max_bytes, deadline=time.monotonic() + seconds
        )

    try:
        yield server, ask
    finally:
        client.close()
        server.close()


def test_asks_on_one_connection_as_long_as_it_is_good():
    with served([GOOD], [GOOD], [GOOD]) as (server, ask):
        answers = [ask() for _ in range(3)]
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"{}")] * 3
    assert server.connections == 1
    assert server.requests[0] == (
        b"POST /v1/things?a=1 HTTP/1.1\r\nhost: provider\r\ncontent-length: 0\r\n\r\n"
    )


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 100 Continue\r\nRetry-After: 9\r\n\r\n" + GOOD],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"],
        [bytes([byte]) for byte in GOOD],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 0002\r\nConnection: keep-alive\r\n\r\n{", b"}"],
    ],
    ids=["interim", "chunks", "bytes", "pieces"],
)
def test_reads_an_answer_however_it_comes(pieces):
    with served(pieces, [GOOD]) as (server, ask):
        answer = ask()
        assert (answer.status, answer.body) == (200, b"{}")
        assert "retry-after" not in answer.fields
        assert ask().body == b"{}"
    assert server.connections == 1


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\n\r\n{", b"}", CLOSE],
        [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", CLOSE],
        [b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", CLOSE],
        [GOOD + b"and more"],
        [GOOD + b"HTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\n!"],
        [GOOD, CLOSE],
    ],
    ids=["until the end", "closed", "old", "noise", "a second answer", "ended at rest"],
)
def test_a_connection_with_anything_odd_is_not_used_again(pieces):
    with served(pieces, [GOOD]) as (server, ask):
        answer = ask()
        assert (answer.status, answer.body) == (200, b"{}")
        assert ask().status == 200
    assert server.connections == 2
    assert len(server.requests) == 2


def test_what_comes_unasked_is_no_answer_to_the_next_request():
    with served([GOOD, 0.05, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"], [GOOD]) as (server, ask):
        assert ask().body == b"{}"
        time.sleep(0.2)
        assert ask().body == b"{}"
    assert server.connections == 2


def test_a_rest_that_was_too_long_ends_a_connection():
    with served([GOOD], [GOOD], keep_seconds=0.0) as (server, ask):
        assert [ask().status, ask().status] == [200, 200]
    assert server.connections == 2


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        ([CLOSE], "remote_protocol_error"),
        ([b"HTTP/1.1 200 OK\r\nContent-Le", CLOSE], "remote_protocol_error"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", CLOSE], "remote_protocol_error"),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", CLOSE],
            "remote_protocol_error",
        ),
        ([b"SSH-2.0-OpenSSH_9.9\r\n"], "remote_protocol_error"),
        (
            [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"],
            "remote_protocol_error",
        ),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"], "remote_protocol_error"),
        ([b"HTTP/1.1 101 On\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"], "remote_protocol_error"),
        ([b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000], "remote_protocol_error"),
        ([b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"], "encoded_body"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 1_001], "body_too_large"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", 0.5], "read_timeout"),
        ([0.5], "read_timeout"),
    ],
)
def test_what_is_no_answer_leaves_the_question_open(pieces, reason):
    with served(pieces, [GOOD], read=0.2) as (server, ask):
        with pytest.raises(Unanswered) as caught:
            ask()
        assert caught.value.reason == reason
        assert ask().status == 200
    assert server.connections == 2  # nothing was sent twice, and the connection was left
    assert len(server.requests) == 2


def test_trailers_without_end_are_not_read():
    trailers = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 60_000
    with served([trailers, 0.3]) as (_, ask), pytest.raises(Unanswered) as caught:
        ask()
    assert caught.value.reason == "remote_protocol_error"


def test_an_answer_that_drips_is_not_waited_for():
    drops = [drop for _ in range(40) for drop in (b"x", 0.05)]
    with served([b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n", *drops], read=0.2) as (_, ask):
        began = time.monotonic()
        with pytest.raises(Unanswered) as caught:
            ask(seconds=0.3)
        assert time.monotonic() - began < 1.5
    assert caught.value.reason == "total_timeout"


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\x00", "ä"])
def test_a_field_cannot_begin_another(value):
    with served([GOOD]) as (server, ask):
        with pytest.raises(NotDelivered) as caught:
            ask({**FIELDS, "idempotency-key": value})
        assert caught.value.reason == "local_protocol_error"
        assert server.connections == 0


def test_who_is_not_there_got_nothing():
    with served() as (server, ask):
        server.close()
        with pytest.raises(NotDelivered) as caught:
            ask()
    assert caught.value.reason == "connect_error"


def test_who_does_not_speak_tls_got_nothing():
    with served([b"HTTP/1.1 400 What\r\n\r\n", CLOSE]) as (_, ask), pytest.raises(NotDelivered) as caught:
        ask(scheme="https")
    assert caught.value.reason == "connect_error"


def test_another_protocol_is_refused():
    with served() as (_, ask), pytest.raises(Unanswered) as caught:
        ask(scheme="ftp")
    assert caught.value.reason == "unsupported_protocol"


def test_no_more_are_asked_at_once_than_there_are_connections():
    with served([0.6, GOOD], connections=1) as (_, ask):
        first = threading.Thread(target=ask)
        first.start()
        time.sleep(0.1)
        with pytest.raises(NotDelivered) as caught:
            ask()
        first.join()
    assert caught.value.reason == "pool_timeout"


def test_the_first_of_two_fields_counts():
    answer = b"HTTP/1.1 503 No\r\nRetry-After: 3\r\nretry-after: 9\r\nContent-Length: 0\r\n\r\n"
    with served([answer]) as (_, ask):
        assert ask().fields["retry-after"] == "3"
    assert wires.HEAD_MAX_BYTES == 100_000
