"""Authorize a payment: have the customer's bank reserve the amount, or take it at once (a sale).

The caller, the provider's webhook and the recovery all end in `conclude`. A payment that is to be captured
by us gets its capture as a job in the same phase. What the provider asks of the customer first (a challenge)
makes the payment wait in `requires_action`, its operation open. An authorization that succeeds after the
merchant cancelled is said so and given back by an operation of its own.
"""

from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID, uuid5

from ledger import jobs
from ledger.actors import SYSTEM, Actor
from ledger.errors import DomainError
from ledger.locks import phased
from ledger.recording import no_answer, record
from ledger.states import StateConflict
from ledger.writing import gathered
from payments import authorization_terms, locks, news, selectors, states
from payments.models import Payment, ProviderOperation
from payments.models.operations import Kind
from payments.models.payment_choices import CaptureMethod
from payments.providers import outcomes
from payments.providers.outcomes import Approved, Declined, Outcome, Pending, Rejected, RequiresAction
from payments.rules import retry_limits
from payments.services.calls import contradicting, limiting_retries, operations, performing
from payments.services.calls.authorization_claims import claim
from payments.services.calls.claim_refusals import ASKED_AGAIN_AFTER, PaymentMethodRemoved
from payments.services.calls.limiting_retries import RetryLimitReached
from payments.services.calls.operations import Answer
from payments.services.payments import failing, sales, straying
from payments.services.payments.creating import AUTHORIZE_JOB
from vendors.models.merchants import MerchantInactive

CAPTURE_JOB: Final = "payments.capture"
VOID_LATE_JOB: Final = "payments.void_late"
TIME_OUT_JOB: Final = "payments.time_out_action"
FORBIDDEN: Final = "previously_declined_do_not_retry"
WAITING: Final = (states.CREATED, states.REQUIRES_ACTION)  # where an authorization may still end


def authorize(
    *,
    merchant_id: UUID,
    payment_id: UUID,
    operation_id: UUID,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
) -> Payment:
    """Authorize a payment and return it: authorized, failed (declined), waiting for the customer
    (requires_action), or processing (not yet known).

    :raises PaymentNotFound: the merchant has no such payment.
    :raises StateConflict: its state does not allow it. :raises OperationOpen: it is being authorized.
    :raises PaymentMethodRemoved: its stored method is gone. :raises RetryLimitReached: its card may not be
        tried now. :raises MerchantInactive: its merchant may not act.
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
    """Carry out a payment that was to wait (for a person's judgment, for its date); safe to repeat.

    One whose stored method was removed meanwhile fails: nobody is there to name another. That of a merchant
    who may not act waits until he may, or until it lapses.

    :raises Later: the merchant may not act.
    """
    payment = selectors.payment(selectors.ALL, payment_id)
    if payment.state != states.CREATED and not payment.is_processing:
        return
    try:
        go_on(
            merchant_id=payment.merchant_id,
            payment_id=payment_id,
            operation_id=operation_id_of(payment_id),
            actor=SYSTEM,
            at=at,
        )
    except (PaymentMethodRemoved, RetryLimitReached) as error:
        _fail_without_method(payment.merchant_id, payment_id, error, at)
    except MerchantInactive as error:
        raise jobs.Later(error.message, at + ASKED_AGAIN_AFTER) from error


def go_on(
    *,
    merchant_id: UUID,
    payment_id: UUID,
    operation_id: UUID,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
) -> Payment:
    """Carry out a confirmed payment, or find what became of it: authorized, and captured where that is one.

    :raises PaymentNotFound: the merchant has no such payment. Else as `authorize` does.
    """
    payment: Payment = performing.perform(
        partial(_claim, merchant_id, payment_id, operation_id, actor, at, at_once=True),
        merchant_id=merchant_id,
        operation_id=operation_id,
        actor=actor,
        at=at,
        answer=answer,
    )
    return payment


def operation_id_of(payment_id: UUID) -> UUID:
    """Return the id of the authorization that the house itself makes of a confirmed payment."""
    return uuid5(payment_id, AUTHORIZE_JOB)


@phased
def _claim(
    merchant_id: UUID,
    payment_id: UUID,
    operation_id: UUID,
    actor: Actor,
    at: datetime,
    *,
    at_once: bool = False,
) -> ProviderOperation:
    payment = locks.payment(merchant_id, payment_id)
    if payment.state != states.CREATED:
        raise StateConflict(f"a payment that is {payment.state} cannot be authorized", param="status")
    # A second run of the request that claimed it already is told what became of that, not this.
    if selectors.is_method_removed(payment) and not selectors.has_open_operation(payment_id):
        raise PaymentMethodRemoved("the payment's stored method was removed", param="payment_method")
    return claim(payment, operation_id, actor, at, at_once=at_once)


@phased
def _fail_without_method(merchant_id: UUID, payment_id: UUID, why: DomainError, at: datetime) -> None:
    """End a payment that waited, because its method is gone or may not be tried: no later run could do."""
    payment, reason = locks.payment(merchant_id, payment_id), why.message
    if payment.state != states.CREATED or selectors.has_open_operation(payment_id):
        return
    if isinstance(why, RetryLimitReached):
        payment.note_decline(FORBIDDEN, reason, is_hard=True)
    failing.fail(payment, locks.shares(payment_id), why=reason, actor=SYSTEM, at=at, reason=reason)


@operations.concludes(Kind.AUTHORIZE)
@gathered
def conclude(
    *, operation_id: UUID, outcome: Outcome, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Payment:
    """End an authorization with an outcome, from whoever learns it first; return the payment."""
    payment, operation = locks.payment_with_operation(operation_id)
    if operation.is_awaited:
        _apply(payment, operation, operations.checked(operation, outcome), actor, at)
    elif not (_is_given_back(payment) and isinstance(outcome, Declined)):
        straying.follow(contradicting.note(operation, outcome, actor=actor, at=at), operation, outcome, at)
    payment.is_processing = operation.is_open or payment.capturing_minor > 0 or payment.is_voiding
    if payment.state == states.CREATED and not operation.is_open:
        # Another try took its place.
        payment.is_processing = selectors.has_open_operation(payment.pk, Kind.AUTHORIZE)
    answer(payment)
    return payment


def _apply(
    payment: Payment, operation: ProviderOperation, outcome: Outcome, actor: Actor, at: datetime
) -> None:
    match outcome:
        case Approved() if payment.state == states.CANCELLED and _can_be_given_back(payment, outcome):
            _approved_late(payment, operation, outcome, actor, at)
        case Approved() if payment.state not in WAITING:
            operations.hold(operation, f"approved, but the payment is {payment.state}", at)
            return
        case Approved(taken=taken) if taken is not None:
            _note_details(payment, outcome)
            sales.record_sale(payment, operation, outcome, taken, actor, at)
        case Approved():
            _approved(payment, operation, outcome, actor, at)
        case Declined() | Rejected():
            # While it is being given up, the void says how it ends.
            if payment.state in WAITING and not payment.is_voiding:
                _refused(payment, operation, outcome, actor, at)
        case _:
            _go_on_waiting(payment, operation, outcome, actor, at)
            operations.note(operation, outcome, at)
            return
    operations.close(operation, outcome, at)


def _is_given_back(payment: Payment) -> bool:
    """Say whether an authorization that is gone is what we asked for, or what its time brought."""
    return payment.is_voiding or payment.state in (states.CANCELLED, states.EXPIRED)


def _can_be_given_back(payment: Payment, outcome: Approved) -> bool:
    """Say whether a void of what came late can do: nothing is taken, and no void has succeeded yet."""
    return outcome.taken is None and not selectors.has_succeeded(payment.pk, "void")


def _go_on_waiting(
    payment: Payment, operation: ProviderOperation, outcome: Outcome, actor: Actor, at: datetime
) -> None:
    """Follow a challenge: it is asked for, it is over, or nobody waits for it any more."""
    match outcome:
        case RequiresAction() if payment.state == states.CREATED:
            until = outcome.expires_at or authorization_terms.challenge_until(at)
            with record(payment, actor=actor, cause=operations.cause(operation), at=at) as entry:
                payment.ask_action(outcome.redirect_url, dict(outcome.instructions), outcome.reference, until)
                entry.announce(news.of_payment(payment))
            jobs.schedule(TIME_OUT_JOB, str(payment.pk), until)
        case RequiresAction() if payment.state == states.CANCELLED:
            jobs.schedule(VOID_LATE_JOB, str(payment.pk), at)
        case Pending() if payment.state == states.REQUIRES_ACTION and not payment.is_voiding:
            with record(payment, actor=actor, cause=operations.cause(operation), at=at) as entry:
                payment.finish_action()
                entry.announce(news.of_payment(payment))


def _note_details(payment: Payment, outcome: Approved | Declined) -> None:
    details = outcome.details
    payment.note_method(
        details.get("brand") or "", details.get("last4") or "", details.get("fingerprint") or ""
    )
    payment.note_authentication(
        details.get(outcomes.AUTHENTICATION) or "",
        details.get(outcomes.LIABILITY_SHIFT) or "",
        details.get(outcomes.EXEMPTION) or "",
    )


def _approved(
    payment: Payment, operation: ProviderOperation, outcome: Approved, actor: Actor, at: datetime
) -> None:
    _note_details(payment, outcome)
    until = authorization_terms.authorized_until(payment, outcome, at)
    with record(payment, actor=actor, cause=operations.cause(operation), at=at) as entry:
        payment.authorize(outcome.amount, outcome.reference, at, until)
        entry.announce(news.of_payment(payment, **news.of_plan(outcome.details)))
    if payment.capture_method == CaptureMethod.AUTOMATIC:
        jobs.schedule(CAPTURE_JOB, str(payment.pk), at)
    elif payment.capture_at is not None:
        jobs.schedule(CAPTURE_JOB, str(payment.pk), max(at, payment.capture_at))


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
    shares = locks.shares_of(payment)
    if isinstance(outcome, Declined):
        _note_details(payment, outcome)
        bound = limiting_retries.note(payment, operation, outcome, at)
        retry_at = retry_limits.earliest(outcome.code, bound, at)
        payment.note_decline(outcome.code, outcome.message, is_hard=outcome.is_hard, again=retry_at)
        reason = f"declined: {outcome.code}"
    else:
        payment.note_decline(outcome.code, outcome.message, is_hard=True)
        reason = f"refused as wrong by the provider: {outcome.code}"
    cause = operations.cause(operation)
    failing.fail(
        payment, shares, why=reason, actor=actor, cause=cause, at=at, decline_code=payment.decline_code
    )
