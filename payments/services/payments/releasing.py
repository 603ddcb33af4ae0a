"""Give the rest of an authorization back when nothing more of it will be captured.

A payment is captured in part and closed at once; the customer's bank is told by an operation of its own
(leg `release`), which can neither fail the payment nor hold it up: a rest that is not given back lapses by
itself. Providers that end an authorization with its first capture need not be told.
"""

from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID, uuid5

from ledger import jobs
from ledger.actors import SYSTEM
from ledger.locks import phased
from payments import locks, selectors, states
from payments.models import Payment, ProviderOperation
from payments.models.operations import Kind
from payments.providers import registry
from payments.providers.base import Capability
from payments.services.calls import operations, performing
from payments.services.calls.operations import Intent

JOB: Final = "payments.release_rest"
LEG: Final = "release"
_CLOSED: Final = (states.CAPTURED, states.COMPLETED)


def release_later(payment: Payment, at: datetime) -> None:
    """Schedule, in the caller's phase, that the rest of a locked payment is given back, when there is one."""
    able = registry.provider(payment.provider).capabilities
    if payment.capturable.is_positive and able >= {Capability.SEVERAL_CAPTURES, Capability.VOID}:
        jobs.schedule(JOB, str(payment.pk), at)


def release_by_job(payment_id: UUID, at: datetime) -> None:
    """Give back what a closed payment did not take; safe to repeat."""
    payment = selectors.payment(selectors.ALL, payment_id)
    operation_id = uuid5(payment_id, JOB)
    performing.perform(
        partial(_claim, payment.merchant_id, payment_id, operation_id, at),
        merchant_id=payment.merchant_id,
        operation_id=operation_id,
        actor=SYSTEM,
        at=at,
    )


@phased
def _claim(
    merchant_id: UUID, payment_id: UUID, operation_id: UUID, at: datetime
) -> ProviderOperation | Payment:
    payment = locks.payment(merchant_id, payment_id)
    if payment.state not in _CLOSED or not payment.capturable.is_positive:
        return payment
    return operations.claim(
        Intent(
            operation_id=operation_id,
            merchant_id=merchant_id,
            kind=Kind.VOID,
            subject_type=Payment.SUBJECT,
            subject_id=payment_id,
            leg=LEG,
            provider=payment.provider,
            amount=payment.capturable,
            payment_id=payment_id,
            request={"authorization": payment.provider_reference, "reason": "nothing more is captured"},
        ),
        actor=SYSTEM,
        at=at,
    )
