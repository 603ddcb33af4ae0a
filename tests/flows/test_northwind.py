"""Real orders: all 830 of Northwind through the whole house, to the cent of their truth, per vendor."""

import json
import time
from pathlib import Path

import pytest

from config.day.money_math import major_text
from tests.kit.house import running_house
from tests.kit.shared import shared_file

SECONDS_MAX = 180.0


@pytest.mark.timeout(400)
@pytest.mark.xdist_group("house")
def test_all_of_northwind_comes_out_as_its_truth_says():
    orders = shared_file("data/orders/northwind_orders.csv")
    truth = json.loads(shared_file("data/orders/northwind_truth.json").read_text())
    with running_house() as house:
        began = time.monotonic()
        printed = house.manage("run_day", "--orders", str(orders))
        seconds = time.monotonic() - began
        (file,) = (Path(house.folder) / "daybook").glob("file-*.json")
        figures = json.loads(file.read_text())["figures"]
    assert "FAIL" not in printed
    total = figures["currencies"]["USD"]
    assert total["orders"] == truth["orders"]
    assert total["declined_orders"] == total["in_review_orders"] == 0
    assert major_text(total["gross"], 2) == truth["net_lines_rounded_half_up"]
    assert total["paid_out"] == total["gross"] - total["commission"]
    assert {vendor: major_text(lines["USD"]["gross"], 2) for vendor, lines in figures["vendors"].items()} == {
        f"NWV-{int(number):02d}": amount for number, amount in truth["net_by_supplier"].items()
    }
    assert seconds < SECONDS_MAX
