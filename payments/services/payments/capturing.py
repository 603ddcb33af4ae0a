"""Capture all or part of an authorization: the money moves, every vendor's share of it is posted.

1. The claim sets the amount aside on the payment (`capturing_minor`), so that captures at once can never
   exceed the authorization: the row is locked, a check constraint repeats it. Each capture has its leg.
2. A final capture sets all that is left aside and gives the rest up when it succeeds.
3. The conclusion divides the amount over the shares, posts, and closes the operation, in one phase.
"""

from datetime import datetime
from functools import partial
from uuid import UUID, uuid5

from ledger import jobs
from ledger.actors import SYSTEM, Actor
from ledger.errors import Conflict, Invalid
from ledger.money import Money
from ledger.recording import no_answer, record
from ledger.states import StateConflict
from ledger.writing import gathered
from payments import locks, news, selectors, states
from payments.models import Payment, ProviderOperation
from payments.models.operations import Kind
from payments.models.payment_choices import CaptureMethod
from payments.models.payments import CaptureTooLarge
from payments.providers.outcomes import Approved, Declined, Outcome, Rejected
from payments.services.calls import contradicting, operations, performing
from payments.services.calls.claim_refusals import ASKED_AGAIN_AFTER
from payments.services.calls.operations import Answer, Intent, OperationOpen
from payments.services.payments import capture_steps, releasing
from payments.services.payments.authorizing import CAPTURE_JOB
from vendors.models.merchants import MerchantInactive


class AuthorizationExpired(Conflict):
    """The authorization has lapsed."""

    code = "authorization_expired"
    advice = "Create a new payment; the customer's bank no longer reserves the money."


class CaptureManaged(Conflict):
    """The payment is captured, raised and divided by the marketplace payment to which it belongs."""

    code = "capture_managed"
    advice = "Wait for the marketplace payment, or cancel that."


class CaptureAmountInvalid(Invalid):
    """A capture of nothing."""

    code = "capture_amount_invalid"
    advice = "Capture a positive amount, or leave the amount out to capture the rest."


def capture(
    *,
    merchant_id: UUID,
    payment_id: UUID,
    operation_id: UUID,
    amount: Money | None,
    final: bool = False,
    by_saga: bool = False,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
) -> Payment:
    """Capture `amount` of a payment (all that is left when None) and return the payment.

    With `final` the rest is given up when the capture succeeds.

    :raises CaptureManaged: a marketplace payment captures it (`by_saga` says that it does so now).
    :raises PaymentNotFound: :raises StateConflict: :raises AuthorizationExpired: it cannot be captured.
    :raises CaptureTooLarge: :raises CaptureAmountInvalid: :raises CurrencyMismatch: not this amount.
    :raises OperationOpen: a void is under way. :raises MerchantInactive: its merchant may not act.
    """
    payment: Payment = performing.perform(
        partial(_claim, merchant_id, payment_id, operation_id, amount, final, by_saga, actor, at),
        merchant_id=merchant_id,
        operation_id=operation_id,
        actor=actor,
        at=at,
        answer=answer,
    )
    return payment


def capture_by_job(payment_id: UUID, at: datetime) -> None:
    """Capture the whole of a payment that is to be captured by us; safe to repeat.

    Somebody may have been faster, or have cancelled: then there is nothing to do. That of a merchant who may
    not act waits until he may, or until the authorization lapses.

    :raises Later: the merchant may not act.
    """
    payment = selectors.payment(selectors.ALL, payment_id)
    try:
        capture(
            merchant_id=payment.merchant_id,
            payment_id=payment_id,
            operation_id=uuid5(payment_id, CAPTURE_JOB),
            amount=None,
            actor=SYSTEM,
            at=at,
        )
    except (StateConflict, OperationOpen, CaptureTooLarge, CaptureAmountInvalid, AuthorizationExpired):
        return
    except MerchantInactive as error:
        raise jobs.Later(error.message, at + ASKED_AGAIN_AFTER) from error


@gathered
def _claim(
    merchant_id: UUID,
    payment_id: UUID,
    operation_id: UUID,
    amount: Money | None,
    final: bool,
    by_saga: bool,
    actor: Actor,
    at: datetime,
) -> ProviderOperation:
    payment = locks.payment(merchant_id, payment_id)
    if payment.capture_method == CaptureMethod.MANAGED and not by_saga:
        raise CaptureManaged("its marketplace payment captures it", param="capture_method")
    if payment.state not in (states.AUTHORIZED, states.PARTLY_CAPTURED):
        raise StateConflict(f"a payment that is {payment.state} cannot be captured", param="status")
    if payment.is_voiding:
        raise OperationOpen("the authorization is being given back", leg="void")
    if payment.increasing_minor:
        raise OperationOpen("more is being reserved", leg=f"increment:{payment.increase_count}")
    if payment.expires_at is not None and payment.expires_at <= at:
        raise AuthorizationExpired(f"the authorization lapsed at {payment.expires_at.isoformat()}")
    wanted = payment.capturable if amount is None else amount
    if not wanted.is_positive:
        raise CaptureAmountInvalid("there is nothing to capture", param="amount")
    is_last = final or (wanted == payment.capturable and payment.capturing_minor == 0)
    with record(payment, actor=actor, cause=operations.cause_of(operation_id), at=at) as entry:
        reserved = payment.reserve_capture(wanted, is_final=final)
        entry.announce(news.of_payment(payment, step_minor=reserved.minor))
    return operations.claim(
        Intent(
            operation_id=operation_id,
            merchant_id=merchant_id,
            kind=Kind.CAPTURE,
            subject_type=Payment.SUBJECT,
            subject_id=payment_id,
            leg=f"capture:{payment.capture_count}",
            provider=payment.provider,
            amount=wanted,
            payment_id=payment_id,
            request={
                "authorization": payment.provider_reference,
                "reserved_minor": reserved.minor,
                "is_final": final,
                "is_last": is_last,
            },
        ),
        actor=actor,
        at=at,
    )


@operations.concludes(Kind.CAPTURE)
@gathered
def conclude(
    *, operation_id: UUID, outcome: Outcome, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Payment:
    """End a capture with an outcome, from whoever learns it first; return the payment."""
    payment, operation = locks.payment_with_operation(operation_id)
    if operation.is_awaited:
        _apply(payment, operation, operations.checked(operation, outcome), actor, at)
    else:
        contradicting.note(operation, outcome, actor=actor, at=at)
    payment.is_processing = payment.capturing_minor > 0 or payment.is_voiding
    payment.last_operation = operation
    answer(payment)
    return payment


def _apply(
    payment: Payment, operation: ProviderOperation, outcome: Outcome, actor: Actor, at: datetime
) -> None:
    match outcome:
        case Approved():
            _approved(payment, operation, outcome, actor, at)
        case Declined() | Rejected():
            _refused(payment, operation, outcome, actor, at)
        case _:
            operations.note(operation, outcome, at)
            return
    operations.close(operation, outcome, at)


def _approved(
    payment: Payment, operation: ProviderOperation, outcome: Approved, actor: Actor, at: datetime
) -> None:
    shares = locks.shares(payment.pk)
    amount, reserved = operation.amount, payment.money(operation.request["reserved_minor"])
    is_last = (
        operation.request["is_final"] or payment.captured_minor + amount.minor == payment.authorized_minor
    )
    division = capture_steps.divide(payment, shares, amount, outcome.fee, is_last=is_last)
    cause = operations.cause(operation)
    with record(payment, *division.shares, actor=actor, cause=cause, at=at) as entry:
        if is_last:
            payment.capture(amount, reserved, at)
        else:
            payment.capture_part(amount, reserved, at)
        entry.post(division.legs, step=operation.leg)
        division.take(entry, at)
        entry.announce(
            news.of_payment(
                payment,
                step_minor=amount.minor,
                fee_minor=outcome.fee.minor,
                operation_id=operation.public_id,
            )
        )
    if is_last:
        releasing.release_later(payment, at)
    payment.share_rows = shares


def _refused(
    payment: Payment, operation: ProviderOperation, outcome: Declined | Rejected, actor: Actor, at: datetime
) -> None:
    reserved = payment.money(operation.request["reserved_minor"])
    payment.note_decline(outcome.code, outcome.message, is_hard=outcome.is_hard)
    with record(payment, actor=actor, cause=operations.cause(operation), at=at) as entry:
        if payment.state == states.AUTHORIZED:
            payment.fail_capture(reserved)
        else:
            payment.fail_part_capture(reserved)
        entry.announce(news.of_payment(payment, decline_code=outcome.code, operation_id=operation.public_id))
