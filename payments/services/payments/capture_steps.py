"""What a capture means for the shares, whoever makes it: a capture of its own or a sale.

The amount is divided over the shares by what is left of each, commission by its running total; each share
takes one edge; the legs are those of `posting_rules.captured`. The caller holds the locks and the record.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger.journal import Leg
from ledger.money import Money
from ledger.recording import Entry
from payments import news, posting_rules
from payments.models import Payment, PaymentTransaction
from payments.posting_rules import ShareCapture
from payments.rules import capture_division
from payments.rules.capture_division import Part

NOT_CAPTURED: Final = "its share was not captured"


@dataclass(frozen=True, slots=True)
class Division:
    """Which shares a capture moves, and what it means in the books."""

    moves: list[tuple[PaymentTransaction, Part]]
    legs: list[Leg]
    is_last: bool

    @property
    def shares(self) -> list[PaymentTransaction]:
        """The shares that take an edge."""
        return [share for share, _ in self.moves]

    def take(self, entry: Entry, at: datetime) -> None:
        """Move every share and announce it."""
        for share, part in self.moves:
            move_share(share, part, at, is_last=self.is_last)
            entry.announce(news.of_share(share, step_minor=part.amount.minor), subject=share)


def divide(
    payment: Payment, shares: Sequence[PaymentTransaction], amount: Money, fee: Money, *, is_last: bool
) -> Division:
    """Divide a capture over the shares of a payment, as they stand before it."""
    parts, own = _parts(payment, shares, amount)
    moves = [
        (share, part)
        for share, part in zip(shares, parts, strict=True)
        if part.amount.is_positive or (is_last and share.is_open)
    ]
    captures = [ShareCapture(share, part) for share, part in moves]
    return Division(moves, posting_rules.captured(payment, captures, own, fee), is_last)


def move_share(share: PaymentTransaction, part: Part, at: datetime, *, is_last: bool) -> None:
    """Take the edge that a share's part of a capture means; the last one of the payment ends every share."""
    taken = share.captured_minor + part.amount.minor
    if is_last and taken == 0:
        share.cancel(NOT_CAPTURED, at)
    elif is_last or taken == share.amount_minor:
        share.capture(part.amount, part.commission, at)
    else:
        share.capture_part(part.amount, part.commission, at)


def _parts(payment: Payment, shares: Sequence[PaymentTransaction], amount: Money) -> tuple[list[Part], Money]:
    own_whole = payment.amount_minor - sum(share.claim_minor for share in shares)
    own_taken = payment.captured_minor - sum(share.captured_minor for share in shares)
    amounts, own = capture_division.divide_over(
        amount, [share.capturable_minor for share in shares], own_whole - own_taken
    )
    parts = [
        Part(
            part,
            payment.money(
                capture_division.commission_due(
                    share.amount_minor, share.commission_minor, share.captured_minor + part.minor
                )
                - share.commission_captured_minor
            ),
        )
        for share, part in zip(shares, amounts, strict=True)
    ]
    return parts, own
