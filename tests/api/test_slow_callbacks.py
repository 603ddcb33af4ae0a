"""Senders that are slow or hang up, over real sockets: nothing of theirs is believed, others are served."""

import socket
import threading
from typing import Any
from urllib.parse import urlsplit

import pytest

from payments.models import ProviderWebhook
from tests.factories import payments as rows
from tests.kit.callbacks import URL, Callback, said_of
from vendors.models import Merchant

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("signed")]

PIECES = 12


@pytest.fixture
def callback(northwind: Merchant) -> Callback:
    return said_of(rows.create_operation(rows.captured_payment(northwind), "void", "void:x"))


def head(callback: Callback, server: Any) -> bytes:
    given = {
        **callback.headers(),
        "host": urlsplit(server.url).netloc,
        "content-type": "application/json",
        "content-length": str(len(callback.body)),
        "connection": "close",
    }
    lines = [f"POST {URL} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def connect(server: Any) -> socket.socket:
    address = urlsplit(server.url)
    # From a network of its own: what these commit must not count against the others'.
    return socket.create_connection(
        (address.hostname, address.port), timeout=10, source_address=("127.77.0.1", 0)
    )


def answer_of(connection: socket.socket) -> bytes:
    found = b""
    while piece := connection.recv(65_536):
        found += piece
    return found


def test_one_who_sends_in_drops_is_heard_to_the_end(live_server: Any, callback: Callback) -> None:
    pause = threading.Event()
    with connect(live_server) as slow, connect(live_server) as quick:
        slow.sendall(head(callback, live_server))
        size = len(callback.body) // PIECES + 1
        for start in range(0, len(callback.body), size):
            slow.sendall(callback.body[start : start + size])
            pause.wait(0.02)
            if start == 0:  # meanwhile another is served
                other = Callback("evt_none", b"{}")
                quick.sendall(head(other, live_server) + other.body)
                assert b" 401 " in answer_of(quick)
        assert b" 200 " in answer_of(slow)
    assert ProviderWebhook.objects.get(event_id=callback.event_id).is_verified


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_one_who_hangs_up_is_not_believed(live_server: Any, callback: Callback, share: float) -> None:
    with connect(live_server) as cut:
        cut.sendall(head(callback, live_server) + callback.body[: int(share * len(callback.body))])
        cut.shutdown(socket.SHUT_WR)
        answer = answer_of(cut)
    assert b" 401 " in answer or b" 400 " in answer
    assert not ProviderWebhook.objects.filter(event_id=callback.event_id, is_verified=True).exists()
