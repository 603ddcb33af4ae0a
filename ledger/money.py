"""Money: whole minor units with a currency, and the only place where an amount is rounded or divided.

Exponents are those of ISO 4217 (list one), by a library. Floats are refused by type. Rounding modes are
named at each call; dividing an amount is `allocate`, whose parts always sum to the whole (largest
remainder).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from enum import Enum
from functools import lru_cache
from typing import Final

import iso4217

from ledger.errors import Invalid

AMOUNT_MAX: Final = 10**12
BPS_WHOLE: Final = 10_000


class BadAmount(Invalid):
    """An amount that is not a whole number of minor units within bounds."""

    code = "amount_invalid"
    advice = "Send a whole number of minor units, for example 1999 for 19.99 USD."


class BadCurrency(Invalid):
    """A code that is not an active ISO 4217 currency with minor units."""

    code = "currency_invalid"
    advice = "Send an ISO 4217 code in capitals, for example USD, EUR, JPY."


class CurrencyMismatch(Invalid):
    """Two currencies met in one calculation."""

    code = "currency_mismatch"
    advice = "Use the currency of the object that the amount belongs to."


class Rounding(Enum):
    """How a fraction of a minor unit becomes whole."""

    HALF_EVEN = ROUND_HALF_EVEN
    HALF_UP = ROUND_HALF_UP


@lru_cache(maxsize=512)
def exponent(currency: str) -> int:
    """Return the number of decimals of a currency (ISO 4217, column "minor unit").

    :raises BadCurrency: unknown, or without minor units (gold, test codes).
    """
    known = _currencies().get(currency)
    if known is None:
        raise BadCurrency(f"{currency!r} is not a currency that can be paid in", param="currency")
    return known


def check_currency(code: object) -> str:
    """Return `code` when it names a currency that can be paid in.

    :raises BadCurrency: otherwise.
    """
    if type(code) is not str:
        raise BadCurrency("the currency must be a string", param="currency")
    exponent(code)
    return code


@dataclass(frozen=True, slots=True)
class Money:
    """A signed number of minor units of one currency.

    :raises BadAmount: `minor` is not an int. :raises BadCurrency: unknown currency.
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise BadAmount(f"an amount is a whole number of minor units, not {type(self.minor).__name__}")
        exponent(self.currency)

    @classmethod
    def zero(cls, currency: str) -> "Money":
        """Return nothing, in a currency."""
        return cls(0, currency)

    @property
    def is_zero(self) -> bool:
        return self.minor == 0

    @property
    def is_positive(self) -> bool:
        return self.minor > 0

    def __add__(self, other: "Money") -> "Money":
        return Money(self.minor + self._same(other).minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.minor - self._same(other).minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __abs__(self) -> "Money":
        return Money(abs(self.minor), self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.minor < self._same(other).minor

    def __le__(self, other: "Money") -> bool:
        return self.minor <= self._same(other).minor

    def __gt__(self, other: "Money") -> bool:
        return self.minor > self._same(other).minor

    def __ge__(self, other: "Money") -> bool:
        return self.minor >= self._same(other).minor

    def bps(self, rate_bps: int, rounding: Rounding = Rounding.HALF_EVEN) -> "Money":
        """Return `rate_bps` hundredths of a percent of this amount, rounded as named."""
        return Money(divide(self.minor * rate_bps, BPS_WHOLE, rounding), self.currency)

    def major(self) -> Decimal:
        """Return the amount in major units, exactly, with the currency's decimals (for files and people)."""
        return Decimal(self.minor).scaleb(-exponent(self.currency))

    def display(self) -> str:
        """Return the amount as people read it, for example `1,234.50 USD`."""
        return f"{self.major():,.{exponent(self.currency)}f} {self.currency}"

    def as_json(self) -> dict[str, int | str]:
        """Return the API's form: minor units and currency."""
        return {"amount": self.minor, "currency": self.currency}

    def _same(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be combined")
        return other


def from_major(text: str | Decimal, currency: str) -> Money:
    """Return the money that a decimal in major units states exactly; nothing is rounded.

    :raises BadAmount: not a plain decimal, or finer than the currency's minor unit.
    """
    try:
        scaled = Decimal(text).scaleb(exponent(currency))
    except InvalidOperation as error:
        raise BadAmount(f"{text!r} is not a decimal number") from error
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise BadAmount(f"{text} has more decimals than {currency} has")
    return Money(int(scaled), currency)


def allocate(whole: Money, weights: Sequence[int]) -> list[Money]:
    """Divide `whole` in proportion to `weights` by largest remainder; the parts sum to the whole.

    Equal remainders go to the earlier part. A negative whole is divided as its absolute value and negated.

    :raises BadAmount: no weights, a negative weight, or weights that sum to zero.
    """
    total = sum(weights)
    if not weights or total <= 0 or min(weights) < 0:
        raise BadAmount("weights must be whole numbers that are not negative and not all zero")
    sign = -1 if whole.minor < 0 else 1
    amount = abs(whole.minor)
    parts = [amount * weight // total for weight in weights]
    remainders = [amount * weight % total for weight in weights]
    short = amount - sum(parts)
    for index in sorted(range(len(weights)), key=lambda i: (-remainders[i], i))[:short]:
        parts[index] += 1
    return [Money(sign * part, whole.currency) for part in parts]


def divide(numerator: int, denominator: int, rounding: Rounding) -> int:
    """Divide whole numbers and round the result to a whole number as named."""
    quotient, remainder = divmod(abs(numerator), abs(denominator))
    doubled = remainder * 2
    is_up = doubled > abs(denominator)
    if doubled == abs(denominator):
        is_up = rounding is Rounding.HALF_UP or quotient % 2 == 1
    quotient += is_up
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


@lru_cache(maxsize=1)
def _currencies() -> dict[str, int]:
    return {item.code: item.exponent for item in iso4217.Currency if item.exponent is not None}
