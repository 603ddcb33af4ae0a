"""The generated day: reproducible, complete, and of the proportions that its table names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.day import means
from config.day.generator import CURRENCIES, DEBITS, SHARES, VENDORS, counts, plan_day
from config.day.shapes import Kind


def test_the_same_seed_makes_the_same_day():
    assert plan_day(7, 1) == plan_day(7, 1)


def test_another_seed_or_day_makes_another():
    assert plan_day(7, 1).orders != plan_day(8, 1).orders
    assert plan_day(7, 1).orders != plan_day(7, 2).orders


def test_a_day_is_a_marketplace_of_the_promised_size():
    plan = plan_day(1, 1)
    assert len(plan.orders) == 500
    assert len(plan.vendors) == 12
    assert len({vendor.category for vendor in plan.vendors}) == 5
    apart = (Kind.CARD_TESTER, Kind.OVER_LIMIT, *DEBITS)
    ordinary = [order for order in plan.orders if order.kind not in apart]
    assert len({order.customer.ref for order in ordinary}) == 300
    assert {order.currency for order in plan.orders} == set(CURRENCIES)
    types = {"card", "bank_transfer", "digital_wallet", "ach", "sepa"}
    assert {order.means.type for order in plan.orders} == types
    assert {line.vendor for order in plan.orders for line in order.lines} == {v.external_id for v in VENDORS}


@given(seed=st.integers(0, 2**32), orders=st.integers(len(SHARES), 120))
def test_every_order_can_be_paid(seed: int, orders: int):
    plan = plan_day(seed, 1, orders)
    assert len({order.ref for order in plan.orders}) == orders
    for order in plan.orders:
        assert len(order.shares) >= 2
        assert all(type(line.amount_minor) is int and line.amount_minor > 0 for line in order.lines)
        assert sum(order.shares.values()) == order.amount_minor
        for vendor, amount in order.refund.shares if order.refund else ():
            assert 0 < amount <= order.shares[vendor]


@given(orders=st.integers(len(SHARES), 5000))
def test_every_kind_occurs_and_the_counts_come_out(orders: int):
    found = counts(orders)
    assert sum(found.values()) == orders
    assert set(found) == set(Kind)
    assert min(found.values()) >= 1


def test_a_thousand_orders_are_the_table_itself():
    assert counts(1000) == SHARES


def test_too_few_orders_are_refused():
    with pytest.raises(ValueError, match="at least 19"):
        counts(18)


def test_who_orders_above_the_limits_orders_nothing_else():
    orders = plan_day(20260105, 1).orders
    large = {order.customer.ref for order in orders if order.kind is Kind.OVER_LIMIT}
    assert len(large) == 5
    assert sum(order.customer.ref in large for order in orders) == 5


def test_nobody_but_the_tester_buys_more_than_twice_a_day():
    buyers = [order.customer.ref for order in plan_day(3, 1).orders if order.kind is not Kind.CARD_TESTER]
    assert max(buyers.count(ref) for ref in set(buyers)) == 2


def test_who_is_debited_orders_nothing_else_in_the_currency_of_the_rail():
    orders = plan_day(20260105, 1).orders
    drawn = [order for order in orders if order.kind in DEBITS]
    assert len(drawn) == 16
    assert {(order.means.type, order.currency) for order in drawn} == {("ach", "USD"), ("sepa", "EUR")}
    assert len({order.customer.ref for order in drawn}) == len(drawn)
    assert not {order.customer.ref for order in drawn} & {
        order.customer.ref for order in orders if order.kind not in DEBITS
    }
    assert len({order.means.number for order in drawn}) == len(drawn)


def test_the_days_have_different_customers():
    first, second = ({order.customer.ref for order in plan_day(3, day).orders} for day in (1, 2))
    assert not first & second


def test_the_tester_tries_often_enough_to_be_caught():
    tries = [order for order in plan_day(3, 1).orders if order.kind is Kind.CARD_TESTER]
    assert len(tries) == 20
    assert len({(order.customer.ref, order.customer.ip, order.currency) for order in tries}) == 1


@pytest.mark.parametrize("customer", ["ALFKI", "cust-1-0001", "12346", ""])
def test_a_customers_card_and_account_are_well_formed(customer: str):
    digits = means.customer_card(customer).number
    assert len(digits) == 16
    assert means.luhn_digit(digits[:-1]) == digits[-1]
    assert digits == means.customer_card(customer).number
    iban = means.customer_account(customer).number
    assert int(f"{iban[4:]}1314{iban[2:4]}") % 97 == 1


def test_luhn_of_a_known_number():
    assert means.luhn_digit("424242424242424") == "2"
