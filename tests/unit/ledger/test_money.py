"""Money is exact: no floats, no mixed currencies, and no cent lost when an amount is divided."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import (
    BadAmount,
    BadCurrency,
    CurrencyMismatch,
    Money,
    Rounding,
    allocate,
    check_currency,
    divide,
    exponent,
    from_major,
)

minors = st.integers(-(10**15), 10**15)
weights = st.lists(st.integers(0, 10**9), min_size=1, max_size=60).filter(any)


class TestExponent:
    @pytest.mark.parametrize(
        ("code", "decimals"), [("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("UGX", 0)]
    )
    def test_is_that_of_iso_4217(self, code, decimals):
        assert exponent(code) == decimals

    @pytest.mark.parametrize("code", ["usd", "USD ", "XXX", "XAU", "ZZZ", "", "US", "💶", None, 840, ["USD"]])
    def test_refuses_what_cannot_be_paid_in(self, code):
        with pytest.raises(BadCurrency):
            check_currency(code)


class TestMoney:
    @pytest.mark.parametrize("minor", [1.0, "1", True, None, Decimal(1)])
    def test_refuses_anything_but_whole_numbers(self, minor):
        with pytest.raises(BadAmount):
            Money(minor, "USD")

    def test_refuses_to_mix_currencies(self):
        for combine in (lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a < b, lambda a, b: a >= b):
            with pytest.raises(CurrencyMismatch):
                combine(Money(1, "USD"), Money(1, "EUR"))

    @given(minors, minors)
    def test_adds_as_whole_numbers_do(self, a, b):
        assert (Money(a, "JPY") + Money(b, "JPY") - Money(b, "JPY")).minor == a

    @pytest.mark.parametrize(
        ("money", "text"),
        [
            (Money(123450, "USD"), "1,234.50 USD"),
            (Money(-5, "USD"), "-0.05 USD"),
            (Money(1234, "JPY"), "1,234 JPY"),
            (Money(1, "KWD"), "0.001 KWD"),
        ],
    )
    def test_is_shown_with_its_currency_s_decimals(self, money, text):
        assert money.display() == text

    @given(minors, st.sampled_from(["USD", "JPY", "KWD", "CLF"]))
    def test_goes_to_major_units_and_back_exactly(self, minor, currency):
        assert from_major(Money(minor, currency).major(), currency) == Money(minor, currency)

    @pytest.mark.parametrize("text", ["1.001", "x", "", "NaN", "Infinity", "1e-3", "--1"])
    def test_refuses_major_amounts_that_are_not_exact(self, text):
        with pytest.raises(BadAmount):
            from_major(text, "USD")


class TestAllocate:
    @given(minors, weights)
    def test_loses_nothing(self, minor, parts):
        assert sum(part.minor for part in allocate(Money(minor, "USD"), parts)) == minor

    @given(st.integers(0, 10**12), weights)
    def test_gives_each_part_its_share_to_within_one_minor_unit(self, minor, parts):
        total = sum(parts)
        for part, weight in zip(allocate(Money(minor, "USD"), parts), parts, strict=True):
            assert minor * weight // total <= part.minor <= minor * weight // total + 1

    def test_gives_the_rest_to_the_largest_remainders_and_then_to_the_first(self):
        assert [m.minor for m in allocate(Money(100, "USD"), [1, 1, 1])] == [34, 33, 33]
        assert [m.minor for m in allocate(Money(10, "JPY"), [1, 8, 3])] == [1, 7, 2]
        assert [m.minor for m in allocate(Money(-100, "USD"), [1, 1, 1])] == [-34, -33, -33]

    @pytest.mark.parametrize("parts", [[], [0, 0], [1, -1, 2]])
    def test_refuses_weights_that_mean_nothing(self, parts):
        with pytest.raises(BadAmount):
            allocate(Money(1, "USD"), parts)


class TestRounding:
    @pytest.mark.parametrize(
        ("numerator", "half_even", "half_up"), [(5, 2, 3), (15, 8, 8), (25, 12, 13), (-5, -2, -3), (4, 2, 2)]
    )
    def test_of_a_half_goes_as_named(self, numerator, half_even, half_up):
        assert divide(numerator, 2, Rounding.HALF_EVEN) == half_even
        assert divide(numerator, 2, Rounding.HALF_UP) == half_up

    @given(minors, st.integers(0, 10_000))
    def test_a_share_in_basis_points_is_as_decimal_arithmetic_says(self, minor, rate):
        exact = (Decimal(minor) * rate / 10_000).quantize(Decimal(1), rounding="ROUND_HALF_EVEN")
        assert Money(minor, "USD").bps(rate).minor == int(exact)
