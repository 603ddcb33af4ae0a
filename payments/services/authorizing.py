"""Authorize a payment: have the customer's bank reserve the amount; nothing moves.

The caller, the provider's webhook and the recovery all end in `conclude`. A payment that is to be captured
by us gets its capture as a job in the same phase. An authorization that succeeds after the merchant cancelled
is said so and given back by an operation of its own.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID, uuid5

from django.conf import settings

from ledger import jobs
from ledger.actors import SYSTEM, Actor
from ledger.locks import phased
from ledger.recording import no_answer, record
from ledger.states import StateConflict
from payments import locks, news, selectors, states
from payments.models import Payment, ProviderOperation
from payments.models.operations import Kind
from payments.providers.outcomes import Approved, Declined, Outcome, Rejected
from payments.services import operations, performing
from payments.services.operations import Answer, Intent
from vendors.models.merchants import CaptureMethod

LEG: Final = "authorize"
CAPTURE_JOB: Final = "payments.capture"
AUTHORIZE_JOB: Final = "payments.authorize"
VOID_LATE_JOB: Final = "payments.void_late"


def authorize(
    *,
    merchant_id: UUID,
    payment_id: UUID,
    operation_id: UUID,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
) -> Payment:
    """Authorize a payment and return it: authorized, failed (declined), or processing (not yet known).

    :raises PaymentNotFound: the merchant has no such payment.
    :raises StateConflict: its state does not allow it. :raises OperationOpen: it is being authorized.
    """
    payment: Payment = performing.perform(
        partial(_claim, merchant_id, payment_id, operation_id, actor, at),
        merchant_id=merchant_id,
        operation_id=operation_id,
        actor=actor,
        at=at,
        answer=answer,
    )
    return payment


def authorize_by_job(payment_id: UUID, at: datetime) -> None:
    """Authorize a payment that a person has approved; safe to repeat."""
    payment = selectors.payment(selectors.ALL, payment_id)
    operation_id = uuid5(payment_id, AUTHORIZE_JOB)
    if payment.state != states.CREATED and not payment.is_processing:
        return
    authorize(
        merchant_id=payment.merchant_id, payment_id=payment_id, operation_id=operation_id, actor=SYSTEM, at=at
    )


@phased
def _claim(
    merchant_id: UUID, payment_id: UUID, operation_id: UUID, actor: Actor, at: datetime
) -> ProviderOperation:
    payment = locks.payment(merchant_id, payment_id)
    if payment.state != states.CREATED:
        raise StateConflict(f"a payment that is {payment.state} cannot be authorized", param="status")
    return operations.claim(
        Intent(
            operation_id=operation_id,
            merchant_id=merchant_id,
            kind=Kind.AUTHORIZE,
            subject_type=Payment.SUBJECT,
            subject_id=payment_id,
            leg=LEG,
            provider=payment.provider,
            amount=payment.amount,
            payment_id=payment_id,
            request={
                "token": payment.method_token,
                "method_type": payment.method_type,
                "reference": payment.public_id,
                "description": payment.description,
            },
        ),
        actor=actor,
        at=at,
    )


@operations.concludes(Kind.AUTHORIZE)
@phased
def conclude(
    *, operation_id: UUID, outcome: Outcome, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Payment:
    """End an authorization with an outcome, from whoever learns it first; return the payment."""
    payment, operation = locks.payment_with_operation(operation_id)
    if operation.is_awaited:
        _apply(payment, operation, operations.checked(operation, outcome), actor, at)
    payment.is_processing = operation.is_open or payment.capturing_minor > 0 or payment.is_voiding
    answer(payment)
    return payment


def _apply(
    payment: Payment, operation: ProviderOperation, outcome: Outcome, actor: Actor, at: datetime
) -> None:
    match outcome:
        case Approved() if payment.state == states.CANCELLED:
            _approved_late(payment, operation, outcome, actor, at)
        case Approved():
            _approved(payment, operation, outcome, actor, at)
        case Declined() | Rejected():
            if payment.state != states.CANCELLED:
                _refused(payment, operation, outcome, actor, at)
        case _:
            operations.note(operation, outcome, at)
            return
    operations.close(operation, outcome, at)


def _approved(
    payment: Payment, operation: ProviderOperation, outcome: Approved, actor: Actor, at: datetime
) -> None:
    details = outcome.details
    payment.note_method(
        details.get("brand") or "", details.get("last4") or "", details.get("fingerprint") or ""
    )
    expires_at = at + timedelta(days=settings.PAYMENT_AUTHORIZATION_DAYS)
    with record(payment, actor=actor, cause=operations.cause(operation), at=at) as entry:
        payment.authorize(outcome.amount, outcome.reference, at, expires_at)
        entry.announce(news.of_payment(payment))
    if payment.capture_method == CaptureMethod.AUTOMATIC:
        jobs.schedule(CAPTURE_JOB, str(payment.pk), at)


def _approved_late(
    payment: Payment, operation: ProviderOperation, outcome: Approved, actor: Actor, at: datetime
) -> None:
    with record(payment, actor=actor, cause=operations.cause(operation), at=at) as entry:
        payment.authorize_late(outcome.reference)
        entry.announce(news.of_payment(payment, late_minor=outcome.amount.minor))
    jobs.schedule(VOID_LATE_JOB, str(payment.pk), at)


def _refused(
    payment: Payment, operation: ProviderOperation, outcome: Declined | Rejected, actor: Actor, at: datetime
) -> None:
    shares = locks.shares(payment.pk)
    if isinstance(outcome, Declined):
        payment.note_decline(outcome.code, outcome.message, is_hard=outcome.is_hard)
        reason = f"declined: {outcome.code}"
    else:
        payment.note_decline(outcome.code, outcome.message, is_hard=True)
        reason = f"refused as wrong by the provider: {outcome.code}"
    ending = [share for share in shares if share.is_open]
    with record(payment, *ending, actor=actor, cause=operations.cause(operation), at=at) as entry:
        payment.fail(reason, at)
        for share in ending:
            share.fail(reason, at)
            entry.announce(news.of_share(share), subject=share)
        entry.announce(news.of_payment(payment, decline_code=payment.decline_code))
    payment.share_rows = shares
