"""A refund that its provider failed, taken up again: asked for anew, or believed to have happened after all.

Both speak for its money again, each share for the part it had. *Anew* it is decided on again, and what is
then asked of the provider is another operation under another key. *Believed* it is the same operation that
is opened again: the provider is asked what became of it and never told to do it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.views.decorators.debug import sensitive_variables

from ledger import audit
from ledger.actors import Actor
from ledger.errors import Conflict
from ledger.ids import uuid7
from ledger.locks import phased
from ledger.money import Money
from ledger.recording import no_answer, record
from payments import locks, selectors
from payments.models import Contradiction, Payment, PaymentTransaction, ProviderOperation, Refund
from payments.models.operations import Kind, OutcomeKind
from payments.providers.requests import again_key
from payments.rules.refund_division import RefundTooLarge
from payments.services.calls import operations
from payments.services.calls.operations import Answer
from payments.services.refunds import requesting_refunds
from payments.services.refunds.adopting_refunds import GIVES_WAY
from payments.services.refunds.refunding import FAILED_BY_MERCHANT
from payments.services.transfers import sending_back
from payments.states import FAILED

_REFUSED = (OutcomeKind.DECLINED, OutcomeKind.REJECTED)


class RefundNotAskable(Conflict):
    """It did not fail at its provider, or nobody knows for certain that it did."""

    code = "refund_not_askable_again"
    advice = "Ask for a new refund of the payment, if there is something left to give back."


def why_not_again(refund: Refund) -> str:
    """Return why a refund cannot be asked for again; empty when it can."""
    if refund.state != FAILED:
        return f"it is {refund.state}"
    if refund.is_adopted or refund.failure_code == GIVES_WAY:
        return "the provider gave money back by itself"
    if refund.failure_code == FAILED_BY_MERCHANT:
        return "it was given up"
    if selectors.has_open_contradiction(Refund.SUBJECT, refund.pk):
        return "its provider says now that the money went back, and nobody has decided on that"
    return ""


@sensitive_variables()
@phased
def ask_again(
    *, merchant_id: UUID, refund_id: UUID, reason: str, actor: Actor, at: datetime,
    needs_second: bool = False, account: Mapping[str, Any] | None = None, answer: Answer = no_answer,
) -> Refund:  # fmt: skip
    """Begin a refund anew that its provider failed, at once or late; within the limit it is approved. Another
    `account` may be named where the first request named one.

    :raises RefundNotFound: no such refund. :raises RefundNotAskable: it did not fail so.
    :raises RefundTooLarge: what it gave back is spoken for by others now.
    :raises RefundAccountNotTaken: :raises BadDetail: of the account (see `sending_back.way_of`).
    """
    payment, refund = locks.refund(merchant_id, refund_id)
    refund.payment = payment
    if why_not := why_not_again(refund):
        raise RefundNotAskable(f"refund {refund.number} is not asked for again: {why_not}")
    shares = locks.shares(payment.pk)
    _require_room(payment, refund, shares)
    if account is not None:
        sending_back.keep(refund, sending_back.way_of(payment, account, at), actor, at)
    before = {"status": refund.state, "failure_code": refund.failure_code}
    parts = requesting_refunds.giving(refund, shares)
    with record(refund, payment, *(share for share, _ in parts), actor=actor, at=at) as entry:
        if needs_second or requesting_refunds.needs_approval(merchant_id, refund.amount):
            refund.request_again(actor.as_json())
        else:
            refund.request_again_approved(actor.as_json(), at)
        requesting_refunds.set_aside(payment, refund, parts, entry)
    after = {"status": refund.state, "tries": refund.tries}
    audit.record(
        actor=actor, action="refund.asked_again", subject=refund, reason=reason, at=at, before=before,
        after=after,
    )  # fmt: skip
    answer(refund)
    return refund


def why_not_believed(found: Contradiction, payment: Payment) -> str:
    """Return why the books cannot follow a provider that says it gave back after all; empty when they can."""
    operation = found.operation
    is_refused = found.said == OutcomeKind.APPROVED and operation.outcome in _REFUSED
    if not is_refused and not found.is_after_all:
        return "what was booked stays; only a refusal can still become an approval"
    if found.is_after_all and found.said_minor != operation.amount_minor:
        return "its provider speaks of another amount"
    refund = selectors.refund(selectors.ALL, operation.subject_id)
    if refund.state != FAILED or refund.leg != operation.leg:
        return f"the refund was asked for again and is {refund.state}"
    return why_no_room(payment, refund, selectors.shares_of(payment))


def believe(payment: Payment, found: Contradiction, reason: str, actor: Actor, at: datetime) -> None:
    """Open a locked refund again and speak for its money, in the step that accepts its provider's word.

    The caller opens its operation again, in the same phase; of a refund whose money had come back, what is
    now said to be done is an operation of its own, which two people conclude: the first one is booked.
    """
    refund = locks.refund_of(found.operation)
    parts = requesting_refunds.giving(refund, locks.shares(payment.pk))
    cause = operations.cause(found.operation)
    with record(
        found, refund, payment, *(share for share, _ in parts), actor=actor, cause=cause, at=at
    ) as entry:
        found.accept(actor.label or actor.id, reason, at)
        entry.announce(found.as_event())
        refund.reopen(is_after_all=found.is_after_all)
        requesting_refunds.set_aside(payment, refund, parts, entry)
    if found.is_after_all:
        _hold_again(found, refund, actor, at)


def _hold_again(found: Contradiction, refund: Refund, actor: Actor, at: datetime) -> None:
    done = found.operation
    # The provider has one name for both: the second has one of its own here.
    told = {"reference": again_key(found.said_reference), "minor": found.said_minor}
    again = ProviderOperation.objects.create(
        id=uuid7(),
        merchant_id=done.merchant_id,
        kind=Kind.REFUND,
        subject_type=Refund.SUBJECT,
        subject_id=refund.pk,
        leg=refund.leg,
        payment_id=done.payment_id,
        provider=done.provider,
        amount_minor=done.amount_minor,
        currency=done.currency,
        idempotency_key=again_key(done.idempotency_key),
        request={**done.request, operations.REOPENED: at.isoformat(), operations.TOLD: told},
        asked_by=actor.as_json(),
        created_at=at,
        outcome=OutcomeKind.UNKNOWN,
    )
    operations.hold(again, "its provider says that it was done after all: two people decide on that", at)


def why_no_room(payment: Payment, refund: Refund, shares: list[PaymentTransaction]) -> str:
    """Return why the money of a refund cannot be spoken for again; empty when it can."""
    if refund.amount > payment.refundable:
        return "less than its amount is left to refund, beside what other refunds and disputes speak for"
    zero = Money.zero(refund.currency)
    left = {share.pk: share.money(share.refundable_minor) for share in shares}
    parts = {part.transaction_id: part.amount for part in selectors.refund_shares_of(refund)}
    if any(amount > left[share] for share, amount in parts.items()):
        return "less than its part is left of a vendor's share"
    own = refund.amount - sum(parts.values(), zero)
    # A dispute that the merchant bears alone leaves more to the shares than there is.
    if own > max(payment.refundable - sum(left.values(), zero), zero):
        return "less than the merchant's own part is left"
    return ""


def _require_room(payment: Payment, refund: Refund, shares: list[PaymentTransaction]) -> None:
    if why_not := why_no_room(payment, refund, shares):
        raise RefundTooLarge(
            f"refund {refund.number} is not asked for again: {why_not}",
            refundable=payment.refundable.as_json(),
        )
