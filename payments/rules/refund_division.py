"""Pure: which vendors' shares a refund comes out of.

Without a wish of the merchant a refund is divided in proportion to what is still refundable of each share
and of the merchant's own part, by largest remainder. With one, the shares named give what is wished and the
merchant's own part gives the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from ledger.errors import Invalid
from ledger.money import Money
from payments.rules.capture_division import divide_over


class RefundTooLarge(Invalid):
    """More than what was captured and not yet refunded or promised."""

    code = "refund_too_large"
    advice = "Ask for at most the amount that is still refundable."


class BadRefundSplit(Invalid):
    """The division over shares that was asked for does not add up."""

    code = "refund_split_invalid"
    advice = "Name shares of this payment; their parts may not exceed the refund nor what each can give."


@dataclass(frozen=True, slots=True)
class Refundable:
    """What can still be refunded out of one vendor's share."""

    transaction_id: UUID
    amount: Money


@dataclass(frozen=True, slots=True)
class Division:
    """A refund divided: `parts` by share (none is zero) and `own`, out of the merchant's own part."""

    parts: dict[UUID, Money]
    own: Money


def divide_refund(
    amount: Money,
    shares: Sequence[Refundable],
    own: Money,
    wish: Mapping[UUID, Money] | None = None,
) -> Division:
    """Divide a refund over vendors' shares and the merchant's own part.

    `own` is what is still refundable of the merchant's part. With a `wish`, the shares named give what is
    wished and the merchant's part gives the rest; without one, all give in proportion.

    :raises RefundTooLarge: `amount` is more than all can give.
    :raises BadRefundSplit: the wish names a stranger, asks too much of a share, or leaves a rest that the
        merchant's own part cannot give.
    """
    left = sum((share.amount for share in shares), own)
    if amount > left:
        raise RefundTooLarge(
            f"{amount.display()} is more than the {left.display()} that can still be refunded",
            param="amount",
            refundable=left.as_json(),
        )
    if wish is not None:
        return _as_wished(amount, shares, own, wish)
    parts, own_part = divide_over(amount, [share.amount.minor for share in shares], own.minor)
    by_share = zip(shares, parts, strict=True)
    return Division({share.transaction_id: part for share, part in by_share if part.is_positive}, own_part)


def _as_wished(
    amount: Money, shares: Sequence[Refundable], own: Money, wish: Mapping[UUID, Money]
) -> Division:
    refundable = {share.transaction_id: share.amount for share in shares}
    wished = Money.zero(amount.currency)
    for transaction_id, part in wish.items():
        if transaction_id not in refundable:
            raise BadRefundSplit(
                "a share that was named does not belong to this payment", param="vendor_split"
            )
        if part > refundable[transaction_id]:
            raise BadRefundSplit(
                f"{part.display()} is more than the {refundable[transaction_id].display()} of that share",
                param="vendor_split",
            )
        wished += part
    rest = amount - wished
    if rest.minor < 0:
        raise BadRefundSplit("the parts sum to more than the refund", param="vendor_split")
    if rest > own:
        raise BadRefundSplit(
            f"the parts leave {rest.display()}, but the merchant's own part can give {own.display()}",
            param="vendor_split",
        )
    return Division({key: part for key, part in wish.items() if part.is_positive}, rest)
