"""A sale: the provider authorized and captured in one call, and both are concluded in one step.

The books see what they see of any capture: the payment takes one edge (`sell`), the sale is posted under the
capture's leg, and the capture has an operation of its own beside the authorization's, so that its fee, its
explanation and the provider's settlement report find it. That operation is born concluded: nothing more is
to be asked about it.
"""

from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from ledger import reading
from ledger.actors import Actor
from ledger.locks import require_phase
from ledger.recording import record
from payments import locks, news
from payments.models import Payment, ProviderOperation
from payments.models.operations import Kind, OutcomeKind
from payments.providers.outcomes import Approved, Taken
from payments.providers.requests import capture_key
from payments.services.calls import operations
from payments.services.payments import capture_steps

LEG: Final = "capture:1"


def record_sale(
    payment: Payment,
    operation: ProviderOperation,
    outcome: Approved,
    taken: Taken,
    actor: Actor,
    at: datetime,
) -> None:
    """Record that a locked payment was authorized and taken whole; the caller closes the authorization."""
    require_phase()
    shares = locks.shares_of(payment)
    division = capture_steps.divide(payment, shares, taken.amount, taken.fee, is_last=True)
    cause = operations.cause(operation)
    with record(payment, *division.shares, actor=actor, cause=cause, at=at) as entry:
        payment.sell(taken.amount, outcome.reference, at)
        entry.post(division.legs, step=LEG)
        division.take(entry, at)
        entry.announce(
            news.of_payment(
                payment,
                step_minor=taken.amount.minor,
                fee_minor=taken.fee.minor,
                operation_id=operation.public_id,
                **news.of_plan(outcome.details),
            )
        )
    payment.share_rows = shares
    payment.last_operation = _capture(payment, operation, taken, at)


def capture_id_of(authorization_id: UUID) -> UUID:
    """Return the id of the capture that a sale makes with its authorization."""
    return uuid5(authorization_id, LEG)


def _capture(
    payment: Payment, authorization: ProviderOperation, taken: Taken, at: datetime
) -> ProviderOperation:
    capture = reading.new(
        ProviderOperation,
        id=capture_id_of(authorization.pk),
        merchant_id=payment.merchant_id,
        kind=Kind.CAPTURE,
        subject_type=Payment.SUBJECT,
        subject_id=payment.pk,
        leg=LEG,
        payment_id=payment.pk,
        provider=payment.provider,
        amount_minor=taken.amount.minor,
        currency=taken.amount.currency,
        idempotency_key=capture_key(authorization.idempotency_key),
        request={
            "authorization": payment.provider_reference,
            "reserved_minor": taken.amount.minor,
            "is_final": False,
            "sale": authorization.public_id,
        },
        asked_by=authorization.asked_by,
        created_at=authorization.created_at,
        sent_at=authorization.sent_at,
        tries=authorization.tries,
        outcome=OutcomeKind.APPROVED,
        provider_reference=taken.reference,
        fee_minor=taken.fee.minor,
        noted_at=at,
        concluded_at=at,
    )
    capture.payment = payment
    operations.insert(capture)
    return capture
