"""Pure: rates and what they make of amounts, exactly. No query, no clock, no float.

A rate is a fraction until it is written down; it is then rounded once, half to even, to twelve decimals.
The customer's rate is that rate less whole hundredths of a percent and needs sixteen. An amount times a rate
is a whole number of minor units, rounded half to even, and the remainder of the rounding is kept beside it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from ledger.errors import Invalid
from ledger.models.fx import CUSTOMER_PLACES, REMAINDER_PLACES
from ledger.models.fx_rates import RATE_DIGITS, RATE_PLACES
from ledger.money import AMOUNT_MAX, BPS_WHOLE, Money, Rounding, divide, exponent

_FORM: Final = re.compile(r"\d{1,12}(?:\.\d{1,12})?", re.ASCII)
RATE_MAX: Final = Fraction(10 ** (RATE_DIGITS - RATE_PLACES))
# The market writes a pair with the earlier of these first; others follow in the order of the alphabet.
_FIRST: Final = ("EUR", "GBP", "AUD", "NZD", "USD", "CAD", "CHF", "JPY")


class BadRate(Invalid):
    """A rate that is not a plain positive decimal of at most twelve digits before and after the point."""

    code = "fx_rate_invalid"
    advice = "Write how much of the second currency one of the first is, such as 1.1172."


class SameCurrency(Invalid):
    """A conversion of a currency into itself."""

    code = "fx_same_currency"
    advice = "Name two currencies."


class AmountTooSmall(Invalid):
    """The amount is worth less than the smallest unit of the other currency."""

    code = "fx_amount_too_small"
    advice = "Convert more at once."


class AmountTooLarge(Invalid):
    """The result is more than one amount can be."""

    code = "fx_amount_too_large"
    advice = "Convert less at once."


@dataclass(frozen=True, slots=True)
class Pair:
    """Two currencies in the order in which the market names them."""

    base: str
    quote: str

    def __str__(self) -> str:
        return f"{self.base}/{self.quote}"


@dataclass(frozen=True, slots=True)
class Converted:
    """An amount in another currency, and what rounding took from the exact result (negative: added to it)."""

    money: Money
    rounding: Decimal


@dataclass(frozen=True, slots=True)
class Judged:
    """The median of what is believed; indexes of what is, and of what is too far off to be."""

    median: Fraction
    used: tuple[int, ...]
    outliers: tuple[int, ...]


def pair_of(one: str, other: str) -> Pair:
    """Return two currencies as a pair.

    :raises SameCurrency: they are one.
    """
    if one == other:
        raise SameCurrency(f"{one} is not converted into itself", param="buy_currency")
    base, quote = sorted((one, other), key=_place)
    return Pair(base, quote)


def read_rate(text: object) -> Decimal:
    """Return a rate from its text, at its full precision.

    :raises BadRate: not a plain decimal, zero, or too fine or large.
    """
    if type(text) is not str or not _FORM.fullmatch(text):
        raise BadRate("a rate is a decimal with at most 12 digits before and after the point", param="rate")
    return to_rate(Fraction(text))


def to_rate(value: Fraction) -> Decimal:
    """Return a rate as it is written down: rounded half to even to twelve decimals.

    :raises BadRate: nothing would be left of it, or it is too large.
    """
    rounded = divide(value.numerator * 10**RATE_PLACES, value.denominator, Rounding.HALF_EVEN)
    if not 0 < rounded < RATE_MAX * 10**RATE_PLACES:
        raise BadRate("the rate is zero, negative, or out of bounds", param="rate")
    return _decimal(rounded, RATE_PLACES)


def customer_rate(house_rate: Decimal, spread_bps: int) -> Decimal:
    """Return the house rate less the spread, exactly (sixteen decimals)."""
    scaled = Fraction(house_rate) * (BPS_WHOLE - spread_bps) / BPS_WHOLE * 10**CUSTOMER_PLACES
    return _decimal(scaled.numerator, CUSTOMER_PLACES)


def convert(amount: Money, rate: Decimal, currency: str) -> Converted:
    """Return an amount in another currency at a rate, rounded half to even to that currency's exponent."""
    shift = exponent(currency) - exponent(amount.currency)
    exact = amount.minor * Fraction(rate) * Fraction(10) ** shift
    minor = divide(exact.numerator, exact.denominator, Rounding.HALF_EVEN)
    rest = (exact - minor) * 10**REMAINDER_PLACES
    return Converted(Money(minor, currency), _decimal(rest.numerator, REMAINDER_PLACES))


def check_size(money: Money) -> Money:
    """Return a converted amount that is one.

    :raises AmountTooSmall: it is zero. :raises AmountTooLarge: above 10^12 minor units.
    """
    if money.minor <= 0:
        raise AmountTooSmall(f"that is less than the smallest amount of {money.currency}", param="amount")
    if money.minor > AMOUNT_MAX:
        raise AmountTooLarge(
            f"that is more than {Money(AMOUNT_MAX, money.currency).display()}", param="amount"
        )
    return money


def median(values: Iterable[Fraction]) -> Fraction:
    """Return the middle value, or the mean of the two in the middle, exactly."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def judge(values: Sequence[Fraction], outlier_bps: int) -> Judged | None:
    """Return the median of the values that are within `outlier_bps` of the median of all; None for none."""
    if not values:
        return None
    middle = median(values)
    near = [abs(value - middle) * BPS_WHOLE <= middle * outlier_bps for value in values]
    used = tuple(index for index, is_near in enumerate(near) if is_near)
    outliers = tuple(index for index, is_near in enumerate(near) if not is_near)
    return Judged(median([values[index] for index in used]) if used else middle, used, outliers)


def cross(rates: dict[tuple[str, str], Fraction], base: str, quote: str) -> list[tuple[str, str]] | None:
    """Return the written pairs that lead from `base` to `quote`: directly, or through one common currency.

    A pair leads both ways. None: there is no way. Of several common currencies the market's first is taken.
    """
    direct = _written(rates, base, quote)
    if direct:
        return [direct]
    others = {one for known in rates for one in known} - {base, quote}
    for common in sorted(others, key=_place):
        first, second = _written(rates, base, common), _written(rates, common, quote)
        if first and second:
            return [first, second]
    return None


def along(
    rates: dict[tuple[str, str], Fraction], way: Sequence[tuple[str, str]], base: str, quote: str
) -> Fraction:
    """Return how much of `quote` one `base` is, along the written pairs of a way."""
    value, here = Fraction(1), base
    for known in way:
        forward = known[0] == here
        value = value * rates[known] if forward else value / rates[known]
        here = known[1] if forward else known[0]
    assert here == quote, f"the way {way} does not lead to {quote}"
    return value


def share(whole: int, part: int, of: int) -> int:
    """Return `whole * part / of` rounded half to even: cumulative shares that end at the whole."""
    return divide(whole * part, of, Rounding.HALF_EVEN)


def _written(rates: dict[tuple[str, str], Fraction], one: str, other: str) -> tuple[str, str] | None:
    return next((known for known in ((one, other), (other, one)) if known in rates), None)


def _place(currency: str) -> tuple[int, str]:
    return (_FIRST.index(currency) if currency in _FIRST else len(_FIRST), currency)


def _decimal(scaled: int, places: int) -> Decimal:
    # Made from digits: an operation would round to the context's precision.
    sign, digits = (1, -scaled) if scaled < 0 else (0, scaled)
    return Decimal((sign, tuple(int(digit) for digit in str(digits)), -places))
