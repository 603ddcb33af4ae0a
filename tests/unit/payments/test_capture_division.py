"""Dividing captures over shares: no part is negative or too large; parts and commissions sum to the whole."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Money
from payments.rules.capture_division import commission_due, divide_over

amounts = st.integers(min_value=1, max_value=10**12)


@st.composite
def payments_with_captures(draw):
    """A split, the merchant's own remainder, and a list of captures that take the whole."""
    shares = draw(st.lists(amounts, min_size=0, max_size=8))
    own = draw(st.integers(min_value=0 if shares else 1, max_value=10**12))
    left = sum(shares) + own
    captures = []
    while left and len(captures) < 6:
        taken = draw(st.integers(min_value=1, max_value=left))
        captures.append(taken)
        left -= taken
    return shares, own, captures + ([left] if left else [])


@given(payments_with_captures())
def test_parts_of_any_captures_sum_and_never_exceed_a_share(case):
    shares, own, captures = case
    left, own_left = list(shares), own
    for capture in captures:
        parts, own_part = divide_over(Money(capture, "USD"), left, own_left)
        assert sum(part.minor for part in parts) + own_part.minor == capture
        assert all(0 <= part.minor <= rest for part, rest in zip(parts, left, strict=True))
        assert 0 <= own_part.minor <= own_left
        left = [rest - part.minor for rest, part in zip(left, parts, strict=True)]
        own_left -= own_part.minor
    assert left == [0] * len(shares)
    assert own_left == 0


@given(st.data())
def test_commission_of_the_parts_sums_to_the_whole_and_never_shrinks(data):
    share = data.draw(amounts)
    commission = data.draw(st.integers(min_value=0, max_value=share))
    steps = sorted(data.draw(st.lists(st.integers(min_value=0, max_value=share), max_size=6)))
    taken = [commission_due(share, commission, step) for step in [0, *steps, share]]
    parts = [after - before for before, after in itertools.pairwise(taken)]
    assert all(part >= 0 for part in parts)
    assert sum(parts) == commission
    assert all(due <= step for due, step in zip(taken, [0, *steps, share], strict=True))


def test_divides_by_what_is_left_with_largest_remainders():
    parts, own = divide_over(Money(1_000, "USD"), [2_000, 1_000], 0)
    assert [part.minor for part in parts] == [667, 333]
    assert own.minor == 0


def test_gives_the_rest_to_the_merchant_itself():
    parts, own = divide_over(Money(500, "JPY"), [600, 200], 200)
    assert ([part.minor for part in parts], own.minor) == ([300, 100], 100)


def test_a_payment_without_shares_is_all_the_merchants():
    assert divide_over(Money(5, "USD"), [], 5) == ([], Money(5, "USD"))


def test_nothing_divides_into_nothing():
    assert divide_over(Money(0, "USD"), [7], 3) == ([Money(0, "USD")], Money(0, "USD"))


def test_refuses_more_than_is_left():
    with pytest.raises(ValueError, match="more than"):
        divide_over(Money(11, "USD"), [7], 3)


def test_commission_is_rounded_half_to_even_on_the_running_total():
    assert [commission_due(200, 101, taken) for taken in (1, 3, 200)] == [1, 2, 101]
    assert commission_due(2, 1, 1) == 0
