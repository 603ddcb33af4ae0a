"""Carrying out a refund: claim, call, conclude; and what a merchant may say of it afterwards.

The provider alone decides whether money went back: `complete` asks it and never takes anybody's word, and
`fail` is possible only while no money moved. A provider may change its mind: a refund that it reported as
done and then as failed is turned back by a reversing entry (`fail_late`).
"""

from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from ledger import audit, balances, journal
from ledger.actors import Actor
from ledger.chart import Code
from ledger.crashpoints import crashpoint, register
from ledger.errors import Conflict
from ledger.events import Cause
from ledger.locks import phased
from ledger.money import Money
from ledger.recording import Entry, no_answer, record
from payments import locks, news, posting_rules, selectors
from payments.capture_division import commission_due
from payments.models import Payment, PaymentTransaction, ProviderOperation, Refund, RefundShare
from payments.models.operations import Kind, OutcomeKind
from payments.posting_rules import ShareRefund
from payments.providers.outcomes import Approved, Declined, Outcome, Rejected
from payments.services import operations, performing, recovering, requesting_refunds
from payments.services.operations import Answer
from payments.states import COMPLETED, FAILED, PROCESSING, REQUESTED

LEG: Final = "refund"
FAILED_BY_MERCHANT: Final = "failed_by_merchant"
_REFUSED: Final = (OutcomeKind.DECLINED, OutcomeKind.REJECTED)
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

    A provider that reports a completed refund as failed is believed: the money is with us again.
    """
    payment, operation = locks.payment_with_operation(operation_id)
    refund = locks.refund_of(operation)
    refund.payment = payment
    cause = operations.cause(operation)
    if not operation.is_awaited:
        if refund.state == COMPLETED and isinstance(outcome, Declined):
            _fail_late(payment, refund, outcome, actor, at, cause)
        if isinstance(outcome, Approved) and operation.outcome in _REFUSED:
            # The provider said no and now says yes: money may be gone that our books still hold.
            reason = f"refund {refund.number} was refused and is now reported as done"
            audit.record(
                actor=actor, action="operation.contradicted", subject=operation, at=at, reason=reason
            )
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
            leg=LEG,
            provider=refund.provider,
            amount=refund.amount,
            request={"reference": refund.public_id, "authorization": payment.provider_reference},
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
    shares = locks.shares(payment.pk)
    parts = selectors.refund_shares_of(refund)
    backs, own = _shares_back(refund, parts, shares)
    with record(refund, payment, *(back.share for back in backs), actor=actor, at=at, cause=cause) as entry:
        refund.complete(outcome.reference, at)
        entry.post(posting_rules.refunded(payment, backs, own), step=LEG)
        payment.refund(refund.amount)
        for part, back in zip(parts, backs, strict=True):
            part.commission_back_minor = back.commission_back.minor
            back.share.refund(part.amount, back.commission_back)
        _announce(payment, refund, backs, entry)
    RefundShare.objects.bulk_update(parts, ["commission_back_minor"])


def _shares_back(
    refund: Refund, parts: list[RefundShare], shares: list[PaymentTransaction]
) -> tuple[list[ShareRefund], Money]:
    """Return what each vendor gives back, as far as its pending balance bears it, and the merchant's part."""
    by_id = {share.pk: share for share in shares}
    accounts = {
        part.pk: posting_rules.vendor_account(Code.VENDOR_PENDING, by_id[part.transaction_id])
        for part in parts
    }
    held = balances.locked(accounts.values())
    backs = []
    for part in parts:
        share = by_id[part.transaction_id]
        commission = _commission_back(share, part.amount_minor)
        bearable = commission - held[accounts[part.pk]]  # a vendor's balance is a credit: negative
        backs.append(ShareRefund(share, part.amount, commission, min(part.amount, bearable)))
    return backs, refund.amount - sum((part.amount for part in parts), Money.zero(refund.currency))


def _commission_back(share: PaymentTransaction, amount_minor: int) -> Money:
    """Return the commission that goes back: by the running total, so that a full refund returns it whole."""
    after = commission_due(
        share.captured_minor, share.commission_captured_minor, share.refunded_minor + amount_minor
    )
    # A refund that failed late may leave the running total one unit off; the part stays within its bounds.
    return share.money(max(0, min(after - share.commission_refunded_minor, amount_minor)))


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
    shares = locks.shares(payment.pk)
    by_id = {share.pk: share for share in shares}
    parts = selectors.refund_shares_of(refund)
    owed = balances.locked(
        posting_rules.vendor_account(Code.VENDOR_RECEIVABLE, by_id[part.transaction_id]) for part in parts
    )
    backs = []
    for part in parts:
        share = by_id[part.transaction_id]
        debt = owed[posting_rules.vendor_account(Code.VENDOR_RECEIVABLE, share)]
        # What comes back first settles what is owed, but never with the commission that is taken again.
        to_pending = part.amount - min(part.amount - part.commission_back, debt)
        backs.append(ShareRefund(share, part.amount, part.commission_back, to_pending))
    own = refund.amount - sum((part.amount for part in parts), Money.zero(refund.currency))
    with record(refund, payment, *(back.share for back in backs), actor=actor, at=at, cause=cause) as entry:
        refund.fail_late(outcome.code, outcome.message, at)
        entry.post(
            posting_rules.refund_returned(payment, backs, own),
            step="refund_returned",
            reverses_id=journal.entry_id_of(Refund.SUBJECT, refund.pk, LEG),
        )
        payment.undo_refund(refund.amount)
        for part, back in zip(parts, backs, strict=True):
            back.share.undo_refund(part.amount, part.commission_back)
            part.commission_back_minor = 0
        _announce(payment, refund, backs, entry)
    RefundShare.objects.bulk_update(parts, ["commission_back_minor"])


def _announce(payment: Payment, refund: Refund, backs: list[ShareRefund], entry: Entry) -> None:
    parts = [(back.share, back.amount) for back in backs]
    requesting_refunds.announce(payment, refund, parts, entry)
