"""Carrying out a refund: claim, call, conclude; and what a merchant may say of it afterwards.

The provider alone decides whether money went back: `complete` asks it and never takes anybody's word, and
`fail` is possible only while no money moved. A provider may change its mind: a refund that it reported as
done and then as failed is turned back by a reversing entry (`fail_late`).
"""

from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from ledger import journal
from ledger.actors import Actor
from ledger.crashpoints import crashpoint, register
from ledger.errors import Conflict
from ledger.events import Cause
from ledger.locks import phased
from ledger.money import Money
from ledger.recording import Entry, no_answer, record
from payments import locks, news, posting_rules, selectors
from payments.models import Payment, ProviderOperation, Refund, RefundShare
from payments.models.operations import Kind
from payments.providers.outcomes import Approved, Declined, Outcome, Pending, Rejected
from payments.providers.requests import returned_key
from payments.services.calls import contradicting, keeping_told, operations, performing, recovering
from payments.services.calls.operations import Answer
from payments.services.refunds import bearing, requesting_refunds, returned_refunds, turning_back
from payments.services.refunds.bearing import Borne
from payments.states import COMPLETED, FAILED, PROCESSING, REQUESTED

FAILED_BY_MERCHANT: Final = "failed_by_merchant"
_COMMISSION: Final = ["commission_back_minor", "commission_kept_minor"]
register("refund.before_commit")


class RefundAwaitsApproval(Conflict):
    """The refund is above the merchant's limit and nobody has approved it yet."""

    code = "refund_awaits_approval"
    advice = "Have a second person approve it, then process it."


class RefundNotCompleted(Conflict):
    """The provider does not say that the money went back."""

    code = "refund_not_completed_at_provider"
    advice = "Process the refund first, or wait until the provider confirms it."


class RefundUnderWay(Conflict):
    """The provider may still give the money back, so the refund cannot be given up."""

    code = "refund_under_way"
    advice = "Ask again when the provider has answered."
    retryable = True


class RefundMoneyMoved(Conflict):
    """The money went back to the customer already."""

    code = "refund_already_completed"
    advice = "A completed refund stays; take a new payment instead."


def process(
    *, merchant_id: UUID, refund_id: UUID, operation_id: UUID, actor: Actor, at: datetime,
    answer: Answer = no_answer,
) -> Refund:  # fmt: skip
    """Ask the provider to give the money back, and conclude what it answers.

    Run again with the same `operation_id` it goes on where it stopped, under the same key.

    :raises RefundNotFound: no such refund. :raises RefundAwaitsApproval: nobody approved it yet.
    :raises StateConflict: it is not approved. :raises OperationOpen: it is being processed.
    """
    refund: Refund = performing.perform(
        partial(_claim, merchant_id, refund_id, operation_id, actor, at),
        merchant_id=merchant_id,
        operation_id=operation_id,
        actor=actor,
        at=at,
        answer=answer,
    )
    return refund


def complete(
    *, merchant_id: UUID, refund_id: UUID, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Refund:
    """Ask the provider whether the money went back, and take its word only.

    :raises RefundNotFound: no such refund. :raises RefundNotCompleted: the provider does not say so.
    """
    refund = _ask(merchant_id, refund_id, actor, at)
    if refund.state != COMPLETED:
        raise RefundNotCompleted(f"refund {refund.number} is {refund.state}", status=refund.state)
    return _answer_as_is(merchant_id, refund_id, answer)


def fail(
    *, merchant_id: UUID, refund_id: UUID, reason: str, actor: Actor, at: datetime,
    answer: Answer = no_answer,
) -> Refund:  # fmt: skip
    """Give a refund up while no money moved; what was reserved is free again.

    :raises RefundNotFound: no such refund. :raises RefundUnderWay: the provider may still do it.
    :raises RefundMoneyMoved: the provider did it. :raises StateConflict: it is rejected.
    """
    refund = _ask(merchant_id, refund_id, actor, at)
    if refund.state == PROCESSING:
        raise RefundUnderWay(f"refund {refund.number} is with the provider", status=refund.state)
    if refund.state == COMPLETED:
        raise RefundMoneyMoved(f"refund {refund.number} is completed", status=refund.state)
    if refund.state == FAILED:
        return _answer_as_is(merchant_id, refund_id, answer)
    return _give_up(merchant_id, refund_id, reason, actor, at, answer)


@operations.concludes(Kind.REFUND)
@phased
def conclude(
    *, operation_id: UUID, outcome: Outcome, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Refund:
    """End a refund's operation with what the provider says; the first to arrive does it.

    A provider that reports a completed refund as failed is believed: the money is with us again. One that
    then speaks of it otherwise is asked (`returned_refunds`), for the message may be an old one.
    """
    payment, operation = locks.payment_with_operation(operation_id)
    refund = locks.refund_of(operation)
    refund.payment = payment
    cause = operations.cause(operation)
    if not operation.is_awaited:
        if isinstance(outcome, Approved | Pending) and selectors.has_come_back(operation):
            returned_refunds.ask(operation, at)
        elif not isinstance(outcome, Declined):
            contradicting.note(operation, outcome, actor=actor, at=at)
        elif refund.state == COMPLETED and operation.leg == refund.leg:
            _fail_late(payment, refund, outcome, actor, at, cause)
            _keep_return(operation, refund, actor, at)
        answer(refund)
        return refund
    outcome = operations.checked(operation, outcome)
    match outcome:
        case Approved():
            _complete(payment, refund, outcome, actor, at, cause)
            operations.close(operation, outcome, at)
        case Declined() | Rejected():
            _fail(payment, refund, outcome.code, outcome.message, actor, at, cause)
            operations.close(operation, outcome, at)
        case _:
            operations.note(operation, outcome, at)
    answer(refund)
    crashpoint("refund.before_commit")
    return refund


# --- phases ---------------------------------------------------------------------------------------------
@phased
def _claim(
    merchant_id: UUID, refund_id: UUID, operation_id: UUID, actor: Actor, at: datetime
) -> ProviderOperation:
    payment, refund = locks.refund(merchant_id, refund_id)
    if refund.state == REQUESTED:
        raise RefundAwaitsApproval(f"refund {refund.number} waits for approval", status=refund.state)
    if refund.state == PROCESSING:
        raise operations.OperationOpen(f"refund {refund.number} is being processed", status=refund.state)
    with record(refund, actor=actor, at=at) as entry:
        refund.start(at)
        entry.announce(news.of_refund(refund, payment))
    return operations.claim(
        operations.Intent(
            operation_id=operation_id,
            merchant_id=merchant_id,
            kind=Kind.REFUND,
            subject_type=Refund.SUBJECT,
            subject_id=refund.pk,
            leg=refund.leg,
            provider=refund.provider,
            amount=refund.amount,
            request={
                "reference": refund.public_id,
                "authorization": payment.provider_reference,
                **({"account": refund.account_token} if refund.account_token else {}),
            },
            payment_id=payment.pk,
        ),
        actor=actor,
        at=at,
    )


@phased
def _give_up(
    merchant_id: UUID, refund_id: UUID, reason: str, actor: Actor, at: datetime, answer: Answer
) -> Refund:
    payment, refund = locks.refund(merchant_id, refund_id)
    if refund.state == PROCESSING:
        raise RefundUnderWay(f"refund {refund.number} is {refund.state}", status=refund.state)
    _fail(payment, refund, FAILED_BY_MERCHANT, reason, actor, at, None)
    answer(refund)
    return refund


@phased
def _answer_as_is(merchant_id: UUID, refund_id: UUID, answer: Answer) -> Refund:
    _, refund = locks.refund(merchant_id, refund_id)
    answer(refund)
    return refund


def _ask(merchant_id: UUID, refund_id: UUID, actor: Actor, at: datetime) -> Refund:
    """Return the refund after asking the provider about what is open of it."""
    refund = _answer_as_is(merchant_id, refund_id, no_answer)
    if refund.state != PROCESSING:
        return refund
    open_one = selectors.operations_of(Refund.SUBJECT, refund_id).filter(concluded_at=None).first()
    leased = locks.lease_operation(open_one.pk, at) if open_one is not None else None
    if leased is not None:
        recovering.resolve(leased, actor=actor, at=at)
    return _answer_as_is(merchant_id, refund_id, no_answer)


# --- steps inside a phase -------------------------------------------------------------------------------
def _complete(
    payment: Payment, refund: Refund, outcome: Approved, actor: Actor, at: datetime, cause: Cause
) -> None:
    parts = selectors.refund_shares_of(refund)
    borne = _borne(payment, refund, parts)
    turning_back.cover(payment, refund, _own(refund, parts), actor=actor, at=at)
    backs, own = bearing.taken(payment, borne, _own(refund, parts))
    with record(refund, payment, *(one.share for one in borne), actor=actor, at=at, cause=cause) as entry:
        refund.complete(outcome.reference, at)
        entry.post(posting_rules.refunded(payment, backs, own, refund.provider), step=refund.leg)
        payment.refund(refund.amount)
        for part, one in zip(parts, borne, strict=True):
            part.commission_back_minor, part.commission_kept_minor = one.commission_back.minor, one.kept.minor
            one.share.refund(part.amount, one.commission_back, one.kept)
        _announce(payment, refund, borne, entry)
    RefundShare.objects.bulk_update(parts, _COMMISSION)


def _borne(payment: Payment, refund: Refund, parts: list[RefundShare]) -> list[Borne]:
    by_id = {share.pk: share for share in locks.shares(payment.pk)}
    return bearing.parts_of(payment, [(by_id[part.transaction_id], part.amount) for part in parts])


def _own(refund: Refund, parts: list[RefundShare]) -> Money:
    """Return what the shares do not cover: the merchant's own part."""
    return refund.amount - sum((part.amount for part in parts), Money.zero(refund.currency))


def give_way(
    payment: Payment, refund: Refund, code: str, message: str, actor: Actor, at: datetime, cause: Cause
) -> None:
    """End a locked refund that no provider was asked for, because its money is gone otherwise."""
    _fail(payment, refund, code, message, actor, at, cause)


def _fail(
    payment: Payment, refund: Refund, code: str, message: str, actor: Actor, at: datetime, cause: Cause | None
) -> None:
    parts = requesting_refunds.giving(refund, locks.shares(payment.pk))
    shares = (share for share, _ in parts)
    with record(refund, payment, *shares, actor=actor, at=at, cause=cause) as entry:
        refund.fail(code, message, at)
        requesting_refunds.release(payment, refund, parts, entry)


def _fail_late(
    payment: Payment, refund: Refund, outcome: Declined, actor: Actor, at: datetime, cause: Cause
) -> None:
    by_id = {share.pk: share for share in locks.shares(payment.pk)}
    parts = selectors.refund_shares_of(refund)
    borne = [
        Borne(by_id[part.transaction_id], part.amount, part.commission_back, part.commission_kept)
        for part in parts
    ]
    backs, own = bearing.returned(payment, borne, _own(refund, parts))
    with record(refund, payment, *(one.share for one in borne), actor=actor, at=at, cause=cause) as entry:
        refund.fail_late(outcome.code, outcome.message, at)
        entry.post(
            posting_rules.refund_returned(payment, backs, own, refund.provider),
            step=refund.returned_step,
            reverses_id=journal.entry_id_of(Refund.SUBJECT, refund.pk, refund.leg),
        )
        payment.undo_refund(refund.amount)
        for part, one in zip(parts, borne, strict=True):
            one.share.undo_refund(part.amount, one.commission_back, one.kept)
            part.commission_back_minor = part.commission_kept_minor = 0
        _announce(payment, refund, borne, entry)
    RefundShare.objects.bulk_update(parts, _COMMISSION)


def _keep_return(done: ProviderOperation, refund: Refund, actor: Actor, at: datetime) -> None:
    """Keep that the money came back, as the provider's settlement report will name it."""
    keeping_told.keep(
        Kind.REFUND_RETURNED, refund, refund.returned_step, done.amount, payment_id=done.payment_id,
        provider=done.provider, key=returned_key(done.idempotency_key), reference=done.provider_reference,
        actor=actor, at=at,
    )  # fmt: skip


def _announce(payment: Payment, refund: Refund, borne: list[Borne], entry: Entry) -> None:
    parts = [(one.share, one.amount) for one in borne]
    requesting_refunds.announce(payment, refund, parts, entry)
