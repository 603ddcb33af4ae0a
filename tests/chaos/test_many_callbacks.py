"""Five thousand callbacks within ten seconds, as a provider sends them who was silent for a while.

They come at a constant rate, whatever becomes of them, while customers go on paying. What is not accepted is
delivered again, as providers do. The network keeps from the house what became of the captures, so that
the callbacks alone conclude them; each operation is told of several times, and some messages come twice.
"""

import itertools
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from config.bench.load import Figures, offer, percentile
from config.bench.wire import Wire
from config.day.means import customer_card
from payments.services.webhooks.webhook_applying import CONCLUDED, KNOWN
from payments.simulator.callbacks import sign
from tests.chaos.story import SHARE, Teller, assert_at_rest, order, teller
from tests.kit.house import House, running_house
from tests.kit.polling import eventually

CALLBACKS, WINDOW_SECONDS, SENDERS = 5_000, 10.0, 32
PAYMENTS = 500  # each is authorized and captured: two operations
EACH = CALLBACKS // (2 * PAYMENTS)
AGAIN = CALLBACKS // 20
CUSTOMERS, CALM_EACH, AT_ONCE = 3, 15, 12
# What two cores hold on which other work goes on; quiet ones are quicker (docs/storm.md).
SENT_WITHIN_SECONDS, DRAINED_WITHIN_SECONDS = 3 * WINDOW_SECONDS, 60.0
PROMPT_SECONDS = 15.0  # a second or two, on cores that are free
ACCEPTED, BUSY = 200, {429, 503}
OBJECTS = {"authorize": "authorization", "capture": "capture"}
PATH = "/webhooks/velocitypay/"

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("chaos")]


@dataclass(frozen=True)
class Letter:
    """One message of the network's: its id, what it says, and what signs it."""

    event_id: str
    event: dict[str, Any]
    headers: dict[str, str]


@dataclass
class Buyers:
    """Customers who pay one order after the other: their orders, and what each took in milliseconds."""

    told: Teller
    names: list[str] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)

    def buy(self, name: str) -> None:
        token = self.told.network.token(customer_card(name).as_network_body())
        body = order(
            name, SHARE, {self.told.vendors[0]: SHARE}, {"type": "card", "token": token}, "automatic"
        )
        began = time.monotonic()
        self.told.api.make("/api/v1/payments/core/", body, f"pay-{name}")
        self.took_ms.append((time.monotonic() - began) * 1000)
        self.names.append(name)

    def buy_some(self, names: list[str]) -> None:
        """Buy for each name, as many at once as there are customers."""
        with ThreadPoolExecutor(CUSTOMERS) as customers:
            list(customers.map(self.buy, names))

    @contextmanager
    def buying(self, name: str) -> Iterator[None]:
        """Buy again and again for the length of the block."""
        is_over = threading.Event()

        def go_on(customer: int) -> None:
            for number in itertools.count():
                if is_over.is_set():
                    return
                self.buy(f"{name}-{customer}-{number}")

        with ThreadPoolExecutor(CUSTOMERS) as customers:
            rounds = [customers.submit(go_on, customer) for customer in range(CUSTOMERS)]
            try:
                yield
            finally:
                is_over.set()
            for one in rounds:
                one.result()

    def __str__(self) -> str:
        half, most = percentile(tuple(self.took_ms), 0.5), max(self.took_ms)
        return f"{len(self.took_ms)} payments, half within {half:.0f} ms, all within {most:.0f} ms"


@pytest.fixture(scope="module")
def northwind() -> Iterator[Teller]:
    with running_house() as house, teller(house, "Northwind") as told:
        yield told


def test_five_thousand_callbacks_in_ten_seconds(northwind: Teller) -> None:
    house = northwind.house
    calm, stormy = Buyers(northwind), Buyers(northwind)
    calm.buy_some([f"calm-{number}" for number in range(CUSTOMERS * CALM_EACH)])
    names = [f"told-{number}" for number in range(PAYMENTS)]
    capture_in_doubt(northwind, names)
    letters = letters_about(northwind, names)
    assert open_captures(house) == PAYMENTS
    with stormy.buying("stormy"):
        sent, accepted = deliver(house, letters)
        ended = time.monotonic()
        eventually(
            lambda: waiting(house, letters) == 0,
            seconds=DRAINED_WITHIN_SECONDS,
            what=lambda: f"none of them to wait; there are {waiting(house, letters)}",
        )
        drained_seconds = time.monotonic() - ended
    answers = Counter(status for status, _ in sent.answers)
    sys.stderr.write(
        f"{sent.done} callbacks in {sent.seconds:.1f} s, answered {dict(answers)}, half within"
        f" {sent.percentile(0.5):.0f} ms, 99 % within {sent.percentile(0.99):.0f} ms; all applied"
        f" {drained_seconds:.1f} s later\nbefore: {calm}\nmeanwhile: {stormy}\n"
    )
    # The fault was there: so many, in so short a time.
    assert len(letters) == CALLBACKS
    assert sent.done == CALLBACKS + AGAIN
    assert sent.seconds < SENT_WITHIN_SECONDS
    # Each was answered honestly, kept once and applied once; they alone told of the captures.
    assert set(answers) <= {ACCEPTED, *BUSY}
    assert accepted == {letter.event_id for letter in letters}
    assert fates(house, letters) == {
        ("applied", CONCLUDED, 1): PAYMENTS,
        ("applied", KNOWN, 1): CALLBACKS - PAYMENTS,
    }
    # Customers were served meanwhile, and all money is where it belongs, once.
    assert len(stormy.names) > CUSTOMERS
    with house.network() as network:
        network.delete("/sim/faults").raise_for_status()
    assert_at_rest(house)
    assert_captured(northwind, {*names, *calm.names, *stormy.names})


def test_a_report_that_takes_long_delays_no_callback(northwind: Teller) -> None:
    """The worker of reports stands still, as one does whose report does not end."""
    house = northwind.house
    capture_in_doubt(northwind, ["beside-a-report"])
    letters = letters_about(northwind, ["beside-a-report"])
    wire = Wire(house.url, {})
    with house.held("worker-other"):
        for letter in letters:
            assert wire.ask("POST", PATH, letter.event, letter.headers)[0] == ACCEPTED
        eventually(lambda: open_captures(house) == 0, seconds=PROMPT_SECONDS, what="the capture to be known")
    with house.network() as network:
        network.delete("/sim/faults").raise_for_status()
    assert_at_rest(house)
    assert_captured(northwind, {"beside-a-report"})


def capture_in_doubt(told: Teller, names: list[str]) -> None:
    """Authorize and capture payments; the network takes its time, and neither calls nor can be asked."""

    def held(name: str) -> None:
        paid = told.pay(name, SHARE, {told.vendors[0]: SHARE}, capture="manual")
        answer = told.api.put(f"/api/v1/payments/core/{paid['id']}/capture", {}, f"capture-{name}")
        assert answer.status < 300, answer

    with told.house.network() as network:
        for operation, fault in (("capture", "pending_then_ok+no_webhook"), ("find", "500_before")):
            script = {"match": {"operation": operation}, "faults": [fault] * (20 * PAYMENTS)}
            network.post("/sim/faults", json=script).raise_for_status()
    with ThreadPoolExecutor(AT_ONCE) as customers:
        list(customers.map(held, names))


def open_captures(house: House) -> int:
    """Count the captures whose outcome nobody knows."""
    query = "SELECT count(*) FROM payments_provideroperation WHERE kind = 'capture' AND concluded_at IS NULL"
    return int(house.select(query)[0][0])


def letters_about(told: Teller, names: list[str]) -> list[Letter]:
    """Make what the network has to say of the operations of some orders, each several times, shuffled."""
    query = """SELECT o.idempotency_key FROM payments_provideroperation o
        JOIN payments_payment p ON p.id = o.payment_id WHERE p.order_ref = ANY(%s)"""
    ours = {key for (key,) in told.house.select(query, [f"order-{name}" for name in names])}
    rows: list[dict[str, Any]] = []

    def are_done() -> bool:
        rows[:] = [row for row in told.network.truth(1_000) if row["idempotency_key"] in ours]
        return len(rows) == len(ours) and all(row["status"] != "pending" for row in rows)

    eventually(are_done, seconds=30, what="the network to have done all")
    secret, at = told.house.environment["VELOCITYPAY_WEBHOOK_SECRET"], int(time.time())
    told_of = [row for number in range(EACH) for row in (rows if number % 2 else reversed(rows))]
    return [_letter(row, secret, at) for row in told_of]


def _letter(row: dict[str, Any], secret: str, at: int) -> Letter:
    operation = {**row, "object": OBJECTS[row["kind"]]}
    event_id = f"evt_{uuid4().hex}"
    event = {
        "id": event_id, "type": f"{operation['object']}.{row['status']}", "created": at,
        "data": {"operation": operation, "idempotency_key": row["idempotency_key"]},
    }  # fmt: skip
    headers = {
        "webhook-id": event_id, "webhook-timestamp": str(at),
        "webhook-signature": sign(secret, event_id, at, json.dumps(event).encode()),
    }  # fmt: skip
    return Letter(event_id, event, headers)


def deliver(house: House, letters: list[Letter]) -> tuple[Figures, set[str]]:
    """Send all within the window, some of them twice, at a constant rate; then again what was not accepted.

    Returns the figures of the first sending, with (status, event id) of each, and the ids of what was
    accepted in the end.
    """
    turns = iter([*letters, *letters[:: CALLBACKS // AGAIN]])

    def make(_: int) -> Callable[[], tuple[int, str]]:
        wire = Wire(house.url, {})

        def send() -> tuple[int, str]:
            letter = next(turns)
            return wire.ask("POST", PATH, letter.event, letter.headers)[0], letter.event_id

        return send

    sent = offer(make, (CALLBACKS + AGAIN) / WINDOW_SECONDS, WINDOW_SECONDS, SENDERS)
    accepted = {event_id for status, event_id in sent.answers if status == ACCEPTED}
    wire = Wire(house.url, {})

    def is_accepted(letter: Letter) -> bool:
        return wire.ask("POST", PATH, letter.event, letter.headers)[0] == ACCEPTED

    for letter in letters:
        if letter.event_id not in accepted:
            eventually(
                lambda letter=letter: is_accepted(letter), seconds=30, what="a callback to be accepted"
            )
            accepted.add(letter.event_id)
    return sent, accepted


def waiting(house: House, letters: list[Letter]) -> int:
    """Count those of these messages that are not applied; of the customers' own some wait at any time."""
    query = "SELECT count(*) FROM payments_providerwebhook WHERE state = 'received' AND event_id = ANY(%s)"
    return int(house.select(query, [letter.event_id for letter in letters])[0][0])


def fates(house: House, letters: list[Letter]) -> dict[tuple[str, str, int], int]:
    """Count what became of these messages, by state, verdict and tries."""
    query = """SELECT state, verdict, tries, count(*) FROM payments_providerwebhook
        WHERE event_id = ANY(%s) GROUP BY 1, 2, 3"""
    found = house.select(query, [letter.event_id for letter in letters])
    return {(state, verdict, tries): count for state, verdict, tries, count in found}


def assert_captured(told: Teller, names: set[str]) -> None:
    """Each order has one payment, authorized and captured once."""
    query = """SELECT order_ref, state, authorized_minor, captured_minor FROM payments_payment
        WHERE order_ref = ANY(%s)"""
    found = sorted(told.house.select(query, [f"order-{name}" for name in names]))
    assert found == sorted((f"order-{name}", "captured", SHARE, SHARE) for name in names)
