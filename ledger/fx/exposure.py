"""The open position of each pair, read from the position accounts, and what it is worth today.

Long is positive. A position is worth, in the pair's second currency, what is held of it plus what is held of
the first at the rate of the day: that is the gain or loss if it were closed now. The cost of reading does not
grow with the number of conversions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from django.db import connection

from ledger.chart import Code
from ledger.fx import arithmetic, rates
from ledger.fx.rates import HouseRate, NoRate
from ledger.money import Money, exponent


@dataclass(frozen=True, slots=True)
class OpenPosition:
    """What the house holds of a pair.

    `average_rate`: at what it was opened; none when nothing is held of the base. `today`: the house rate, or
    none, with the reason in `why_not`. `unrealised` is in the pair's second currency.
    """

    pair: str
    base: Money
    counter: Money
    average_rate: Decimal | None
    today: HouseRate | None
    unrealised: Money | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Earned:
    """What conversions have earned in a currency: spread, and gain (negative: loss) of unwinding."""

    spread: Money
    gain: Money


def report(at: datetime, merchant_id: UUID | None = None) -> list[OpenPosition]:
    """Return the open positions by pair: those of one merchant's conversions, or of the whole house."""
    held: dict[str, dict[str, int]] = {}
    for pair, currency, balance in _balances((Code.FX_POSITION,), merchant_id, "owner"):
        held.setdefault(pair, {})[currency] = -balance
    pairs = sorted(held)
    today = rates.of_pairs([(pair[:3], pair[4:]) for pair in pairs], at)
    return [_valued(pair, held[pair], rate) for pair, rate in zip(pairs, today, strict=True)]


def earned(merchant_id: UUID | None = None) -> list[Earned]:
    """Return what conversions have earned, by currency."""
    found: dict[str, dict[str, int]] = {}
    for code, currency, balance in _balances((Code.FX_SPREAD, Code.FX_GAIN_LOSS), merchant_id, "code"):
        found.setdefault(currency, {})[code] = -balance
    return [
        Earned(
            Money(parts.get(Code.FX_SPREAD, 0), currency), Money(parts.get(Code.FX_GAIN_LOSS, 0), currency)
        )
        for currency, parts in sorted(found.items())
    ]


def _valued(pair: str, parts: dict[str, int], today: HouseRate | NoRate) -> OpenPosition:
    base = Money(parts.get(pair[:3], 0), pair[:3])
    counter = Money(parts.get(pair[4:], 0), pair[4:])
    average = _average(base, counter)
    if isinstance(today, NoRate):
        return OpenPosition(pair, base, counter, average, None, None, today.reason)
    worth = arithmetic.convert(base, today.rate, counter.currency).money
    return OpenPosition(pair, base, counter, average, today, counter + worth)


def _average(base: Money, counter: Money) -> Decimal | None:
    """Return the rate at which the open amounts stand against each other, when they stand on two sides."""
    if base.minor * counter.minor >= 0:
        return None
    shift = exponent(base.currency) - exponent(counter.currency)
    return arithmetic.to_rate(Fraction(-counter.minor, base.minor) * Fraction(10) ** shift)


def _balances(
    codes: Sequence[Code], merchant_id: UUID | None, by: str
) -> list[tuple[str, str, int]]:  # fmt: skip
    column = {"owner": "owner", "code": "code"}[by]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT {column}, currency, sum(balance)::bigint FROM ledger_balance
                WHERE code = ANY (%(codes)s) AND (%(merchant)s::uuid IS NULL OR merchant_id = %(merchant)s)
                GROUP BY 1, 2 ORDER BY 1, 2""",  # noqa: S608 - one of two names of ours
            {"codes": [code.value for code in codes], "merchant": merchant_id},
        )
        return cursor.fetchall()
