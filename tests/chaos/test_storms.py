"""Whole parts of the house fall while it works: PostgreSQL, the broker, web, workers, the network.

Each test proves that its fault happened, then that nothing is lost, doubled or unknown.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.chaos.story import Teller, assert_at_rest, teller
from tests.kit.house import House, running_house
from tests.kit.polling import eventually

STORIES = 6
BLOWS = 3

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("chaos")]


@pytest.fixture(scope="module")
def northwind() -> Iterator[Teller]:
    with running_house() as house, teller(house, "Northwind") as told:
        yield told


@contextmanager
def blows(blow: Callable[[], None], done: Callable[[], int]) -> Iterator[list[int]]:
    """Strike each time when more of the work was done, until the block ends; yields when it struck."""
    struck: list[int] = []
    is_over = threading.Event()

    def strike() -> None:
        while not is_over.wait(0.1) and len(struck) < BLOWS:
            now = done()
            if now > (struck[-1] if struck else 0):
                blow()
                struck.append(now)

    thread = threading.Thread(target=strike, daemon=True)
    thread.start()
    try:
        yield struck
    finally:
        is_over.set()
        thread.join(60)


def live_through(told: Teller, name: str, blow: Callable[[], None]) -> None:
    """Let several customers pay at once while `blow` strikes; then settle and check everything."""
    names = [f"{name}-{number}" for number in range(STORIES)]
    done: list[str] = []
    with told.house.mended(), blows(blow, lambda: len(done)) as struck:
        told.live(names, done.append)
        assert len(struck) == BLOWS, "the fault did not happen often enough"
        assert_at_rest(told.house)
    for story in names:
        told.check(story)


def test_postgresql_is_stopped_dead_in_mid_load(northwind: Teller):
    live_through(northwind, "postgres", northwind.house.restart_postgres)


def test_the_broker_is_wiped_in_mid_load(northwind: Teller):
    lost: list[int] = []
    live_through(northwind, "broker", lambda: lost.append(northwind.house.wipe_broker()))
    assert sum(lost) > 0


@pytest.mark.parametrize(
    "program", ["web", "worker-money", "worker-callbacks", "worker-other", "beat", "network", "valkey"]
)
def test_a_program_is_killed_in_mid_load(northwind: Teller, program: str):
    live_through(northwind, f"kill-{program}", lambda: northwind.house.kill(program))


FAULTS = {
    "late": ("capture", ["timeout_after"] * 3, "timeout_after"),
    "never_asked": ("capture", ["timeout_before"] * 3, "timeout_before"),
    "lost": ("refund", ["reset_after"] * 3, "reset_after"),
    "half": ("authorize", ["truncated_json"] * 3, "truncated_json"),
    "page": ("capture", ["html_200"] * 3, "html_200"),
    "error": ("transfer", ["500_after"] * 2, "500_after"),
    "busy": ("capture", ["429:1"] * 3, "429"),
    "twice": ("capture", ["dup_webhook:4"] * 6, "dup_webhook"),
    "reordered": ("authorize", ["reorder"] * 3, "reorder"),
    "early": ("capture", ["webhook_first"] * 3, "webhook_first"),
    "silent": ("refund", ["pending_then_ok+no_webhook"] * 3, "no_webhook"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_network_misbehaves(northwind: Teller, fault: str):
    operation, script, proof = FAULTS[fault]
    house = northwind.house
    before = hits(house).get(proof, 0)
    with house.network() as network:
        network.delete("/sim/faults").raise_for_status()
        body: dict[str, Any] = {"match": {"operation": operation}, "faults": script}
        network.post("/sim/faults", json=body).raise_for_status()
    names = [f"net-{fault}-{number}" for number in range(3)]
    with house.mended():
        northwind.live(names)
        assert_at_rest(house)
    for story in names:
        northwind.check(story)
    assert hits(house).get(proof, 0) > before, "the fault never happened"


def hits(house: House) -> dict[str, int]:
    """Return how often each fault has fired at the network."""
    found: dict[str, int] = {}

    def ask() -> bool:
        nonlocal found
        with house.network() as network:
            found = network.get("/sim/faults").json()["hits"]
        return True

    eventually(ask, seconds=10, what="the network's operator to answer")
    return found
