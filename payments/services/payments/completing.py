"""End a payment that needs no provider: complete it, mark it failed, follow a review's verdict, let it lapse.

Sweeps take one payment per phase and look again under its lock, so that they may run twice, late and at once.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings

from ledger import jobs
from ledger.actors import SYSTEM, Actor
from ledger.events import Cause
from ledger.locks import phased
from ledger.recording import no_answer, record
from ledger.states import StateConflict
from payments import locks, news, selectors, states
from payments.models import Payment, PaymentTransaction
from payments.rules.capture_division import Part
from payments.services.calls import performing
from payments.services.calls.operations import Answer, OperationOpen
from payments.services.payments import capture_steps, failing, releasing
from payments.services.payments.authorizing import AUTHORIZE_JOB

SWEEP_AT_ONCE: Final = 500
LAPSED: Final = "the authorization lapsed"


@phased
def complete(
    *,
    merchant_id: UUID,
    payment_id: UUID,
    operation_id: UUID,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
) -> Payment:
    """Close a captured payment from which nothing more is expected, with its shares; return it.

    What a partly captured one did not take is given up first.

    :raises PaymentNotFound: :raises StateConflict: nothing of it is captured.
    :raises OperationOpen: a capture is under way.
    """
    payment = locks.payment(merchant_id, payment_id)
    if not (payment.state == states.COMPLETED and performing.has_done(payment, operation_id)):
        if payment.state == states.PARTLY_CAPTURED:
            _give_rest_up(payment, performing.asked(operation_id), actor, at)
        _complete(payment, performing.asked(operation_id), actor, at)
    payment.is_processing = False
    answer(payment)
    return payment


@phased
def fail(
    *,
    merchant_id: UUID,
    payment_id: UUID,
    operation_id: UUID,
    reason: str,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
) -> Payment:
    """Mark a payment as failed that was never authorized, with the merchant's reason; return it.

    :raises PaymentNotFound: :raises StateConflict: it is authorized (cancel it) or over.
    :raises OperationOpen: it is being authorized.
    """
    payment = locks.payment(merchant_id, payment_id)
    if not (payment.state == states.FAILED and performing.has_done(payment, operation_id)):
        if selectors.has_open_operation(payment_id):
            raise OperationOpen("the payment is being authorized")
        shares, cause = locks.shares(payment_id), performing.asked(operation_id)
        failing.fail(payment, shares, why=reason, actor=actor, cause=cause, at=at, reason=reason)
    payment.is_processing = False
    answer(payment)
    return payment


@phased
def follow_review(payment_id: UUID, *, is_approved: bool, reason: str, cause: Cause, at: datetime) -> None:
    """Let a payment go on, or end it, as a person has judged; nothing when it no longer waits for that.

    An approved payment that was confirmed at creation is authorized by a job.
    """
    payment = locks.payment(selectors.merchant_of(payment_id), payment_id)
    if payment.state != states.UNDER_REVIEW:
        return
    shares = [] if is_approved else [share for share in locks.shares(payment_id) if share.is_open]
    with record(payment, *shares, actor=SYSTEM, cause=cause, at=at) as entry:
        if is_approved:
            payment.approve_review()
        else:
            payment.decline_review(reason, at)
        for share in shares:
            share.cancel(reason, at)
            entry.announce(news.of_share(share), subject=share)
        entry.announce(news.of_payment(payment, reason=reason))
    if is_approved and payment.is_confirmed:
        jobs.schedule(AUTHORIZE_JOB, str(payment_id), max(at, payment.scheduled_at or at))


def expire_due(at: datetime) -> int:
    """Let payments lapse whose time is over; return how many. Those with an open operation wait for it."""
    due = selectors.payments_to_expire(at)[:SWEEP_AT_ONCE]
    return sum(_expire(merchant_id, payment_id, at) for merchant_id, payment_id in due)


def complete_due(at: datetime) -> int:
    """Complete payments captured long enough ago; return how many."""
    before = at - timedelta(days=settings.PAYMENT_COMPLETION_DAYS)
    due = selectors.payments_to_complete(before)[:SWEEP_AT_ONCE]
    return sum(_complete_by_age(merchant_id, payment_id, before, at) for merchant_id, payment_id in due)


@phased
def _complete_by_age(merchant_id: UUID, payment_id: UUID, before: datetime, at: datetime) -> bool:
    payment = locks.payment(merchant_id, payment_id)
    is_due = payment.captured_at is not None and payment.captured_at <= before
    if payment.state != states.CAPTURED or not is_due or payment.refunding_minor:
        return False
    _complete(payment, Cause("sweep", "completion"), SYSTEM, at)
    return True


def _give_rest_up(payment: Payment, cause: Cause, actor: Actor, at: datetime) -> None:
    if payment.capturing_minor:
        raise OperationOpen("a capture of this payment is under way")
    shares = [share for share in locks.shares(payment.pk) if share.is_open]
    with record(payment, *shares, actor=actor, cause=cause, at=at) as entry:
        _end_shares(payment, shares, at)
        payment.close_capture()
        for share in shares:
            entry.announce(news.of_share(share), subject=share)
        entry.announce(news.of_payment(payment))
    releasing.release_later(payment, at)


def warn_due(at: datetime) -> int:
    """Tell merchants of authorizations that lapse soon and that nobody will capture; return how many."""
    until = at + timedelta(hours=settings.PAYMENT_EXPIRY_WARNING_HOURS)
    due = selectors.payments_to_warn_of(at, until)[:SWEEP_AT_ONCE]
    return sum(_warn(merchant_id, payment_id, until, at) for merchant_id, payment_id in due)


@phased
def _warn(merchant_id: UUID, payment_id: UUID, until: datetime, at: datetime) -> bool:
    payment = locks.payment(merchant_id, payment_id)
    is_soon = payment.expires_at is not None and payment.expires_at <= until
    if not is_soon or payment.expiry_warned_at is not None or payment.state not in states.RESERVED:
        return False
    with record(payment, actor=SYSTEM, cause=Cause("sweep", "expiry"), at=at) as entry:
        payment.warn_of_expiry(at)
        entry.announce(
            news.of_payment(payment, expires_at=payment.expires_at.isoformat() if payment.expires_at else "")
        )
    return True


def _complete(payment: Payment, cause: Cause, actor: Actor, at: datetime) -> None:
    if payment.state != states.CAPTURED:
        raise StateConflict(f"a payment that is {payment.state} cannot be completed", param="status")
    shares = [share for share in locks.shares(payment.pk) if share.state == states.CAPTURED]
    with record(payment, *shares, actor=actor, cause=cause, at=at) as entry:
        payment.complete(at)
        for share in shares:
            share.complete(at)
            entry.announce(news.of_share(share), subject=share)
        entry.announce(news.of_payment(payment))


@phased
def _expire(merchant_id: UUID, payment_id: UUID, at: datetime) -> bool:
    payment = locks.payment(merchant_id, payment_id)
    is_due = payment.expires_at is not None and payment.expires_at <= at
    if not is_due or payment.state not in states.PAYMENT_STATES_IN_MOTION:
        return False
    if selectors.has_open_operation(payment_id):
        return False
    shares = [share for share in locks.shares(payment_id) if share.is_open]
    with record(payment, *shares, actor=SYSTEM, cause=Cause("sweep", "expiry"), at=at) as entry:
        _end_shares(payment, shares, at)
        if payment.state == states.PARTLY_CAPTURED:
            payment.close_capture()
        else:
            payment.expire(at)
        for share in shares:
            entry.announce(news.of_share(share), subject=share)
        entry.announce(news.of_payment(payment, reason=LAPSED))
    return True


def _end_shares(payment: Payment, shares: Sequence[PaymentTransaction], at: datetime) -> None:
    nothing = Part(payment.money(0), payment.money(0))
    for share in shares:
        if share.captured_minor:
            capture_steps.move_share(share, nothing, at, is_last=True)
        else:
            share.cancel(LAPSED, at)
