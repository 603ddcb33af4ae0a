"""Holds: money of an account set aside for a time, committed in parts or whole, voided, or let go when the
time is over.

What is held counts as gone for everybody else: the account's own check bounds balance and held together. A
commit is a transfer of its own, with one record for it and the hold; it is refused once the time is over,
also when the hold was not let go yet.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from ledger import crashpoints
from ledger.actors import SYSTEM, Actor
from ledger.errors import Conflict, Invalid
from ledger.journal import AccountClosed
from ledger.machines import HOLD_STATES_OPEN
from ledger.models import Hold, Transfer
from ledger.models.transfers import HoldTooSmall
from ledger.money import Money
from ledger.recording import no_answer, record
from ledger.states import StateConflict
from ledger.transfers import booking, locks, movements, news
from ledger.transfers.kinds import HOLD_TYPES, TransferType
from ledger.transfers.movements import Ends, InsufficientFunds
from ledger.transfers.transferring import note_refusal

Answer = Callable[[Any], None]
SECONDS_DEFAULT: Final = 7 * 86_400
SECONDS_MAX: Final = 31 * 86_400
EXPIRED_AT_ONCE: Final = 200


class HoldExpired(Conflict):
    """The hold's time is over."""

    code = "hold_expired"
    advice = "Place a new hold, or transfer the money at once."


class HoldForReview(Conflict):
    """The hold belongs to a transfer that a person is looking at."""

    code = "hold_for_review"
    advice = "Wait for the review of the transfer; it commits or voids this hold."


class NotToBeHeld(Invalid):
    """Money is not held for this payment type."""

    code = "hold_type_wrong"
    advice = "Hold for a transfer, a payment or a fee; the other types move at once."


@dataclass(frozen=True, slots=True)
class HoldWish:
    """What is to be set aside, for which movement and for how many seconds."""

    hold_id: UUID
    ends: Ends
    seconds: int = SECONDS_DEFAULT
    description: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit made of a hold: the hold after it, and the transfer."""

    hold: Hold
    transfer: Transfer


def place(
    *, merchant_id: UUID, wish: HoldWish, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Hold:
    """Set money aside. Run again with the same `hold_id` it finds what it made.

    :raises NotToBeHeld: not for this type.
    :raises SameAccount, AccountNotFound, CurrencyMismatch, WrongAccounts: the accounts do not fit.
    :raises AccountClosed, InsufficientFunds, LimitPassed: it cannot be now.
    """
    if wish.ends.type not in HOLD_TYPES:
        raise NotToBeHeld(f"nothing is held for a {wish.ends.type}", param="type")
    try:
        return _place(merchant_id, wish, actor, at, answer)
    except (AccountClosed, InsufficientFunds) as refusal:
        note_refusal(merchant_id, wish.ends, refusal, actor, at)
        raise


@crashpoints.phased("account_commit")
def commit(
    *, merchant_id: UUID, hold_id: UUID, transfer_id: UUID, amount_minor: int | None, actor: Actor,
    at: datetime, answer: Answer = no_answer,
) -> Commit:  # fmt: skip
    """Move a part of what is held, or all that remains. Run again with the same `transfer_id` it finds what
    it made.

    :raises HoldNotFound: no such hold. :raises HoldForReview: it is not the caller's to commit.
    :raises StateConflict: it is closed. :raises HoldExpired: its time is over.
    :raises HoldTooSmall: less remains. :raises AccountClosed: an account was closed meanwhile.
    """
    hold = _own(merchant_id, hold_id)
    made = booking.made_before(merchant_id, transfer_id)
    if made is None:
        made = _commit(hold, transfer_id, amount_minor, actor, at)
    done = Commit(hold, made)
    answer(done)
    return done


@crashpoints.phased("account_void")
def void(*, merchant_id: UUID, hold_id: UUID, actor: Actor, at: datetime, answer: Answer = no_answer) -> Hold:
    """Let go of what remains.

    :raises HoldNotFound: no such hold. :raises HoldForReview: it is not the caller's to void.
    :raises StateConflict: it is closed.
    """
    hold = _own(merchant_id, hold_id)
    _let_go(hold, actor, at, is_expired=False)
    answer(hold)
    return hold


def expire_due(at: datetime) -> int:
    """Let go of the holds whose time is over, each in a phase of its own; return how many."""
    due = Hold.objects.filter(state__in=HOLD_STATES_OPEN, expires_at__lte=at).order_by("expires_at", "pk")
    found = list(due.values_list("merchant_id", "pk")[:EXPIRED_AT_ONCE])
    return sum(_expire(merchant_id, hold_id, at) for merchant_id, hold_id in found)


# --- phases ---------------------------------------------------------------------------------------------
@crashpoints.phased("account_hold")
def _place(merchant_id: UUID, wish: HoldWish, actor: Actor, at: datetime, answer: Answer) -> Hold:
    made = Hold.objects.filter(merchant_id=merchant_id, pk=wish.hold_id).first()
    if made is not None:
        answer(made)
        return made
    movement = movements.plan(merchant_id, wish.ends, actor)
    payer = movements.check_hold(movement)
    movements.hold(payer, wish.ends.amount)
    hold = Hold(
        id=wish.hold_id,
        merchant_id=merchant_id,
        type=wish.ends.type.value,
        account=payer,
        target=movement.target,
        currency=wish.ends.amount.currency,
        amount_minor=wish.ends.amount.minor,
        description=wish.description,
        metadata=wish.metadata,
        requested_by=actor.as_json(),
        created_at=at,
        expires_at=at + timedelta(seconds=wish.seconds),
    )
    with record(hold, actor=actor, at=at) as entry:
        hold.place()
        entry.announce(news.of_hold(hold, payer, movement.target))
    answer(hold)
    return hold


@crashpoints.phased("account_expiry")
def _expire(merchant_id: UUID, hold_id: UUID, at: datetime) -> bool:
    hold = locks.hold(merchant_id, hold_id)
    if not hold.is_open or hold.expires_at is None or hold.expires_at > at:
        return False
    _let_go(hold, SYSTEM, at, is_expired=True)
    return True


# --- steps inside a phase -------------------------------------------------------------------------------
def _own(merchant_id: UUID, hold_id: UUID) -> Hold:
    hold = locks.hold(merchant_id, hold_id)
    if hold.reviews_id is not None:
        raise HoldForReview(f"hold {hold.public_id} waits for a review")
    return hold


def _commit(hold: Hold, transfer_id: UUID, amount_minor: int | None, actor: Actor, at: datetime) -> Transfer:
    if not hold.is_open:
        raise StateConflict(f"a hold that is {hold.state} cannot commit", param="status", state=hold.state)
    if hold.expires_at is not None and hold.expires_at <= at:
        raise HoldExpired(f"hold {hold.public_id} expired at {hold.expires_at.isoformat()}")
    amount = hold.remaining if amount_minor is None else Money(amount_minor, hold.currency)
    if amount > hold.remaining:
        raise HoldTooSmall(f"{hold.remaining.display()} remains of hold {hold.public_id}", param="amount")
    movement = movements.between(hold.account, hold.target, TransferType(hold.type), amount, None, actor)
    movements.check(movement, kept=amount)
    row = Transfer(
        id=transfer_id,
        merchant_id=hold.merchant_id,
        type=hold.type,
        source=movement.source,
        target=movement.target,
        currency=hold.currency,
        amount_minor=amount.minor,
        hold=hold,
        description=hold.description,
        metadata=hold.metadata,
        requested_by=actor.as_json(),
        created_at=at,
    )
    booking.book(row, movement, actor=actor, at=at, hold=hold)
    return row


def _let_go(hold: Hold, actor: Actor, at: datetime, *, is_expired: bool) -> None:
    remaining = hold.remaining
    rows = locks.accounts([hold.account_id])
    with record(hold, actor=actor, at=at) as entry:
        hold.expire(at) if is_expired else hold.void(at)
        movements.release(rows[hold.account_id], remaining)
        entry.announce(news.of_hold(hold, rows[hold.account_id], hold.target))
