"""kill -9 of web and worker at every crash point of live processes: each fires, and nothing shows of it.

All points of one flow are armed together and as many customers pay at once, so that a kill also takes the
work of others with it. All of it belongs to `make storm`, for leases must run out: the fast suite kills
processes of its own at each point (the other files here).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config import api as routes
from ledger import crashpoints
from tests.chaos.story import LEASES_SECONDS, Teller, assert_at_rest, teller
from tests.chaos.tales import STORY, TALES, TOLD_BEFORE, Tale, went_elsewhere
from tests.kit.house import running_house
from tests.kit.polling import eventually

CUSTOMERS_MIN = 3
SPARE = 5
MIXTURE = ("authorize.after_call", "capture.after_call", "refund.after_call", "transfer.after_call")

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("chaos")]


@pytest.fixture(scope="module")
def northwind() -> Iterator[Teller]:
    with running_house() as house, teller(house, "Northwind") as told:
        yield told


# Neither the story nor a tale tells of these; processes die at them in files of their own.
ELSEWHERE = {
    "archive.": "test_archive_crash_points.py",
    "vault.": "test_vault_crash_points.py",
    "verify.": "test_vault_crash_points.py",
    "deposit.": "test_vault_crash_points.py",
    "account_": "test_account_crash_points.py",
    "saga_": "test_saga_crash_points.py",
    "bank_": "test_bank_file_crash_points.py",
}


def flows() -> dict[str, list[str]]:
    """Return all points by flow; the controllers are imported, so every flow has registered its own."""
    assert routes.ROUTES
    found: dict[str, list[str]] = {}
    for point in sorted(crashpoints.registry):
        if not point.startswith(tuple(ELSEWHERE)):
            found.setdefault(point.partition(".")[0], []).append(point)
    return found


def kill_at(told: Teller, name: str, points: list[str], tale: Tale = STORY, more: int = 0) -> None:
    house = told.house
    names = [f"{name}-{number}" for number in range(max(CUSTOMERS_MIN, len(points)) + more)]
    for point in points:
        house.arm(point)
    with house.mended():
        tale.tell(told, names)
        eventually(
            lambda: all(house.has_fired(point) for point in points),
            seconds=LEASES_SECONDS,
            what=lambda: f"these points to kill: {[p for p in points if not house.has_fired(p)]}",
        )
        assert_at_rest(house)
    for story in names:
        tale.check(told, story)


def test_kills_after_the_network_acted_change_nothing(northwind: Teller):
    kill_at(northwind, "mixture", list(MIXTURE))


@pytest.mark.parametrize("flow", sorted(flows()))
def test_kills_at_every_point_of_a_flow_change_nothing(northwind: Teller, flow: str):
    kill_at(northwind, flow, flows()[flow], TALES.get(flow, STORY))


def test_kills_while_a_decline_is_told_before_it_is_answered_change_nothing(northwind: Teller):
    """The callback is quicker than the failover (D-144): who lives goes on, who is killed ends as told.

    Where no web process is there to be told, the answer comes too late, and after unknown nobody goes on:
    so there are more customers than points.
    """
    kill_at(northwind, "told-first", flows()["failover"], TOLD_BEFORE, more=SPARE)
    living = [f"told-and-alive-{number}" for number in range(CUSTOMERS_MIN)]
    TOLD_BEFORE.tell(northwind, living)
    assert_at_rest(northwind.house)
    for name in living:
        TOLD_BEFORE.check(northwind, name)
    assert any(went_elsewhere(northwind, name) for name in living)


def test_every_flow_has_its_points():
    expected = {"request", "create", "authorize", "capture", "void", "refund", "transfer", "webhook"}
    assert expected <= flows().keys()
    assert TALES.keys() <= flows().keys()


def test_what_is_killed_elsewhere_is_there():
    for start, file in ELSEWHERE.items():
        assert start.rstrip("._") in (Path(__file__).parent / file).read_text()
