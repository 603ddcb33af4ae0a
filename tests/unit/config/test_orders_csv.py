"""The orders file: what can be paid is paid to the cent, the rest is named line by line."""

import csv
import json
import tracemalloc
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.day.money_math import line_minor, major_text, part_of
from config.day.order_lines import COLUMNS
from config.day.orders_csv import OrdersFileError, open_orders
from tests.kit.shared import shared_file

GOOD = {
    "order_id": "10248", "ordered_on": "1996-07-04", "customer_id": "VINET", "country": "France",
    "currency": "USD", "line_no": "1", "sku": "NW-011", "description": "Queso Cabrales",
    "category": "Dairy Products", "vendor_id": "ada", "vendor_name": "Ada", "quantity": "12",
    "unit_price": "14.00", "discount_rate": "0.00",
}  # fmt: skip


def write(path: Path, rows: Iterable[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows({**GOOD, **row} for row in rows)
    return path


def refusals(path: Path) -> list[tuple[int, str]]:
    with open_orders(path) as orders:
        return [(finding.line, finding.code) for finding in orders.refused()]


def totals(path: Path) -> dict[str, int]:
    with open_orders(path) as orders:
        return {order.ref: order.amount_minor for order in orders.orders()}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"quantity": "-12"}, "cancelled"),
        ({"quantity": "-0.5"}, "cancelled"),
        ({"quantity": ""}, "quantity_missing"),
        ({"quantity": "a dozen"}, "quantity_bad"),
        ({"quantity": "1e3"}, "quantity_bad"),
        ({"quantity": "NaN"}, "quantity_bad"),
        ({"quantity": "1,000"}, "quantity_bad"),
        ({"quantity": "\u0661\u0662"}, "quantity_bad"),
        ({"quantity": "9" * 13}, "quantity_bad"),
        ({"quantity": "0"}, "quantity_zero"),
        ({"unit_price": "0.00"}, "price_zero"),
        ({"unit_price": "-11062.06"}, "price_negative"),
        ({"unit_price": "$14"}, "unit_price_bad"),
        ({"unit_price": ""}, "unit_price_missing"),
        ({"unit_price": "0.0000001"}, "unit_price_bad"),
        ({"unit_price": "0.001", "quantity": "1"}, "amount_zero"),
        ({"unit_price": "999999999999", "quantity": "999"}, "amount_too_large"),
        ({"discount_rate": "1"}, "amount_zero"),
        ({"discount_rate": "1.01"}, "discount_bad"),
        ({"discount_rate": "-0.1"}, "discount_bad"),
        ({"discount_rate": "5%"}, "discount_rate_bad"),
        ({"customer_id": ""}, "customer_id_missing"),
        ({"customer_id": "   "}, "customer_id_missing"),
        ({"customer_id": "x" * 65}, "customer_id_too_long"),
        ({"customer_id": "a\x00b"}, "customer_id_unreadable"),
        ({"order_id": ""}, "order_id_missing"),
        ({"vendor_id": ""}, "vendor_id_missing"),
        ({"line_no": ""}, "line_no_missing"),
        ({"currency": "XYZ"}, "currency_unknown"),
        ({"currency": "usd"}, "currency_unknown"),
        ({"currency": "XAU"}, "currency_unknown"),
        ({"currency": ""}, "currency_unknown"),
        ({"ordered_on": "04/07/1996"}, "date_bad"),
        ({"ordered_on": "1996-02-30"}, "date_bad"),
        ({"ordered_on": ""}, "date_bad"),
    ],
)
def test_a_line_that_cannot_be_paid_is_named(tmp_path: Path, fault: dict[str, str], code: str):
    path = write(tmp_path / "orders.csv", [fault, {"order_id": "10249"}])
    assert refusals(path) == [(2, code)]
    assert totals(path) == {"10249": 16_800}


def test_a_fault_spoils_its_whole_order_and_names_each_of_its_lines(tmp_path: Path):
    path = write(
        tmp_path / "orders.csv",
        [{"line_no": "1"}, {"line_no": "2", "quantity": "x"}, {"order_id": "2"}, {"line_no": "3"}],
    )
    assert refusals(path) == [(2, "order_spoilt"), (3, "quantity_bad"), (5, "order_spoilt")]
    assert list(totals(path)) == ["2"]


def test_a_line_worth_nothing_leaves_its_order_alone(tmp_path: Path):
    path = write(tmp_path / "orders.csv", [{"line_no": "1"}, {"line_no": "2", "unit_price": "0"}])
    assert refusals(path) == [(3, "price_zero")]
    assert totals(path) == {"10248": 16_800}


def test_a_line_written_twice_is_paid_once(tmp_path: Path):
    path = write(tmp_path / "orders.csv", [{}, {}, {"order_id": "2"}, {}])
    assert refusals(path) == [(3, "duplicate"), (5, "duplicate")]
    assert totals(path) == {"10248": 16_800, "2": 16_800}


def test_equal_lines_with_their_own_numbers_are_both_paid_and_noted(tmp_path: Path):
    path = write(tmp_path / "orders.csv", [{"line_no": "1"}, {"line_no": "2"}])
    assert totals(path) == {"10248": 33_600}
    with open_orders(path) as orders:
        assert [(note.line, note.code) for note in orders.noted()] == [(3, "twin")]
        assert orders.summary().lines_refused == 0


def test_one_line_number_for_two_things_spoils_the_order(tmp_path: Path):
    path = write(tmp_path / "orders.csv", [{}, {"quantity": "13"}])
    assert refusals(path) == [(2, "order_spoilt"), (3, "line_no_reused")]
    assert totals(path) == {}


@pytest.mark.parametrize(
    "other", [{"customer_id": "TOMSP"}, {"currency": "EUR"}, {"ordered_on": "1996-07-05"}]
)
def test_an_order_that_contradicts_itself_is_left_out(tmp_path: Path, other: dict[str, str]):
    path = write(tmp_path / "orders.csv", [{}, {"line_no": "2", **other}])
    assert refusals(path) == [(2, "order_spoilt"), (3, "order_disagrees")]


def test_scattered_lines_make_one_order(tmp_path: Path):
    path = write(
        tmp_path / "orders.csv",
        [
            {"order_id": "A", "line_no": "1"},
            {"order_id": "B", "line_no": "1", "vendor_id": "bruno"},
            {"order_id": "A", "line_no": "2", "vendor_id": "bruno", "unit_price": "1.00"},
        ],
    )
    with open_orders(path) as orders:
        first, second = orders.orders()
        assert (first.ref, first.shares) == ("A", {"ada": 16_800, "bruno": 1_200})
        assert (second.ref, second.shares) == ("B", {"bruno": 16_800})
        assert [vendor.external_id for vendor in orders.vendors()] == ["ada", "bruno"]


@pytest.mark.parametrize(
    ("line", "currency", "expected"),
    [
        (("1", "1.005", "0"), "USD", 101),
        (("1", "1.0049", "0"), "USD", 100),
        (("2", "0.125", "0"), "USD", 25),
        (("3", "0.085", "0"), "USD", 26),
        (("1", "1.005", "0"), "KWD", 1005),
        (("1", "1.0005", "0"), "KWD", 1001),
        (("3", "150.5", "0"), "JPY", 452),
        (("1", "0.5", "0"), "JPY", 1),
        (("0.25", "9.99", "0"), "USD", 250),
        (("21", "10.00", "0.15"), "USD", 17_850),
        (("35", "7.70", "0.15"), "USD", 22_908),
    ],
)
def test_a_line_is_rounded_once_half_up(
    line: tuple[str, str, str], currency: str, expected: int, tmp_path: Path
):
    quantity, unit_price, discount_rate = line
    row = {
        "quantity": quantity,
        "unit_price": unit_price,
        "discount_rate": discount_rate,
        "currency": currency,
    }
    assert totals(write(tmp_path / "orders.csv", [row])) == {"10248": expected}


def test_an_order_above_the_largest_amount_is_refused_with_all_its_lines(tmp_path: Path):
    large = {"quantity": "1", "unit_price": "9999999999.00"}
    path = write(tmp_path / "orders.csv", [large | {"line_no": "1"}, large | {"line_no": "2"}])
    assert refusals(path) == [(2, "order_too_large"), (3, "order_too_large")]


def test_rows_that_are_not_csv_are_named_and_the_rest_is_read(tmp_path: Path):
    path = write(tmp_path / "orders.csv", [{}])
    good = ",".join({**GOOD, "order_id": "2"}.values())
    with path.open("a", encoding="utf-8") as file:
        file.write('10250,"broken"quote,x\n10251,1996-07-04\n\n' + good + "\n")
    assert refusals(path) == [(3, "csv_bad"), (4, "columns_bad")]
    assert list(totals(path)) == ["10248", "2"]


def test_a_quote_that_never_ends_does_not_take_the_order_before_it(tmp_path: Path):
    path = write(tmp_path / "orders.csv", [{}])
    with path.open("a", encoding="utf-8") as file:
        file.write('10250,"never ends\n' + "x" * 200_000)
    assert refusals(path)[0] == (3, "csv_bad")
    assert list(totals(path)) == ["10248"]


def test_bytes_that_are_not_utf8_matter_only_where_they_name_somebody(tmp_path: Path):
    rows = [dict(GOOD, description="Caf\u00e9"), dict(GOOD, order_id="2", customer_id="M\u00fcller")]
    path = tmp_path / "orders.csv"
    text = "\n".join([",".join(COLUMNS), *(",".join(row.values()) for row in rows)])
    path.write_bytes(text.encode("latin-1"))
    assert refusals(path) == [(3, "customer_id_unreadable")]
    with open_orders(path) as orders:
        assert [line.description for order in orders.orders() for line in order.lines] == ["Caf\ufffd"]


def test_a_bom_and_columns_in_another_order_are_read(tmp_path: Path):
    path = tmp_path / "orders.csv"
    names = [*reversed(COLUMNS), "freight"]
    row = {**GOOD, "freight": "32.38"}
    path.write_text(
        "\ufeff" + ",".join(names) + "\n" + ",".join(row[name] for name in names), encoding="utf-8"
    )
    assert totals(path) == {"10248": 16_800}


@pytest.mark.parametrize("content", ["", "\n", "a,b\n1,2\n", ",".join(COLUMNS[1:]) + "\n"])
def test_a_file_without_the_columns_is_refused_in_one_line(tmp_path: Path, content: str):
    path = tmp_path / "orders.csv"
    path.write_text(content)
    with (
        pytest.raises(OrdersFileError, match="must name each of these columns once: order_id"),
        open_orders(path),
    ):
        pass


def test_a_file_that_is_not_there_is_refused_in_one_line(tmp_path: Path):
    with pytest.raises(OrdersFileError, match="No such file"), open_orders(tmp_path / "none.csv"):
        pass


NASTY = st.sampled_from(
    ["1", "2", "-1", "0", "", "x", "0.005", "1e9", "9" * 20, '"', "\x00", "\udc80", "\n", "USD"]
)


@given(rows=st.lists(st.tuples(st.sampled_from("ABC"), NASTY, NASTY, NASTY), max_size=12))
def test_every_line_is_paid_or_refused_and_none_is_both(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("nasty") / "orders.csv"
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for order_id, line_no, quantity, price in rows:
            row = {
                **GOOD,
                "order_id": order_id,
                "line_no": line_no,
                "quantity": quantity,
                "unit_price": price,
            }
            writer.writerow(row.values())
    with open_orders(path) as orders:
        summary = orders.summary()
        assert summary.lines == len(rows)
        assert len(list(orders.refused())) == summary.lines_refused
        paid = list(orders.orders())
        assert sum(len(order.lines) for order in paid) == summary.lines_paid
        assert all(order.amount_minor > 0 for order in paid)


def test_a_long_file_takes_little_memory(tmp_path: Path):
    rows = 6_000
    path = write(
        tmp_path / "orders.csv", ({"order_id": str(n % 900), "line_no": str(n)} for n in range(rows))
    )
    tracemalloc.start()
    try:
        with open_orders(path) as orders:
            assert sum(order.amount_minor for order in orders.orders()) == rows * 16_800
        assert (
            tracemalloc.get_traced_memory()[1] < 500_000
        )  # an order that was kept would be a kilobyte, a line a hundred bytes
    finally:
        tracemalloc.stop()


@given(minor=st.integers(-(10**12), 10**12), exponent=st.sampled_from([0, 2, 3, 4]))
def test_major_text_is_exact(minor: int, exponent: int):
    assert Decimal(major_text(minor, exponent)).scaleb(exponent) == minor


@given(
    quantity=st.integers(1, 10**6),
    price=st.decimals("0.001", "99999", places=3),
    discount=st.decimals("0", "1", places=2),
    exponent=st.sampled_from([0, 2, 3]),
)
def test_a_line_is_never_further_than_half_a_unit_from_the_truth(quantity, price, discount, exponent):
    found = line_minor(Decimal(quantity), price, discount, exponent)
    exact = (quantity * price * (1 - discount)).scaleb(exponent)
    assert -Decimal("0.5") <= exact - found < Decimal("0.5")


def test_a_part_is_at_least_one_unit_and_at_most_all():
    assert part_of(1, 1, 2) == 1
    assert part_of(999, 1, 2) == 499
    assert part_of(5, 9, 2) == 5


def test_northwind_comes_out_as_its_truth_says():
    truth = json.loads(shared_file("data/orders/northwind_truth.json").read_text())
    with open_orders(shared_file("data/orders/northwind_orders.csv")) as orders:
        summary = orders.summary()
        per_vendor: dict[str, int] = {}
        for order in orders.orders():
            for vendor, amount in order.shares.items():
                per_vendor[vendor] = per_vendor.get(vendor, 0) + amount
    assert (summary.orders_paid, summary.lines_paid) == (truth["orders"], truth["lines"])
    assert (summary.orders_refused, summary.lines_refused) == (0, 0)
    assert major_text(sum(per_vendor.values()), 2) == truth["net_lines_rounded_half_up"]
    expected = {f"NWV-{int(number):02d}": total for number, total in truth["net_by_supplier"].items()}
    assert {vendor: major_text(minor, 2) for vendor, minor in per_vendor.items()} == expected
