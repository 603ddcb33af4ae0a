"""What each step of a marketplace payment does, and how it is undone.

Two kinds. A *local* step acts in our database only: effect and record of the step are one phase, so there is
no moment between them. A *remote* step asks a provider: the step is written as started first, the effect has
a key that is derived from the step, and whoever comes after a crash finds what the first run did by that key.
After the capture (the pivot) nothing is undone any more: what is captured is refunded, by a person.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger import chart
from ledger.actors import SYSTEM
from ledger.chart import Code
from ledger.events import Cause
from ledger.models import JournalEntry, Posting
from ledger.recording import record
from ledger.states import StateConflict
from payments import locks, news, selectors, states
from payments.models import Payment, PaymentTransaction, ProviderOperation, Saga, SagaStep
from payments.models.operations import OutcomeKind
from payments.models.sagas import Direction, StepName
from payments.saga_selectors import forward_of
from payments.services.calls.claim_refusals import PaymentMethodRemoved
from payments.services.calls.limiting_retries import RetryLimitReached
from payments.services.calls.operations import OperationOpen
from payments.services.marketplace import recording_shares
from payments.services.payments import authorizing, capturing, voiding
from payments.services.payments.capturing import AuthorizationExpired, CaptureAmountInvalid
from vendors import selectors as vendor_selectors
from vendors.models.merchants import MerchantInactive
from vendors.models.vendors import VendorNotFound

UNDOABLE: Final = frozenset({StepName.AUTHORIZE, StepName.HOLD_FEE, StepName.ALLOCATE})
_OVER: Final = (states.FAILED, states.REJECTED, states.CANCELLED, states.EXPIRED, states.REVERSED)
_TAKEN: Final = (states.CAPTURED, states.COMPLETED)
_REFUSED: Final = (OutcomeKind.DECLINED, OutcomeKind.REJECTED)


@dataclass(frozen=True, slots=True)
class Done:
    """The step is done; `note` says what came of it."""

    note: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The step did not happen and will not."""

    why: str


@dataclass(frozen=True, slots=True)
class Waits:
    """Nobody knows yet: the provider, the customer or a reviewer decides."""

    why: str


Result = Done | Refused | Waits


class Unplanned(Exception):
    """What is there is not what was planned: the saga is blocked."""


# --- local steps: one phase each ----------------------------------------------------------------------------
def hold_fee(saga: Saga, step: SagaStep, at: datetime) -> Refused | None:
    """Set the marketplace's fee aside, so that no allocation can take it."""
    with record(saga, step, actor=SYSTEM, at=at) as entry:
        saga.advance(fee=saga.money(step.amount_minor))
        step.finish("held", at)
        entry.announce(news.of_saga_step(step), subject=step)
        entry.announce(news.of_saga(saga))
    return None


def release_fee(saga: Saga, step: SagaStep, at: datetime) -> Refused | None:
    """Free the fee."""
    with record(saga, step, actor=SYSTEM, at=at) as entry:
        saga.undo_step(fee=saga.money(step.amount_minor))
        step.finish("freed", at)
        entry.announce(news.of_saga_step(step), subject=step)
        entry.announce(news.of_saga(saga))
    return None


def allocate(saga: Saga, step: SagaStep, at: datetime) -> Refused | None:
    """Record a seller's share of the authorized payment, with the commission that holds now.

    No money moves before the capture; a seller who cannot sell any more turns the saga back.
    """
    payment = locks.payment(saga.merchant_id, saga.payment_id)
    if payment.state != states.AUTHORIZED or payment.is_voiding:
        return Refused(f"the payment is {payment.state}")
    shares = locks.shares(payment.pk)
    assert step.vendor_id is not None
    try:
        vendor = vendor_selectors.vendor(saga.merchant_id, step.vendor_id)
    except VendorNotFound:
        return Refused("the seller is not there any more")
    if not vendor.is_active:
        return Refused(f"seller {vendor.public_id} cannot sell now")
    share = recording_shares.new_share(
        payment, vendor, saga.money(step.amount_minor), share_id=step.effect_id, position=len(shares), at=at
    )
    with record(saga, step, share, actor=SYSTEM, at=at, cause=cause_of(saga)) as entry:
        saga.advance(part=share.amount)
        share.create()
        step.finish(share.public_id, at)
        entry.announce(news.of_share(share), subject=share)
        entry.announce(news.of_saga_step(step), subject=step)
        entry.announce(news.of_saga(saga))
    return None


def deallocate(saga: Saga, step: SagaStep, at: datetime) -> Refused | None:
    """End a seller's share; it may have ended with its payment already."""
    locks.payment(saga.merchant_id, saga.payment_id)
    share_id = _forward(saga, step).effect_id
    share = next(share for share in locks.shares(saga.payment_id) if share.pk == share_id)
    if share.captured_minor:
        raise Unplanned(f"share {share.public_id} was captured")
    ending = [share] if share.is_open else []
    with record(saga, step, *ending, actor=SYSTEM, at=at, cause=cause_of(saga)) as entry:
        saga.undo_step(part=share.amount)
        for row in ending:
            row.cancel(saga.reason, at)
            entry.announce(news.of_share(row), subject=row)
        step.finish(f"{share.public_id} ended", at)
        entry.announce(news.of_saga_step(step), subject=step)
        entry.announce(news.of_saga(saga))
    return None


def prove(saga: Saga, step: SagaStep, at: datetime) -> Refused | None:
    """Find the capture in the books as it was planned, and end the saga with that.

    :raises Unplanned: the books say something else.
    """
    entry_id = _proven(saga)
    with record(saga, step, actor=SYSTEM, at=at) as entry:
        saga.complete(at)
        step.finish(entry_id, at)
        entry.announce(news.of_saga_step(step), subject=step)
        entry.announce(news.of_saga(saga))
    return None


# --- remote steps: effect by key, no phase open -------------------------------------------------------------
def authorize(saga: Saga, step: SagaStep, at: datetime) -> Result:
    """Have the buyer's bank reserve the money, and say how it stands."""
    payment = selectors.payment(saga.merchant_id, saga.payment_id)
    if payment.state == states.CREATED and not payment.is_processing:
        try:
            payment = authorizing.authorize(
                merchant_id=saga.merchant_id,
                payment_id=payment.pk,
                operation_id=step.effect_id,
                actor=SYSTEM,
                at=at,
            )
        except (PaymentMethodRemoved, RetryLimitReached, MerchantInactive) as error:
            return Refused(str(error))
        except (StateConflict, OperationOpen) as error:
            return Waits(str(error))  # somebody was faster; the next look tells
    if payment.state == states.AUTHORIZED and not payment.is_voiding:
        return Done(payment.provider_reference)
    if payment.state in _OVER:
        return Refused(payment.reason or f"the payment is {payment.state}")
    return Waits(f"the payment is {payment.state}")


def give_back(saga: Saga, step: SagaStep, at: datetime) -> Result:
    """Give the reservation back, by a void where there is one."""
    payment = selectors.payment(saga.merchant_id, saga.payment_id)
    if payment.state not in _OVER:
        try:
            payment = voiding.cancel(
                merchant_id=saga.merchant_id,
                payment_id=payment.pk,
                operation_id=step.effect_id,
                reason=saga.reason,
                actor=SYSTEM,
                at=at,
            )
        except OperationOpen as error:
            return Waits(str(error))
        except StateConflict:
            payment = selectors.payment(saga.merchant_id, saga.payment_id)
    if payment.state in _OVER:
        return Done(f"the payment is {payment.state}")
    asked = ProviderOperation.objects.filter(pk=step.effect_id).first()
    if asked is not None and asked.outcome in _REFUSED:
        return Refused(f"the provider refused the void: {asked.outcome_code}")
    if payment.state in (states.PARTLY_CAPTURED, *_TAKEN):
        return Refused(f"the payment is {payment.state}")
    return Waits("the void is not known yet")


def capture(saga: Saga, step: SagaStep, at: datetime) -> Result:
    """Take the whole amount; with it the shares are posted, in one entry."""
    payment = selectors.payment(saga.merchant_id, saga.payment_id)
    why = f"the payment is {payment.state}"
    if payment.state == states.AUTHORIZED:
        try:
            payment = capturing.capture(
                merchant_id=saga.merchant_id,
                payment_id=payment.pk,
                operation_id=step.effect_id,
                amount=None,
                final=True,
                by_saga=True,
                actor=SYSTEM,
                at=at,
            )
        except (AuthorizationExpired, CaptureAmountInvalid, StateConflict, MerchantInactive) as error:
            why = str(error)
        except OperationOpen as error:
            return Waits(str(error))
    asked = ProviderOperation.objects.filter(pk=step.effect_id).first()
    if asked is None:
        return Refused(why)
    if asked.has_succeeded:
        return Done(asked.provider_reference)
    if asked.outcome in _REFUSED:
        return Refused(f"the provider refused the capture: {asked.outcome_code}")
    return Waits("the capture is not known yet")


def cause_of(saga: Saga) -> Cause:
    """Return the saga as the cause that events of shares name."""
    return Cause("saga", saga.public_id)


Local = Callable[[Saga, SagaStep, datetime], Refused | None]
Remote = Callable[[Saga, SagaStep, datetime], Result]

LOCAL: Final[dict[tuple[str, str], Local]] = {
    (StepName.HOLD_FEE, Direction.FORWARD): hold_fee,
    (StepName.HOLD_FEE, Direction.BACK): release_fee,
    (StepName.ALLOCATE, Direction.FORWARD): allocate,
    (StepName.ALLOCATE, Direction.BACK): deallocate,
    (StepName.PROVE, Direction.FORWARD): prove,
}
REMOTE: Final[dict[tuple[str, str], Remote]] = {
    (StepName.AUTHORIZE, Direction.FORWARD): authorize,
    (StepName.AUTHORIZE, Direction.BACK): give_back,
    (StepName.CAPTURE, Direction.FORWARD): capture,
}


def _forward(saga: Saga, step: SagaStep) -> SagaStep:
    return next(row for row in forward_of(saga.step_rows) if row.position == step.position)


def _proven(saga: Saga) -> str:
    """Return the id of the capture's entry, whose postings give each seller what was planned.

    :raises Unplanned: they do not.
    """
    steps = forward_of(saga.step_rows)
    taken = next(step for step in steps if step.name == StepName.CAPTURE)
    operation = ProviderOperation.objects.get(pk=taken.effect_id)
    entry = JournalEntry.objects.filter(
        source_type=Payment.SUBJECT, source_id=saga.payment_id, step=operation.leg
    ).first()
    if entry is None:
        raise Unplanned("the capture is not in the books")
    shares = {row.pk: row for row in PaymentTransaction.objects.filter(payment_id=saga.payment_id)}
    for step in steps:
        if step.name != StepName.ALLOCATE:
            continue
        share = shares.pop(step.effect_id)
        net = _posted_for(entry, share)
        if share.captured_minor != step.amount_minor or net != step.amount_minor - share.commission_minor:
            raise Unplanned(f"share {share.public_id} was posted with {net}, planned {step.amount_minor}")
    if shares:
        raise Unplanned("the payment has shares that were not planned")
    return str(entry.pk)


def _posted_for(entry: JournalEntry, share: PaymentTransaction) -> int:
    """Return what an entry gives a vendor's pending balance, in minor units."""
    account = chart.account(Code.VENDOR_PENDING, share.merchant_id, share.currency, share.vendor_id)
    postings = Posting.objects.filter(
        entry=entry,
        account__code=account.code,
        account__owner=account.owner,
        account__currency=share.currency,
    )
    return -sum(postings.values_list("amount", flat=True))
