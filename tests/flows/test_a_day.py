"""Days through live processes, from the card to the bank line: one with every kind of order, and real orders.

All share one house, which takes half a minute of the machine to build; Northwind's orders come last.
"""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from config.day.generator import plan_day
from config.day.money_math import major_text
from config.day.shapes import Kind, Order
from tests.kit import databases
from tests.kit.house import House, running_house
from tests.kit.shared import shared_file

SIZE = 40
SEED = 7
NORTHWIND_SECONDS_MAX = 180.0
PAID_KINDS = set(Kind) - {
    Kind.DECLINED, Kind.CARD_TESTER, Kind.OVER_LIMIT, Kind.ACH_RETURNED, Kind.SEPA_RETURNED
}  # fmt: skip

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("house")]


@pytest.fixture(scope="module")
def house(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    database = None
    if databases.is_copied():
        with django_db_blocker.unblock():
            database = databases.copy_for_a_house(tmp_path_factory.getbasetemp().parent)
    with running_house(database) as house:
        yield house


PROVIDERS = ("velocitypay", "stripe", "paypal", "adyen", "ach", "sepa")


@pytest.fixture(scope="module")
def taken(house: House) -> str:
    """Take the day, once for all who look at it, and return what was printed."""
    return take_day(house)


def take_day(house: House, *more: str) -> str:
    return house.manage("run_day", "--size", str(SIZE), "--seed", str(SEED), *more)


def book(house: House, day: int = 1) -> dict[str, Any]:
    name = f"seed-{SEED}-orders-{SIZE}-day-{day}.json"
    found: dict[str, Any] = json.loads((Path(house.folder) / "daybook" / name).read_text())
    return found


def take_file(house: House, orders: Path) -> tuple[str, dict[str, Any]]:
    """Take a file of orders; return what was printed, and the book of it."""
    shelf = Path(house.folder) / "daybook"
    before = set(shelf.glob("file-*.json"))
    printed = house.manage("run_day", "--orders", str(orders))
    (file,) = set(shelf.glob("file-*.json")) - before
    return printed, json.loads(file.read_text())


def paid(orders: tuple[Order, ...]) -> list[Order]:
    return [order for order in orders if order.kind in PAID_KINDS]


def test_a_day_ends_with_its_proof(house: House, taken: str):
    printed = taken
    assert "FAIL" not in printed
    assert f"seed {SEED}" in printed
    assert "ok    every payout, bank line and balance is explained to the outside" in printed
    assert ", unexplained 0.00)" in printed
    for provider in PROVIDERS:
        agrees = re.search(
            rf"ok    {provider}'s truth is ours, by amount, currency and fee \((\d+) op", printed
        )
        assert agrees
        assert int(agrees[1]) > 0
    assert "ok    a payment that went to another provider was authorized at that one only" in printed
    payers = house.select("SELECT provider, count(*) FROM settlements_match WHERE report <> '' GROUP BY 1")
    assert {provider for provider, count in payers if count} == set(PROVIDERS)
    found = book(house)
    assert found["holds"]
    orders = plan_day(SEED, 1, SIZE).orders
    currencies = found["figures"]["currencies"]
    for currency in {order.currency for order in orders}:
        mine = [order for order in orders if order.currency == currency]
        line = currencies[currency]
        assert line["orders"] == len(mine)
        assert line["gross"] == sum(order.amount_minor for order in paid(tuple(mine)))
        assert line["provider_fees"] > 0
        assert line["commission"] > 0
        earned = line["gross"] - line["refunded"] - line["commission"]
        assert line["paid_out"] + line["pending"] == earned
    assert sum(line["declined_orders"] + line["in_review_orders"] for line in currencies.values()) == (
        SIZE - len(paid(orders))
    )


@pytest.mark.usefixtures("taken")
def test_a_finished_day_is_not_repeated(house: House):
    before = house.select("SELECT count(*), max(id::text) FROM payments_payment")
    printed = take_day(house)
    assert "taken before, not repeated" in printed
    assert "every order has one payment" in printed
    assert house.select("SELECT count(*), max(id::text) FROM payments_payment") == before


@pytest.mark.slow
@pytest.mark.usefixtures("taken")
def test_a_day_whose_book_was_lost_comes_to_the_same_figures(house: House):
    first = book(house)
    payments = house.select("SELECT count(*) FROM payments_payment")
    for file in (Path(house.folder) / "daybook").glob("*.json"):
        file.unlink()
    assert "FAIL" not in take_day(house)
    assert book(house)["figures"] == first["figures"]
    assert house.select("SELECT count(*) FROM payments_payment") == payments


@pytest.mark.slow
@pytest.mark.usefixtures("taken")
def test_the_next_day_has_other_customers_and_its_own_book(house: House):
    assert "FAIL" not in take_day(house, "--days", "2")
    first, second = book(house, 1), book(house, 2)
    assert first["business_date"] <= second["business_date"]
    assert first["figures"] != second["figures"]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("--days", "two"), "--days must be a whole number"),
        (("--seed", "-1"), "--seed must be a whole number"),
        (("--size", "3"), "--size must be a whole number from 19"),
        (("--orders", "/no/such/file.csv"), "cannot read the orders file"),
        (("--orders", __file__), "must name each of these columns once"),
        (("--orders", "x.csv", "--days", "2"), "leave DAYS out"),
    ],
)
def test_bad_arguments_are_refused(arguments: tuple[str, ...], advice: str):
    with pytest.raises(CommandError, match=re.escape(advice)):
        call_command("run_day", *arguments)


def test_a_bad_argument_ends_with_one_line(house: House):
    printed = house.manage("run_day", "--days", "0", check=False)
    assert printed.strip() == "CommandError: --days must be a whole number from 1 to 366, not '0'"


def test_an_orders_file_is_reported_line_by_line_and_the_rest_is_paid(house: House, tmp_path: Path):
    from tests.unit.config.test_orders_csv import write

    rows = [
        {"order_id": "A-1", "vendor_id": "v-1"},
        {"order_id": "A-1", "vendor_id": "v-2", "line_no": "2", "unit_price": "0.335", "quantity": "1"},
        {"order_id": "A-2", "quantity": "-12"},
        {"order_id": "A-3", "customer_id": ""},
    ]
    printed, found = take_file(house, write(tmp_path / "orders.csv", rows))
    assert "FAIL" not in printed
    assert "line 4: order A-2: quantity -12 is negative" in printed
    assert "line 5: order A-3: customer_id is missing" in printed
    assert found["figures"]["currencies"]["USD"]["gross"] == 16_800 + 34
    assert {name: line["USD"]["gross"] for name, line in found["figures"]["vendors"].items()} == {
        "v-1": 16_800,
        "v-2": 34,
    }


def test_all_of_northwind_comes_out_as_its_truth_says(house: House):
    truth = json.loads(shared_file("data/orders/northwind_truth.json").read_text())
    began = time.monotonic()
    printed, found = take_file(house, shared_file("data/orders/northwind_orders.csv"))
    seconds = time.monotonic() - began
    assert "FAIL" not in printed
    figures = found["figures"]
    total = figures["currencies"]["USD"]
    assert total["orders"] == truth["orders"]
    assert total["declined_orders"] == total["in_review_orders"] == 0
    assert major_text(total["gross"], 2) == truth["net_lines_rounded_half_up"]
    assert total["paid_out"] == total["gross"] - total["commission"]
    assert {vendor: major_text(lines["USD"]["gross"], 2) for vendor, lines in figures["vendors"].items()} == {
        f"NWV-{int(number):02d}": amount for number, amount in truth["net_by_supplier"].items()
    }
    assert seconds < NORTHWIND_SECONDS_MAX
