"""Moving money between two accounts of a merchant (brief 003, TransferFunds): both open, one currency, not
the same one, enough available, the source as the caller knew it.

The source is locked with all strict accounts of the legs, in the order of their ids: transfers in opposite
directions wait for each other and never in a circle. A refused transfer is no row; money that was missing, an
account that was closed or had changed are kept in the audit log, in a phase of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger import audit, crashpoints
from ledger.actors import Actor
from ledger.errors import DomainError, Invalid
from ledger.journal import AccountClosed
from ledger.locks import phased
from ledger.machines import REJECTED, UNDER_REVIEW
from ledger.models import Account, Transfer
from ledger.models.transfers import NotRefundable
from ledger.recording import no_answer, record
from ledger.transfers import booking, locks, movements, news
from ledger.transfers.kinds import RULES, TransferType
from ledger.transfers.movements import Ends, InsufficientFunds, Movement, VersionMismatch

Answer = Callable[[Any], None]


class BadInterest(Invalid):
    """The interest is not a part of this amount, or the type has none."""

    code = "transfer_interest_wrong"
    advice = "Only a loan payment is divided: into interest, at most the amount, and principal, the rest."


class BadRefund(Invalid):
    """A refund names a payment of the opposite direction, and nothing else does."""

    code = "transfer_refund_wrong"
    advice = "Name in refunds the payment whose receiver now pays its payer back, in its currency."


@dataclass(frozen=True, slots=True)
class TransferWish:
    """What is asked for. `expected_version` is the version of the source account that the caller has read;
    `refunds` the payment that a refund takes back."""

    transfer_id: UUID
    ends: Ends
    refunds: UUID | None = None
    expected_version: int | None = None
    description: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


def transfer(
    *, merchant_id: UUID, wish: TransferWish, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Transfer:
    """Move money: at once, or after a person has looked when it is as much as the law wants looked at.

    Run again with the same `transfer_id` it finds what it made.

    :raises SameAccount, AccountNotFound, CurrencyMismatch, WrongAccounts, HouseOnly: it may not be.
    :raises BadInterest, BadRefund, NotRefundable: the parts do not fit.
    :raises AccountClosed, VersionMismatch, InsufficientFunds, LimitPassed: it cannot be now.
    """
    try:
        return _transfer(merchant_id, wish, actor, at, answer)
    except (AccountClosed, VersionMismatch, InsufficientFunds) as refusal:
        note_refusal(merchant_id, wish.ends, refusal, actor, at)
        raise


@phased
def note_refusal(merchant_id: UUID, ends: Ends, refusal: DomainError, actor: Actor, at: datetime) -> None:
    """Keep in the audit log that a movement was refused; what was refused has left no other trace."""
    source = Account.objects.filter(merchant_id=merchant_id, public_uuid=ends.source).first()
    if source is not None:
        asked = {"type": ends.type.value, "amount": ends.amount.as_json(), "code": refusal.code}
        audit.record(
            actor=actor, action="transfer.refused", subject=source, at=at, outcome="refused", after=asked
        )


@crashpoints.phased("account_transfer")
def _transfer(merchant_id: UUID, wish: TransferWish, actor: Actor, at: datetime, answer: Answer) -> Transfer:
    made = booking.made_before(merchant_id, wish.transfer_id)
    if made is not None:
        answer(made)
        return made
    _check_parts(wish)
    paid = locks.transfer(merchant_id, wish.refunds) if wish.refunds is not None else None
    movement = movements.plan(merchant_id, wish.ends, actor)
    movements.check(movement, expected_version=wish.expected_version)
    if paid is not None:
        _count_refund(paid, movement, actor, at)
    interest = wish.ends.interest
    row = Transfer(
        id=wish.transfer_id,
        merchant_id=merchant_id,
        type=wish.ends.type.value,
        source=movement.source,
        target=movement.target,
        currency=wish.ends.amount.currency,
        amount_minor=wish.ends.amount.minor,
        interest_minor=interest.minor if interest is not None else 0,
        refunds=paid,
        description=wish.description,
        metadata=wish.metadata,
        requested_by=actor.as_json(),
        created_at=at,
    )
    booking.book(row, movement, actor=actor, at=at)
    answer(row)
    return row


def _check_parts(wish: TransferWish) -> None:
    interest = wish.ends.interest
    if interest is not None:
        if not RULES[wish.ends.type].has_interest:
            raise BadInterest(f"a {wish.ends.type} has no interest part", param="interest")
        if interest > wish.ends.amount or interest.minor < 0:
            raise BadInterest("the interest is more than the amount", param="interest")
    if (wish.ends.type is TransferType.REFUND) != (wish.refunds is not None):
        raise BadRefund("a refund names the payment it takes back, and only a refund does", param="refunds")


def _count_refund(paid: Transfer, movement: Movement, actor: Actor, at: datetime) -> None:
    """Count a refund on the payment it takes back; both are locked."""
    is_opposite = (paid.source_id, paid.target_id) == (movement.target.pk, movement.source.pk)
    if paid.type != TransferType.PAYMENT or not is_opposite:
        raise BadRefund(f"{paid.public_id} is not a payment from the target to the source", param="refunds")
    if paid.state in (UNDER_REVIEW, REJECTED):
        raise NotRefundable(f"payment {paid.public_id} is {paid.state.replace('_', ' ')}", param="refunds")
    with record(paid, actor=actor, at=at) as entry:
        paid.count_refund(movement.amount)
        entry.announce(news.of_transfer(paid, movement.target, movement.source))
