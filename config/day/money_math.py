"""Exact arithmetic for order lines: decimals in, whole minor units out, rounded once per line.

No floats: a price is a `Decimal` from the moment it is read.
"""

from decimal import ROUND_HALF_UP, Decimal, localcontext

# Enough digits for every product that `orders_csv` lets in (3 numbers of at most 18 digits): nothing is lost.
PRECISION_DIGITS = 60


def line_minor(quantity: Decimal, unit_price: Decimal, discount_rate: Decimal, exponent: int) -> int:
    """Return quantity * unit price * (1 - discount) in minor units, rounded once, half up.

    Prices are in the major unit; `exponent` is the currency's number of decimals.
    """
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        exact = quantity * unit_price * (1 - discount_rate)
        return int(exact.scaleb(exponent).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def major_text(minor: int, exponent: int) -> str:
    """Write minor units as a decimal of the major unit: 1999, 2 -> "19.99"."""
    sign = "-" if minor < 0 else ""
    digits = str(abs(minor)).rjust(exponent + 1, "0")
    if exponent == 0:
        return sign + digits
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"


def part_of(minor: int, numerator: int, denominator: int) -> int:
    """Return a part of an amount, at least one unit and at most the whole, rounded down."""
    return max(1, min(minor, minor * numerator // denominator))
