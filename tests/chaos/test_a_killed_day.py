"""Killing things during the day changes no figure of the day book."""

import json
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.kit.house import House, running_house
from tests.kit.polling import eventually

SIZE = 60
SEED = 11
ROUNDS = 5

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("chaos")]
DAY = ("run_day", "--size", str(SIZE), "--seed", str(SEED))


def figures(house: House) -> dict[str, Any]:
    name = f"seed-{SEED}-orders-{SIZE}-day-1.json"
    found: dict[str, Any] = json.loads((Path(house.folder) / "daybook" / name).read_text())
    return found["figures"]


def count(house: House, table: str) -> int:
    """How many rows there are; none while PostgreSQL is away."""
    try:
        return int(house.select(f"SELECT count(*) FROM {table}")[0][0])
    except psycopg.Error:
        return 0


def test_killing_things_changes_no_figure():
    with running_house() as calm:
        assert "FAIL" not in calm.manage(*DAY)
        expected = figures(calm)
    with running_house() as wild:
        killed = live_through(wild)
        assert "FAIL" not in wild.manage(*DAY)
        assert figures(wild) == expected
    assert killed == ROUNDS


def live_through(house: House) -> int:
    """Start the day, and at five moments kill the day itself and, each time, something else with it.

    Four lie among the orders; at the fifth the bank has told of the debits by file.
    """

    def kill_all() -> None:
        for name in house.names():
            house.kill(name)

    blows = [lambda: house.kill("web"), house.restart_postgres, house.wipe_broker, kill_all]
    killed = 0
    with house.mended():
        for number, blow in enumerate(blows, start=1):
            target = number * SIZE // (len(blows) + 1) - random.Random(number).randrange(3)
            killed += strike(house, "payments_payment", target, blow)
        killed += strike(house, "payments_banknotice", 1, kill_all)
    return killed


def strike(house: House, table: str, rows: int, blow: Callable[[], object]) -> bool:
    """Begin the day; when a table has so many rows kill something and the day. Say whether it still ran."""
    day = house.begin(*DAY)
    eventually(
        lambda: count(house, table) >= rows or day.poll() is not None,
        seconds=300,
        what=f"{rows} rows of {table}",
    )
    blow()
    os.killpg(day.pid, signal.SIGKILL)
    return day.wait() == -signal.SIGKILL
