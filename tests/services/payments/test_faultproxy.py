"""The TCP fault proxy, and what the provider's transport makes of each of its faults."""

import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Iterator

import pytest

from config.servers import free_port
from ledger.money import Money
from payments.providers import registry
from payments.providers.outcomes import Approved, NotFound, NotSent, Unknown
from payments.providers.requests import AuthorizeRequest
from tests.kit.faultproxy import FaultProxy
from tests.kit.network import Network, eventually

PRICE = Money(1999, "USD")


class Echo:
    """A server that answers each piece with itself, and remembers everything."""

    def __init__(self) -> None:
        self.received = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65_536):
                self.received += piece
                connection.sendall(piece)


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[FaultProxy]:
    with FaultProxy("127.0.0.1", echo.port) as made:
        yield made


def connect(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=30)


class TestTheProxy:
    def test_passes_everything_on(self, proxy):
        with connect(proxy) as client:
            client.sendall(b"hello")
            assert client.recv(100) == b"hello"
        assert not proxy.hits

    def test_delays(self, proxy):
        proxy.latency(0.1)
        with connect(proxy) as client:
            started = time.monotonic()
            client.sendall(b"hello")
            assert client.recv(100) == b"hello"
            assert time.monotonic() - started >= 0.2
        assert proxy.hits["latency"] == 2

    def test_is_down_and_comes_back_on_the_same_port(self, proxy):
        with connect(proxy) as open_one:
            open_one.sendall(b"x")
            open_one.recv(1)
            proxy.down()
            with pytest.raises(ConnectionResetError):
                open_one.recv(1)
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
        proxy.heal()
        with connect(proxy) as client:
            client.sendall(b"again")
            assert client.recv(100) == b"again"
        assert proxy.hits["down"] == 1

    def test_swallows_everything(self, proxy, echo):
        proxy.blackhole()
        with connect(proxy) as client:
            client.sendall(b"hello")
            eventually(lambda: proxy.hits["blackhole"], "the proxy swallows it")
            client.settimeout(0.5)
            with pytest.raises(TimeoutError):
                client.recv(1)
        assert echo.received == b""
        assert proxy.hits["blackhole"] == 1

    def test_swallows_replies_only(self, proxy, echo):
        proxy.drop_replies()
        with connect(proxy) as client:
            client.sendall(b"hello")
            eventually(lambda: proxy.hits["drop_replies"], "the proxy swallows it")
            client.settimeout(0.5)
            with pytest.raises(TimeoutError):
                client.recv(1)
        assert echo.received == b"hello"
        assert proxy.hits["drop_replies"] == 1

    def test_resets(self, proxy, echo):
        proxy.rst()
        with connect(proxy) as client:
            client.sendall(b"hello")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        assert echo.received == b""
        assert proxy.hits["rst"] == 1

    def test_cuts_after_bytes_that_were_delivered_even_in_two_pieces(self, proxy, echo):
        proxy.cut_after(b"COMMIT")
        with connect(proxy) as client:
            client.sendall(b"BEGIN; COM")
            assert client.recv(100) == b"BEGIN; COM"
            client.sendall(b"MIT; more")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        assert echo.received == b"BEGIN; COMMIT; more"
        assert proxy.hits["cut_after"] == 1
        with connect(proxy) as client:
            client.sendall(b"COMMIT")
            assert client.recv(100) == b"COMMIT"

    def test_resets_when_nobody_is_behind_it(self):
        with FaultProxy("127.0.0.1", free_port()) as proxy:
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                with connect(proxy) as client:
                    client.sendall(b"hello")
                    client.recv(1)


class TestTheTransportThroughIt:
    @pytest.fixture
    def wire(self, network: Network, settings) -> Iterator[FaultProxy]:
        with FaultProxy("127.0.0.1", network.port) as made:
            settings.VELOCITYPAY_URL = f"http://127.0.0.1:{made.port}"
            registry.reset()
            yield made

    def test_refused_connection_is_not_sent(self, network, wire):
        wire.down()
        assert self._authorize(network) == NotSent("connect_error", None)
        assert wire.hits["down"] == 1

    def test_reset_is_unknown(self, network, wire):
        wire.rst()
        outcome = self._authorize(network)
        assert isinstance(outcome, Unknown)
        assert outcome.reason in ("read_error", "remote_protocol_error")
        assert wire.hits["rst"] == 1

    def test_swallowed_request_is_unknown_and_found_to_be_nothing(self, network, wire):
        wire.blackhole()
        key = f"op_{uuid.uuid4()}"
        assert self._authorize(network, key) == Unknown("read_timeout")
        assert wire.hits["blackhole"] >= 1
        wire.heal()
        assert registry.provider().find(key, PRICE) == NotFound()

    def test_swallowed_answer_is_unknown_and_found(self, network, wire):
        wire.drop_replies()
        key = f"op_{uuid.uuid4()}"
        assert self._authorize(network, key) == Unknown("read_timeout")
        assert wire.hits["drop_replies"] >= 1
        wire.heal()
        assert isinstance(registry.provider().find(key, PRICE), Approved)

    def test_cut_answer_is_unknown_and_found(self, network, wire):
        wire.cut_after(b'"token"')
        key = f"op_{uuid.uuid4()}"
        assert isinstance(self._authorize(network, key), Unknown)
        assert wire.hits["cut_after"] == 1
        assert isinstance(registry.provider().find(key, PRICE), Approved)

    def test_unknown_host_is_not_sent(self, network, settings):
        token = network.card()["token"]
        settings.VELOCITYPAY_URL = "http://no-such-host.invalid"
        registry.reset()
        assert self._ask(token, "op_unknown-host") == NotSent("connect_error", None)

    def test_failed_tls_is_not_sent(self, network, settings):
        token = network.card()["token"]
        settings.VELOCITYPAY_URL = network.url.replace("http:", "https:")
        registry.reset()
        assert self._ask(token, "op_plain-http") == NotSent("connect_error", None)

    def test_breaker_opens_and_says_not_sent(self, network, wire):
        token = network.card()["token"]
        wire.down()
        outcomes = [self._ask(token, f"op_{uuid.uuid4()}") for _ in range(25)]
        assert outcomes[19] == NotSent("connect_error", None)
        assert isinstance(outcomes[20], NotSent)
        assert outcomes[20].reason == "breaker_open"
        assert 0 < (outcomes[20].retry_after_seconds or 0) <= 10

    def _authorize(self, network: Network, key: str = "") -> object:
        return self._ask(network.card()["token"], key or f"op_{uuid.uuid4()}")

    def _ask(self, token: str, key: str) -> object:
        return registry.provider().authorize(AuthorizeRequest(key, PRICE, "pay_proxy", token))
