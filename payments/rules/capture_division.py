"""Pure: how a capture of a payment divides over its vendors' shares.

Each division is by what is left of each part, with largest remainders, so that no part is negative, none
exceeds its share, and the parts sum to the whole (I-21). The merchant's own remainder is one more part, the
last. Commission follows the captured sum at the frozen ratio, rounded half even on the running total: over
any captures that take the whole share, the parts sum to the whole commission.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.money import Money, Rounding, allocate, divide


@dataclass(frozen=True, slots=True)
class Part:
    """What one share gives or takes in one step."""

    amount: Money
    commission: Money


def divide_over(amount: Money, left_minor: Sequence[int], own_left_minor: int) -> tuple[list[Money], Money]:
    """Divide `amount` over what is left of the shares and of the merchant's own remainder.

    Returns one part per share, in order, and the merchant's own part. `amount` is at most the sum of all
    that is left.

    :raises ValueError: more than is left (a defect: the caller's constraint allows no such amount).
    """
    weights = [*left_minor, own_left_minor]
    if amount.minor > sum(weights):
        raise ValueError(f"{amount.minor} is more than the {sum(weights)} that is left")
    if amount.is_zero:
        return [Money.zero(amount.currency) for _ in left_minor], Money.zero(amount.currency)
    *parts, own = allocate(amount, weights)
    return parts, own


def commission_due(share_minor: int, commission_minor: int, taken_minor: int) -> int:
    """Return the commission on `taken_minor` of a share of `share_minor` whose whole commission is known.

    Minor units, half even; monotone in `taken_minor`, 0 at 0 and the whole at the whole.
    """
    return divide(commission_minor * taken_minor, share_minor, Rounding.HALF_EVEN)
