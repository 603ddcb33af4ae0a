"""A small day with every kind of order, through live processes, from the card to the bank line."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.day.generator import plan_day
from config.day.shapes import Kind, Order
from tests.kit.house import House, running_house

SIZE = 40
SEED = 7
PAID_KINDS = set(Kind) - {Kind.DECLINED, Kind.CARD_TESTER, Kind.OVER_LIMIT}

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("house")]


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with running_house() as house:
        yield house


PROVIDERS = ("velocitypay", "stripe", "paypal")


def take_day(house: House, *more: str) -> str:
    return house.manage("run_day", "--size", str(SIZE), "--seed", str(SEED), *more)


def book(house: House, day: int = 1) -> dict[str, Any]:
    name = f"seed-{SEED}-orders-{SIZE}-day-{day}.json"
    found: dict[str, Any] = json.loads((Path(house.folder) / "daybook" / name).read_text())
    return found


def paid(orders: tuple[Order, ...]) -> list[Order]:
    return [order for order in orders if order.kind in PAID_KINDS]


def test_a_day_ends_with_its_proof(house: House):
    printed = take_day(house)
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


def test_a_finished_day_is_not_repeated(house: House):
    take_day(house)
    before = house.select("SELECT count(*), max(id::text) FROM payments_payment")
    printed = take_day(house)
    assert "taken before, not repeated" in printed
    assert "every order has one payment" in printed
    assert house.select("SELECT count(*), max(id::text) FROM payments_payment") == before


@pytest.mark.slow
def test_a_day_whose_book_was_lost_comes_to_the_same_figures(house: House):
    take_day(house)
    first = book(house)
    payments = house.select("SELECT count(*) FROM payments_payment")
    for file in (Path(house.folder) / "daybook").glob("*.json"):
        file.unlink()
    assert "FAIL" not in take_day(house)
    assert book(house)["figures"] == first["figures"]
    assert house.select("SELECT count(*) FROM payments_payment") == payments


@pytest.mark.slow
def test_the_next_day_has_other_customers_and_its_own_book(house: House):
    take_day(house)
    assert "FAIL" not in take_day(house, "--days", "2")
    first, second = book(house, 1), book(house, 2)
    assert first["business_date"] <= second["business_date"]
    assert first["figures"] != second["figures"]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("--days", "0"), "--days must be a whole number from 1 to 366"),
        (("--days", "two"), "--days must be a whole number"),
        (("--seed", "-1"), "--seed must be a whole number"),
        (("--size", "3"), "--size must be a whole number from 15"),
        (("--orders", "/no/such/file.csv"), "cannot read the orders file"),
        (("--orders", __file__), "must name each of these columns once"),
        (("--orders", "x.csv", "--days", "2"), "leave DAYS out"),
    ],
)
def test_bad_arguments_end_with_one_line(house: House, arguments: tuple[str, ...], advice: str):
    printed = house.manage("run_day", *arguments, check=False)
    assert advice in printed
    assert "Traceback" not in printed


def test_an_orders_file_is_reported_line_by_line_and_the_rest_is_paid(house: House, tmp_path: Path):
    from tests.unit.config.test_orders_csv import write

    rows = [
        {"order_id": "A-1", "vendor_id": "v-1"},
        {"order_id": "A-1", "vendor_id": "v-2", "line_no": "2", "unit_price": "0.335", "quantity": "1"},
        {"order_id": "A-2", "quantity": "-12"},
        {"order_id": "A-3", "customer_id": ""},
    ]
    printed = house.manage("run_day", "--orders", str(write(tmp_path / "orders.csv", rows)))
    assert "FAIL" not in printed
    assert "line 4: order A-2: quantity -12 is negative" in printed
    assert "line 5: order A-3: customer_id is missing" in printed
    files = (Path(house.folder) / "daybook").glob("file-*.json")
    found = json.loads(next(files).read_text())
    assert found["figures"]["currencies"]["USD"]["gross"] == 16_800 + 34
    assert {name: line["USD"]["gross"] for name, line in found["figures"]["vendors"].items()} == {
        "v-1": 16_800,
        "v-2": 34,
    }
