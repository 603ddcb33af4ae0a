"""Cancel a payment before any money was captured: at once when nothing is reserved, else by a void.

While the customer must act, or a sale is on its way, the provider could still take the money: there the void
goes first, and a sale that is on its way cannot be cancelled before it is known. A challenge that nobody
finished in time ends in the same way, as failed. A cancelled payment whose authorization answers late with
success is voided by an operation of its own (`void_late`); the payment stays cancelled and says both.
"""

from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID, uuid5

from ledger import audit
from ledger.actors import SYSTEM, Actor
from ledger.errors import Unavailable
from ledger.events import Cause
from ledger.ids import uuid7
from ledger.locks import phased
from ledger.recording import no_answer, record
from ledger.states import StateConflict
from payments import locks, news, selectors, states
from payments.models import Payment, ProviderOperation
from payments.models.operations import Kind
from payments.providers.outcomes import Approved, Declined, Outcome, Rejected
from payments.services.calls import contradicting, operations, performing
from payments.services.calls.operations import Answer, Intent, OperationOpen
from payments.services.payments import failing, releasing, straying
from payments.services.payments.authorizing import VOID_LATE_JOB
from payments.services.transfers import receiving_transfers

LEG: Final = "void"
NOT_PAID: Final = "not_paid_in_time"
NOT_FINISHED: Final = "the customer did not finish the authentication in time"
_NOTHING_RESERVED: Final = (states.CREATED, states.UNDER_REVIEW)
_VOIDABLE: Final = (states.AUTHORIZED, states.REQUIRES_ACTION)


class ActionNotOver(Unavailable):
    """The challenge of a payment is being given up; it is looked at again until it is."""

    code = "action_not_over"


def cancel(
    *,
    merchant_id: UUID,
    payment_id: UUID,
    operation_id: UUID,
    reason: str,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
) -> Payment:
    """Cancel a payment and return it: cancelled, processing, or still authorized when the void was refused.

    :raises PaymentNotFound: :raises StateConflict: it cannot be cancelled (captured: refund it instead).
    :raises OperationOpen: a capture or another void is under way.
    """
    payment: Payment = performing.perform(
        partial(_claim, merchant_id, payment_id, operation_id, reason, actor, at, answer),
        merchant_id=merchant_id,
        operation_id=operation_id,
        actor=actor,
        at=at,
        answer=answer,
    )
    return payment


def void_late_by_job(payment_id: UUID, at: datetime) -> None:
    """Give back an authorization that succeeded after the payment was cancelled; safe to repeat."""
    payment = selectors.payment(selectors.ALL, payment_id)
    operation_id = uuid5(payment_id, VOID_LATE_JOB)
    performing.perform(
        partial(_claim_late, payment.merchant_id, payment_id, operation_id, at),
        merchant_id=payment.merchant_id,
        operation_id=operation_id,
        actor=SYSTEM,
        at=at,
    )


def time_out_by_job(payment_id: UUID, at: datetime) -> None:
    """Give up a payment whose customer did not act in time; safe to repeat.

    :raises ActionNotOver: the provider has not given it up yet; the job comes again.
    """
    payment = selectors.payment(selectors.ALL, payment_id)
    if payment.state == states.REQUIRES_ACTION and not payment.is_voiding:
        operation_id = uuid7()
        payment = performing.perform(
            partial(_claim_time_out, payment.merchant_id, payment_id, operation_id, at),
            merchant_id=payment.merchant_id,
            operation_id=operation_id,
            actor=SYSTEM,
            at=at,
        )
    if payment.state == states.REQUIRES_ACTION:
        raise ActionNotOver(f"payment {payment.public_id} still waits for its customer")


@phased
def _claim(
    merchant_id: UUID,
    payment_id: UUID,
    operation_id: UUID,
    reason: str,
    actor: Actor,
    at: datetime,
    answer: Answer,
) -> ProviderOperation | Payment:
    """Cancel at once where nothing is reserved, and return the payment; else claim the void."""
    payment = locks.payment(merchant_id, payment_id)
    is_done = payment.state == states.CANCELLED and performing.has_done(payment, operation_id)
    if payment.state in _NOTHING_RESERVED or is_done:
        if not is_done:
            _refuse_beside_a_sale(payment)
            _cancel(payment, reason, actor, at, performing.asked(operation_id))
        payment.is_processing = selectors.has_open_operation(payment_id)
        answer(payment)
        return payment
    if payment.state not in _VOIDABLE:
        raise StateConflict(
            f"a payment that is {payment.state} cannot be cancelled",
            param="status",
            advice="What is captured can be refunded.",
        )
    if payment.capturing_minor or payment.increasing_minor or payment.is_voiding:
        raise OperationOpen("a capture, an increase or a void of this payment is under way")
    return _ask(payment, operation_id, reason, actor, at, end=states.CANCELLED)


@phased
def _claim_time_out(
    merchant_id: UUID, payment_id: UUID, operation_id: UUID, at: datetime
) -> ProviderOperation | Payment:
    payment = locks.payment(merchant_id, payment_id)
    is_over = payment.expires_at is not None and payment.expires_at <= at
    if payment.state != states.REQUIRES_ACTION or payment.is_voiding or not is_over:
        return payment
    return _ask(payment, operation_id, NOT_FINISHED, SYSTEM, at, end=states.FAILED)


def _ask(
    payment: Payment, operation_id: UUID, reason: str, actor: Actor, at: datetime, *, end: str
) -> ProviderOperation:
    with record(payment, actor=actor, cause=operations.cause_of(operation_id), at=at) as entry:
        payment.ask_cancel()
        entry.announce(news.of_payment(payment, reason=reason))
    return _claim_void(payment, operation_id, reason, actor, at, end=end)


def _refuse_beside_a_sale(payment: Payment) -> None:
    """A reservation that comes late is given back for nothing, a sale is not: wait until it is known."""
    operation = locks.open_authorization(payment.pk)
    if operation is not None and operation.request.get("capture"):
        raise OperationOpen("the payment is being taken; it can be refunded when it is")


@phased
def _claim_late(merchant_id: UUID, payment_id: UUID, operation_id: UUID, at: datetime) -> ProviderOperation:
    payment = locks.payment(merchant_id, payment_id)
    return _claim_void(payment, operation_id, "authorized after it was cancelled", SYSTEM, at)


def _claim_void(
    payment: Payment,
    operation_id: UUID,
    reason: str,
    actor: Actor,
    at: datetime,
    *,
    end: str = states.CANCELLED,
) -> ProviderOperation:
    reference = payment.provider_reference
    if not reference and (waiting := locks.open_authorization(payment.pk)) is not None:
        reference = waiting.provider_reference
    return operations.claim(
        Intent(
            operation_id=operation_id,
            merchant_id=payment.merchant_id,
            kind=Kind.VOID,
            subject_type=Payment.SUBJECT,
            subject_id=payment.pk,
            leg=LEG,
            provider=payment.provider,
            amount=payment.amount,
            payment_id=payment.pk,
            request={"authorization": reference, "reason": reason, "end": end},
        ),
        actor=actor,
        at=at,
    )


@operations.concludes(Kind.VOID)
@phased
def conclude(
    *, operation_id: UUID, outcome: Outcome, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Payment:
    """End a void with an outcome, from whoever learns it first; return the payment."""
    payment, operation = locks.payment_with_operation(operation_id)
    if operation.is_awaited and operation.leg == releasing.LEG:
        _apply_release(payment, operation, outcome, actor, at)
    elif operation.is_awaited and operation.leg.startswith(straying.LEG):
        straying.apply(operation, outcome, actor, at)
    elif operation.is_awaited:
        _apply(payment, operation, outcome, actor, at)
    else:
        contradicting.note(operation, outcome, actor=actor, at=at)
    payment.is_processing = operation.is_open
    answer(payment)
    return payment


def _apply_release(
    payment: Payment, operation: ProviderOperation, outcome: Outcome, actor: Actor, at: datetime
) -> None:
    match outcome:
        case Approved():
            with record(payment, actor=actor, cause=operations.cause(operation), at=at) as entry:
                payment.release_rest()
                entry.announce(news.of_payment(payment, step_minor=outcome.amount.minor))
        case Declined() | Rejected():
            pass  # the rest lapses by itself
        case _:
            operations.note(operation, outcome, at)
            return
    operations.close(operation, outcome, at)


def _apply(
    payment: Payment, operation: ProviderOperation, outcome: Outcome, actor: Actor, at: datetime
) -> None:
    is_late = payment.state == states.CANCELLED
    match outcome:
        case Approved() if is_late:
            with record(payment, actor=actor, cause=operations.cause(operation), at=at) as entry:
                payment.void_late()
                entry.announce(news.of_payment(payment))
        case Approved() if payment.state not in _VOIDABLE:
            operations.hold(operation, f"given back, but the payment is {payment.state}", at)
            return
        case Approved():
            _give_up(payment, operation, actor, at)
        case Declined() | Rejected():
            _refused(payment, operation, outcome, actor, at, is_late=is_late)
        case _:
            operations.note(operation, outcome, at)
            return
    operations.close(operation, outcome, at)


def _give_up(payment: Payment, operation: ProviderOperation, actor: Actor, at: datetime) -> None:
    """End the payment as the void was to end it; what the challenge was for is asked about at once."""
    if payment.state == states.REQUIRES_ACTION:
        waiting = locks.open_authorization(payment.pk)
        if waiting is not None and waiting.is_awaited and receiving_transfers.can_be_asked(payment.provider):
            operations.postpone(waiting, at)
        elif waiting is not None and waiting.is_awaited:
            # Nobody could be asked: what comes all the same is seen on the statement, and told to a person.
            words, quoted = "it is not waited for any more", waiting.provider_reference
            operations.close(waiting, Declined(NOT_PAID, words, quoted, is_hard=True), at)
    reason, cause = operation.request["reason"], operations.cause(operation)
    if payment.state == states.REQUIRES_ACTION and operation.request.get("end") == states.FAILED:
        shares = locks.shares(payment.pk)
        failing.fail(payment, shares, why=reason, actor=actor, cause=cause, at=at, reason=reason)
    else:
        _cancel(payment, reason, actor, at, cause)


def _cancel(payment: Payment, reason: str, actor: Actor, at: datetime, cause: Cause) -> None:
    shares = locks.shares(payment.pk)
    ending = [share for share in shares if share.is_open]
    with record(payment, *ending, actor=actor, cause=cause, at=at) as entry:
        payment.cancel(reason, at)
        for share in ending:
            share.cancel(reason, at)
            entry.announce(news.of_share(share), subject=share)
        entry.announce(news.of_payment(payment, reason=reason))
    payment.share_rows = shares


def _refused(
    payment: Payment,
    operation: ProviderOperation,
    outcome: Declined | Rejected,
    actor: Actor,
    at: datetime,
    *,
    is_late: bool,
) -> None:
    if is_late:
        # Nothing is captured, so the reservation lapses by itself; a person is told all the same.
        reason = f"a late authorization was not given back: {outcome.code}"
        audit.record(actor=SYSTEM, action="operation.refused", subject=operation, reason=reason, at=at)
        return
    if payment.state not in _VOIDABLE:
        # A challenge that was given up was finished at the same moment: it is taken, and can be refunded.
        return
    if payment.state == states.REQUIRES_ACTION and locks.open_authorization(payment.pk) is None:
        # The challenge failed at the same moment: nothing was left to give up.
        _give_up(payment, operation, actor, at)
        return
    payment.note_decline(outcome.code, outcome.message, is_hard=True)
    with record(payment, actor=actor, cause=operations.cause(operation), at=at) as entry:
        payment.fail_cancel()
        entry.announce(news.of_payment(payment, decline_code=outcome.code))
