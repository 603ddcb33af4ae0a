"""Pure: divide a payment over vendors by amounts, by weights, or by both; the shares always sum.

A line that names an amount has it. Lines that name a weight divide everything that the amounts (and what is
kept for the merchant) leave, by largest remainder, so no unit is lost or made; with no weighted line what is
left stays the merchant's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.errors import Invalid
from ledger.money import Money, allocate

WEIGHT_MAX: Final = 1_000_000


class SplitTooLarge(Invalid):
    """The shares sum to more than the payment."""

    code = "vendor_split_too_large"
    advice = "Let the shares sum to at most the amount; what is left is the merchant's own."


class SplitInvalid(Invalid):
    """Too many shares, a vendor twice, or a share that is not positive."""

    code = "vendor_split_invalid"
    advice = "Name each vendor once, at most 50 in all, each with a positive amount."


@dataclass(frozen=True, slots=True)
class Line:
    """What one vendor shall have: minor units, or a weight (one of the two)."""

    amount_minor: int | None = None
    weight: int | None = None


def divide(whole: Money, lines: Sequence[Line], kept: Money | None = None, *, param: str) -> list[Money]:
    """Return each line's part of `whole`, in order; `kept` of it is nobody's but the merchant's.

    :raises SplitTooLarge: the amounts and what is kept are more than the whole.
    :raises SplitInvalid: nothing, or less than one unit each, is left for those with a weight.
    """
    named = sum(line.amount_minor or 0 for line in lines)
    left = whole.minor - named - (kept.minor if kept is not None else 0)
    if left < 0:
        over = Money(-left, whole.currency).display()
        raise SplitTooLarge(f"the shares and what is kept exceed {whole.display()} by {over}", param=param)
    weights = [line.weight for line in lines if line.weight is not None]
    if not weights:
        return [Money(line.amount_minor or 0, whole.currency) for line in lines]
    weighted = iter(allocate(Money(left, whole.currency), weights))
    parts = [
        next(weighted) if line.amount_minor is None else Money(line.amount_minor, whole.currency)
        for line in lines
    ]
    if any(not part.is_positive for part in parts):
        raise SplitInvalid("what is left is too little for every weight to have something", param=param)
    return parts
