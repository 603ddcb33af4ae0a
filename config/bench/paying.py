"""What the REST API is measured by: payments in one call and in three, reads, each beside a bare baseline.

A payment is one call that screens it, splits it over two vendors, authorizes and captures it (one question
to the sandbox network), or three calls: create, authorize and capture. The baseline is `config.bench.bare`,
served the same way on the same database and called by the same client.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from django.db import connection

from config import grants, house, servers
from config.bench.load import Figures, Work, measure, offer
from config.bench.shop import Shop
from config.bench.wire import Refused, Wire
from ledger import clock, ids

START_SECONDS = 30.0
PAYMENTS: Final = "/api/v1/payments/core/"
PAID: Final = "captured"
OPEN: Final = "processing"  # nobody knows yet: 202, and a job asks


def pay_at_once(url: str, shop: Shop, clients: int, seconds: float) -> Figures:
    """Measure, closed, payments that are created, screened, authorized and captured by one call each."""
    return measure(_at_once(url, shop, {201: PAID}), clients, seconds)


def pay_at_rate(url: str, shop: Shop, rate: float, seconds: float, senders: int) -> Figures:
    """Measure, open, the same at a rate; a payment that the network leaves in doubt is one, too (202).

    The answers are (status, payment's id, whether it is known to be paid).
    """
    return offer(_at_once(url, shop, {201: PAID, 202: OPEN}), rate, seconds, senders)


def pay(url: str, shop: Shop, clients: int, seconds: float) -> Figures:
    """Measure, closed, create, authorize and capture of one payment after another on each connection."""

    def make(number: int) -> Work:
        wire = _wire(url, shop)

        def work() -> None:
            order = f"bench-{number}-{ids.uuid7()}"
            payment = wire.send("POST", PAYMENTS, shop.body(order), 201, {"Idempotency-Key": order})
            path = f"{PAYMENTS}{payment['id']}"
            wire.send("PUT", f"{path}/authorize", {}, 200, {"Idempotency-Key": f"{order}-a"})
            wire.send("PUT", f"{path}/capture", {}, 200, {"Idempotency-Key": f"{order}-c"})

        return work

    return measure(make, clients, seconds)


def read(url: str, shop: Shop, payment_ids: list[str], clients: int, seconds: float) -> Figures:
    """Measure, closed, payments read by their id, in turn."""

    def make(number: int) -> Work:
        wire, turn = _wire(url, shop), _turn(payment_ids, number)
        return lambda: wire.send("GET", f"{PAYMENTS}{next(turn)}", None, 200)

    return measure(make, clients, seconds)


def insert(url: str, clients: int, seconds: float) -> Figures:
    """Measure a baseline of writing, closed: one POST there, one INSERT. The answers are the rows' ids."""
    path = urlsplit(url).path

    def make(number: int) -> Work:
        wire, body = Wire(url, {}), {"order_id": f"bench-{number}", "amount": 1999, "currency": "USD"}
        return lambda: wire.send("POST", path, body, 201)["id"]

    return measure(make, clients, seconds)


def read_bare(url: str, rows: list[int], clients: int, seconds: float) -> Figures:
    """Measure a baseline of reading, closed: one GET below this address, one SELECT by key."""
    path = urlsplit(url).path

    def make(number: int) -> Work:
        wire, turn = Wire(url, {}), _turn(rows, number)
        return lambda: wire.send("GET", f"{path}/{next(turn)}", None, 200)

    return measure(make, clients, seconds)


def _at_once(url: str, shop: Shop, expected: dict[int, str]) -> Callable[[int], Work]:
    def make(number: int) -> Work:
        wire = _wire(url, shop)

        def work() -> tuple[int, str, bool]:
            order = f"bench-{number}-{ids.uuid7()}"
            body = shop.body(order, at_once=True)
            status, payment = wire.ask("POST", PAYMENTS, body, {"Idempotency-Key": order})
            if status < 500 and (status not in expected or payment["status"] != expected[status]):
                raise Refused(f"a payment was answered {status}: {str(payment)[:300]}")
            return status, payment.get("id", ""), status == 201

        return work

    return make


def _wire(url: str, shop: Shop) -> Wire:
    return Wire(url, {"Authorization": f"Bearer {shop.key}"})


def _turn(values: list[Any], number: int) -> Iterator[Any]:
    while True:
        yield values[number % len(values)]
        number += 7


@contextmanager
def bare_server() -> Iterator[str]:
    """Serve the baseline as the house serves itself; its table is there for the length of the block."""
    with grants.as_owner(), connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bench_bare")
        cursor.execute(
            """CREATE TABLE bench_bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                order_id text NOT NULL, amount bigint NOT NULL, currency char(3) NOT NULL);
                GRANT SELECT, INSERT ON bench_bare TO PUBLIC"""
        )
    port = servers.reserve_port(None)
    process = subprocess.Popen(
        [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "config.bench.bare:application",
         "--host", "127.0.0.1", "--port", str(port), "--workers", str(house.WEB_WORKERS),
         "--blocking-threads", str(house.WEB_THREADS), "--no-access-log", "--log-level", "warning"],
        env={name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
    )  # fmt: skip
    try:
        _await_answer(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
        with grants.as_owner(), connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS bench_bare")


def _await_answer(url: str) -> None:
    deadline = clock.monotonic() + START_SECONDS
    while clock.monotonic() < deadline:
        try:
            httpx.get(url, timeout=1)
        except httpx.TransportError:
            continue
        return
    raise Refused(f"the baseline server did not answer on {url}")
