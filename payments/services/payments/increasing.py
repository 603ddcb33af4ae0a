"""Raise an authorization while nothing of it is captured, where the provider can (incremental authorization).

The claim notes how much more is asked for; until the provider has answered nothing is captured or given back
(a check constraint repeats it). When it succeeds the payment is of more; the vendors' shares stay as they
are, what was added is the merchant's own.
"""

from datetime import datetime
from functools import partial
from uuid import UUID

from ledger.actors import Actor
from ledger.errors import Conflict, Invalid
from ledger.locks import phased
from ledger.money import AMOUNT_MAX, Money
from ledger.recording import no_answer, record
from ledger.states import StateConflict
from payments import locks, news, states
from payments.models import Payment, ProviderOperation
from payments.models.operations import Kind
from payments.models.payment_choices import CaptureMethod
from payments.providers import registry
from payments.providers.base import Capability
from payments.providers.outcomes import Approved, Declined, Outcome, Rejected
from payments.services.calls import contradicting, operations, performing
from payments.services.calls.operations import Answer, Intent, OperationOpen
from payments.services.payments.capturing import AuthorizationExpired, CaptureManaged


class IncreaseNotPossible(Conflict):
    """The provider cannot raise an authorization."""

    code = "increase_not_supported"
    advice = "Create another payment for the difference."


class IncreaseTooLarge(Invalid):
    """The payment would pass the largest amount there is."""

    code = "increase_too_large"
    advice = "Create another payment for the difference."


def increase(
    *,
    merchant_id: UUID,
    payment_id: UUID,
    operation_id: UUID,
    amount: Money,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
) -> Payment:
    """Reserve `amount` more for a payment and return it: of more, as it was (refused), or processing.

    :raises PaymentNotFound: :raises StateConflict: it is not authorized, or something of it is captured.
    :raises AuthorizationExpired: :raises IncreaseNotPossible: :raises IncreaseTooLarge: it cannot be raised.
    :raises OperationOpen: a capture, a void or another increase is under way.
    :raises MerchantInactive: its merchant may not act.
    """
    payment: Payment = performing.perform(
        partial(_claim, merchant_id, payment_id, operation_id, amount, actor, at),
        merchant_id=merchant_id,
        operation_id=operation_id,
        actor=actor,
        at=at,
        answer=answer,
    )
    return payment


@phased
def _claim(
    merchant_id: UUID, payment_id: UUID, operation_id: UUID, amount: Money, actor: Actor, at: datetime
) -> ProviderOperation:
    payment = locks.payment(merchant_id, payment_id)
    if payment.capture_method == CaptureMethod.MANAGED:
        raise CaptureManaged("its marketplace payment divides what is authorized", param="capture_method")
    if payment.state != states.AUTHORIZED:
        raise StateConflict(f"a payment that is {payment.state} cannot be raised", param="status")
    if payment.capturing_minor or payment.increasing_minor or payment.is_voiding:
        raise OperationOpen("a capture, an increase or a void of this payment is under way")
    if payment.expires_at is not None and payment.expires_at <= at:
        raise AuthorizationExpired(f"the authorization lapsed at {payment.expires_at.isoformat()}")
    if Capability.INCREMENT not in registry.provider(payment.provider).capabilities:
        raise IncreaseNotPossible(f"{payment.provider} cannot raise an authorization")
    if (payment.amount + amount).minor > AMOUNT_MAX:
        raise IncreaseTooLarge("no payment is that large", param="amount")
    with record(payment, actor=actor, cause=operations.cause_of(operation_id), at=at) as entry:
        payment.ask_increase(amount)
        entry.announce(news.of_payment(payment, step_minor=amount.minor))
    return operations.claim(
        Intent(
            operation_id=operation_id,
            merchant_id=merchant_id,
            kind=Kind.INCREMENT,
            subject_type=Payment.SUBJECT,
            subject_id=payment_id,
            leg=f"increment:{payment.increase_count}",
            provider=payment.provider,
            amount=amount,
            payment_id=payment_id,
            request={
                "authorization": payment.provider_reference,
                "before_minor": payment.authorized_minor,
            },
        ),
        actor=actor,
        at=at,
    )


@operations.concludes(Kind.INCREMENT)
@phased
def conclude(
    *, operation_id: UUID, outcome: Outcome, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Payment:
    """End an increase with an outcome, from whoever learns it first; return the payment."""
    payment, operation = locks.payment_with_operation(operation_id)
    if operation.is_awaited:
        _apply(payment, operation, operations.checked(operation, outcome), actor, at)
    else:
        contradicting.note(operation, outcome, actor=actor, at=at)
    payment.is_processing = payment.increasing_minor > 0 or payment.capturing_minor > 0 or payment.is_voiding
    payment.last_operation = operation
    answer(payment)
    return payment


def _apply(
    payment: Payment, operation: ProviderOperation, outcome: Outcome, actor: Actor, at: datetime
) -> None:
    cause = operations.cause(operation)
    match outcome:
        case Approved():
            with record(payment, actor=actor, cause=cause, at=at) as entry:
                payment.increase()
                entry.announce(news.of_payment(payment, step_minor=operation.amount_minor))
        case Declined() | Rejected():
            payment.note_decline(outcome.code, outcome.message, is_hard=outcome.is_hard)
            with record(payment, actor=actor, cause=cause, at=at) as entry:
                payment.fail_increase()
                entry.announce(news.of_payment(payment, decline_code=outcome.code))
        case _:
            operations.note(operation, outcome, at)
            return
    operations.close(operation, outcome, at)
