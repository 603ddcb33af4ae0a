"""Rates and amounts, exactly: the median, outliers, cross rates, half to even by exponent."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from ledger.fx import arithmetic, ecb
from ledger.fx.arithmetic import BadRate, SameCurrency
from ledger.money import Money


class TestMedian:
    @pytest.mark.parametrize(
        ("values", "expected"),
        [([1], 1), ([3, 1], 2), ([1, 9, 2], 2), ([4, 1, 3, 2], Fraction(5, 2))],
    )
    def test_is_the_middle_or_the_mean_of_the_two_there(self, values, expected):
        assert arithmetic.median(map(Fraction, values)) == expected

    def test_leaves_out_who_is_too_far_off_and_takes_the_median_of_the_rest(self):
        judged = arithmetic.judge([Fraction("1.10"), Fraction("1.12"), Fraction("1.30")], 200)
        assert (judged.used, judged.outliers) == ((0, 1), (2,))
        assert judged.median == Fraction("1.11")

    def test_believes_nobody_when_two_contradict_each_other(self):
        judged = arithmetic.judge([Fraction(1), Fraction(2)], 200)
        assert (judged.used, judged.outliers) == ((), (0, 1))

    def test_believes_who_is_exactly_at_the_bound(self):
        assert arithmetic.judge([Fraction(98), Fraction(100), Fraction(102)], 200).outliers == ()

    def test_of_nothing_is_nothing(self):
        assert arithmetic.judge([], 200) is None


class TestPair:
    @pytest.mark.parametrize(
        ("one", "other", "name"),
        [
            ("USD", "EUR", "EUR/USD"), ("JPY", "USD", "USD/JPY"), ("KWD", "BHD", "BHD/KWD"),
            ("CHF", "VND", "CHF/VND"),
        ],
    )  # fmt: skip
    def test_is_named_as_the_market_names_it_whichever_comes_first(self, one, other, name):
        assert str(arithmetic.pair_of(one, other)) == str(arithmetic.pair_of(other, one)) == name

    def test_is_of_two(self):
        with pytest.raises(SameCurrency):
            arithmetic.pair_of("EUR", "EUR")


class TestRate:
    @pytest.mark.parametrize(
        "text",
        ["", "0", "0.0", "-1", "+1", "1e3", "1,5", "\u0661", " 1", "1.", ".5", "NaN", "1" * 13,
         "0." + "1" * 13, 1.5, 1, None],
    )  # fmt: skip
    def test_is_a_plain_decimal_above_zero(self, text):
        with pytest.raises(BadRate):
            arithmetic.read_rate(text)

    def test_keeps_twelve_decimals_and_rounds_half_to_even(self):
        assert arithmetic.read_rate("1.1172") == Decimal("1.117200000000")
        assert str(arithmetic.read_rate("0.000000000001")) == "1E-12"
        assert arithmetic.to_rate(Fraction(1, 3)) == Decimal("0.333333333333")
        half = Fraction(5, 10**13)
        assert arithmetic.to_rate(1 + half) == Decimal(1)
        assert arithmetic.to_rate(1 + 3 * half) == Decimal("1.000000000002")

    def test_of_the_customer_is_the_house_s_less_the_spread_exactly(self):
        assert arithmetic.customer_rate(Decimal("0.333333333333"), 150) == Decimal("0.3283333333330050")
        assert arithmetic.customer_rate(Decimal("1.5"), 0) == Decimal("1.5")


class TestConvert:
    @pytest.mark.parametrize(
        ("amount", "rate", "expected", "rounding"),
        [
            (Money(10_000, "USD"), "175.68", Money(17_568, "JPY"), "0"),
            (Money(1, "USD"), "150.00", Money(2, "JPY"), "-0.5"),  # 1.5: to the even 2
            (Money(3, "USD"), "150.00", Money(4, "JPY"), "0.5"),  # 4.5: to the even 4
            (Money(100, "JPY"), "0.0057", Money(57, "USD"), "0"),
            (Money(1, "JPY"), "0.0025", Money(0, "USD"), "0.25"),
            (Money(5, "JPY"), "0.005", Money(2, "USD"), "0.5"),  # 2.5: to the even 2
            (Money(7, "JPY"), "0.005", Money(4, "USD"), "-0.5"),  # 3.5: to the even 4
            (Money(10_000, "USD"), "0.30745", Money(30_745, "KWD"), "0"),
            (Money(1_001, "KWD"), "3.25", Money(325, "USD"), "0.325"),
            (Money(-5, "JPY"), "0.005", Money(-2, "USD"), "-0.5"),
        ],
    )
    def test_rounds_half_to_even_to_the_currency_s_exponent(self, amount, rate, expected, rounding):
        found = arithmetic.convert(amount, Decimal(rate), expected.currency)
        assert (found.money, found.rounding) == (expected, Decimal(rounding))

    def test_has_no_remainder_that_is_not_kept(self):
        found = arithmetic.convert(Money(123, "VND"), Decimal("0.0000116923456789"), "KWD")
        exact = 123 * Fraction("0.0000116923456789") * 1000
        assert Fraction(found.money.minor) + Fraction(found.rounding) == exact

    @pytest.mark.parametrize(
        ("minor", "error"), [(0, arithmetic.AmountTooSmall), (10**12 + 1, arithmetic.AmountTooLarge)]
    )
    def test_refuses_what_no_amount_can_be(self, minor, error):
        with pytest.raises(error):
            arithmetic.check_size(Money(minor, "USD"))


class TestCross:
    RATES = {
        ("EUR", "USD"): Fraction("1.1172"),
        ("EUR", "JPY"): Fraction("175.68"),
        ("GBP", "JPY"): Fraction(200),
    }

    def rate(self, base: str, quote: str) -> Fraction:
        way = arithmetic.cross(self.RATES, base, quote)
        return arithmetic.along(self.RATES, way, base, quote)

    def test_goes_straight_where_it_can_in_either_direction(self):
        assert self.rate("EUR", "USD") == Fraction("1.1172")
        assert self.rate("USD", "EUR") == 1 / Fraction("1.1172")

    def test_goes_through_one_common_currency(self):
        assert self.rate("USD", "JPY") == Fraction("175.68") / Fraction("1.1172")
        assert self.rate("GBP", "EUR") == 200 / Fraction("175.68")

    def test_goes_no_farther(self):
        assert arithmetic.cross(self.RATES, "USD", "GBP") is None
        assert arithmetic.cross(self.RATES, "USD", "CHF") is None


@pytest.fixture(scope="module")
def days():
    return {day.isoformat(): {r.quote: r.rate for r in rates} for day, rates in ecb.read(ecb.history_file())}


class TestCentralBank:
    """Against figures that the bank itself published (its press pages), as crosses of its own days."""

    @pytest.mark.parametrize(
        ("day", "currency", "rate"),
        [("2008-07-15", "USD", "1.5990"), ("2022-09-28", "USD", "0.9565"), ("2026-10-30", "JPY", "175.68")],
    )
    def test_a_day_is_as_it_was_published(self, days, day, currency, rate):
        assert days[day][currency] == Decimal(rate)

    @pytest.mark.parametrize(
        ("day", "amount", "expected"),
        [
            ("2020-03-19", Money(10_000, "USD"), Money(10_983, "JPY")),
            ("2024-01-02", Money(9_999, "BRL"), Money(26_859, "KRW")),
            ("2015-01-14", Money(100_000, "CHF"), Money(83_264, "EUR")),
            ("2015-01-15", Money(100_000, "CHF"), Money(97_276, "EUR")),
        ],
    )
    def test_a_cross_through_the_euro_comes_out(self, days, day, amount, expected):
        rates = {("EUR", name): Fraction(rate) for name, rate in days[day].items()}
        way = arithmetic.cross(rates, amount.currency, expected.currency)
        rate = arithmetic.to_rate(arithmetic.along(rates, way, amount.currency, expected.currency))
        assert arithmetic.convert(amount, rate, expected.currency).money == expected

    def test_days_come_oldest_first_and_only_those_asked_for(self, days):
        assert (next(iter(days)), len(days)) == ("1999-01-04", 7_126)
        later = [day for day, _ in ecb.read(ecb.history_file(), date(2026, 10, 28))]
        assert later == [date(2026, 10, 29), date(2026, 10, 30)]
