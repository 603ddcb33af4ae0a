"""Killing things during the day changes no figure of the day book."""

import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.kit.house import House, running_house
from tests.kit.polling import eventually

SIZE = 60
SEED = 11
ROUNDS = 4

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("chaos")]
DAY = ("run_day", "--size", str(SIZE), "--seed", str(SEED))


def figures(house: House) -> dict[str, Any]:
    name = f"seed-{SEED}-orders-{SIZE}-day-1.json"
    found: dict[str, Any] = json.loads((Path(house.folder) / "daybook" / name).read_text())
    return found["figures"]


def payments(house: House) -> int:
    try:
        return int(house.select("SELECT count(*) FROM payments_payment")[0][0])
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
    """Start the day, and at four moments kill the day itself and, each time, something else with it."""
    blows = [
        lambda: house.kill("web"),
        house.restart_postgres,
        house.wipe_broker,
        lambda: [house.kill(name) for name in house.names()],
    ]
    killed = 0
    with house.mended():
        for number, blow in enumerate(blows, start=1):
            day = house.begin(*DAY)
            target = number * SIZE // (ROUNDS + 1) - random.Random(number).randrange(3)
            eventually(
                lambda target=target, day=day: payments(house) >= target or day.poll() is not None,
                seconds=120,
                what=f"{target} payments",
            )
            blow()
            os.killpg(day.pid, signal.SIGKILL)
            killed += day.wait() == -signal.SIGKILL
    return killed
