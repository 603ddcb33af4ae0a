"""A refund over an order's captures: PayPal refunds one capture at a time, the house a payment.

Pure: which capture gives how much, and what the refunds that stand under a key come to. A refund that no
single capture can bear has several parts, each at most once per capture; until all stand it is not made.
"""

from dataclasses import dataclass

from ledger.money import Money
from payments.providers.outcomes import (
    Approved,
    Declined,
    Found,
    Mismatch,
    NotFound,
    Outcome,
    Pending,
    Rejected,
)
from payments.providers.paypal import mapping
from payments.providers.paypal.orders import NOT_GIVEN, NOT_TAKEN, Order


@dataclass(frozen=True, slots=True)
class Piece:
    """One request: how much of which capture; `number` is 0 when it is the whole refund."""

    capture: str
    amount: Money
    number: int = 0


def plan(order: Order, key: str, amount: Money) -> list[Piece]:
    """Return the requests that are still to be made for a refund; none when the captures cannot bear it.

    The oldest capture that can bear all of it does; else all give, those with the most left first.
    """
    standing = [one for one in order.refunds_of(key) if one.status not in NOT_GIVEN]
    zero = Money.zero(amount.currency)
    missing = amount - sum((one.amount for one in standing), zero)
    given = len(standing)
    takes = [one for one in order.captures if one.status not in NOT_TAKEN]
    left = [(order.left_of(one), one.id) for one in takes]
    if not given:
        for room, capture in left:
            if room >= missing:
                return [Piece(capture, missing)]
    if sum((room for room, _ in left), zero) < missing or not missing.is_positive:
        return []
    pieces: list[Piece] = []
    for room, capture in sorted(left, key=lambda one: -one[0].minor):
        part = min(room, missing)
        if part.is_positive:
            pieces.append(Piece(capture, part, given + len(pieces) + 1))
            missing = missing - part
    return pieces


def found(order: Order, key: str, amount: Money) -> Found:
    """Return what an order says of a refund of ours; not found also while parts of it are to be made."""
    made = order.refunds_of(key)
    if not made:
        return NotFound()
    if len(made) == 1 and (made[0].status in NOT_GIVEN or len(order.captures) == 1):
        refund = made[0]
        if refund.amount != amount:
            return _held(amount, refund.amount, refund.id)
        return mapping.refund_outcome(refund)
    standing = [one for one in made if one.status not in NOT_GIVEN]
    total = sum((one.amount for one in standing), Money.zero(amount.currency))
    if total < amount and len(standing) == len(made):
        return NotFound()
    if total != amount:
        return _held(amount, total, made[0].id)
    return together([mapping.refund_outcome(one) for one in standing], amount)


def together(outcomes: list[Outcome], amount: Money) -> Outcome:
    """Return what the parts of a refund come to; all of them are approved, pending or not known."""
    for outcome in outcomes:
        if not isinstance(outcome, Approved | Pending):
            return outcome
    if any(isinstance(one, Pending) for one in outcomes):
        return next(one for one in outcomes if isinstance(one, Pending))
    first = next(one for one in outcomes if isinstance(one, Approved))
    return Approved(first.reference, amount, Money.zero(amount.currency))


def broken(outcome: Outcome, amount: Money, made: Money, reference: str) -> Outcome:
    """Return what it means that a part was refused after others were made: a person must look."""
    return _held(amount, made, reference) if isinstance(outcome, Declined | Rejected) else outcome


def _held(amount: Money, made: Money, reference: str) -> Mismatch:
    return Mismatch(f"refunded {amount.display()}", f"refunded {made.display()}", reference)
