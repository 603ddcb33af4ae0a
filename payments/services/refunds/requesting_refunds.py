"""Asking for money back, and the second person's word on it.

A refund is reserved when it is asked for: the payment's `refunding_minor` is raised under the payment's lock,
so that refunds asked for at once never exceed what was captured (I-20). A second writer without the lock
would meet the payment's sequence of events, and the check constraint says it a third time. Up to the
merchant's limit of the currency nobody needs to look; above it a person other than the one who asked approves
or rejects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.views.decorators.debug import sensitive_variables

from ledger import audit
from ledger.actors import Actor
from ledger.errors import Conflict, Forbidden
from ledger.locks import phased
from ledger.money import Money
from ledger.recording import Entry, no_answer, record
from payments import locks, news, numbers, selectors
from payments.models import Payment, PaymentTransaction, Refund, RefundShare
from payments.rules.refund_division import Division, Refundable, RefundTooLarge, divide_refund
from payments.services.calls.operations import Answer
from payments.services.transfers import sending_back
from payments.states import REQUESTED
from vendors import selectors as vendor_selectors

Giving = tuple[PaymentTransaction, Money]  # a share, and what it gives to a refund


class PaymentNotRefundable(Conflict):
    """Nothing of the payment was captured, so nothing can be given back."""

    code = "payment_not_refundable"
    advice = "Cancel a payment that is not captured; refund one that is."


class RefundReferenceTaken(Conflict):
    """Another refund of this merchant has the reference."""

    code = "merchant_reference_taken"
    advice = "Use a reference once; fetch the refund that has it."


class FourEyes(Forbidden):
    """The person who asked for a refund may not decide on it."""

    code = "four_eyes_required"
    advice = "Ask somebody else to approve or reject it."


class SeniorNeeded(Forbidden):
    """A refund of this size is decided by a senior person."""

    code = "refund_needs_senior"
    advice = "Ask somebody who may decide on large refunds."


@dataclass(frozen=True, slots=True)
class RefundWish:
    """What is asked for, in minor units of the payment's currency.

    `split` says how much each share gives; None divides in proportion. Without an amount it is the sum of the
    split, or all that is left.
    """

    refund_id: UUID
    payment_id: UUID
    amount_minor: int | None = None
    split: Mapping[UUID, int] | None = None
    reason: str = ""
    merchant_reference: str | None = None
    account: Mapping[str, Any] | None = field(default=None, repr=False)  # where it goes: sending_back.py
    metadata: dict[str, Any] = field(default_factory=dict)


def request(
    *, merchant_id: UUID, wish: RefundWish, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Refund:
    """Reserve a refund and begin it: approved when it is within the merchant's limit, else requested.

    Run again with the same `refund_id` it finds what it made.

    :raises PaymentNotFound: the merchant has no such payment.
    :raises PaymentNotRefundable: nothing was captured.
    :raises RefundTooLarge: more than is captured, not refunded and not spoken for by other refunds.
    :raises BadRefundSplit: the split does not add up.
    :raises RefundReferenceTaken: another refund has the merchant's reference.
    :raises RefundAccountMissing: :raises RefundAccountNotTaken: :raises NoRailForRefund: :raises BadDetail:
        of the account to which it goes (see `sending_back.way_of`).
    """
    number = numbers.take(merchant_id, numbers.REFUND, at)
    try:
        return _request(merchant_id, wish, number, actor, at, answer)
    except IntegrityError as error:
        name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
        if name != "payments_refund_merchant_reference":
            raise
        raise RefundReferenceTaken(
            "another refund has this merchant_reference", param="merchant_reference"
        ) from error


def approve(
    *, merchant_id: UUID, refund_id: UUID, reason: str, actor: Actor, at: datetime, is_senior: bool = False
) -> Refund:
    """Let a refund above the limit go on.

    :raises RefundNotFound: no such refund. :raises FourEyes: the actor asked for it.
    :raises SeniorNeeded: it is above what an actor who is not `is_senior` decides on.
    :raises StateConflict: it does not wait for approval.
    """
    return _decide(merchant_id, refund_id, reason, actor, at, is_approved=True, is_senior=is_senior)


def reject(
    *, merchant_id: UUID, refund_id: UUID, reason: str, actor: Actor, at: datetime, is_senior: bool = False
) -> Refund:
    """Refuse a refund above the limit; what was reserved for it is free again.

    :raises RefundNotFound: no such refund. :raises FourEyes: the actor asked for it.
    :raises SeniorNeeded: it is above what an actor who is not `is_senior` decides on.
    :raises StateConflict: it does not wait for approval.
    """
    return _decide(merchant_id, refund_id, reason, actor, at, is_approved=False, is_senior=is_senior)


def needs_approval(merchant_id: UUID, amount: Money) -> bool:
    """Say whether a refund of an amount is above what its merchant lets one person alone ask for."""
    merchant = vendor_selectors.merchant(merchant_id)
    limits = (merchant.refund_approval_above, merchant.refund_senior_above)
    known = [limit[amount.currency] for limit in limits if amount.currency in limit]
    return bool(known) and amount.minor > min(known)


def needs_senior(refund: Refund) -> bool:
    """Say whether a refund is above what its merchant lets an ordinary second person decide on."""
    limit = vendor_selectors.merchant(refund.merchant_id).refund_senior_above.get(refund.currency)
    return limit is not None and refund.amount_minor > limit


def giving(refund: Refund, shares: Sequence[PaymentTransaction]) -> list[Giving]:
    """Return the locked shares that give something to a refund, with what each gives."""
    by_id = {share.pk: share for share in shares}
    return [(by_id[part.transaction_id], part.amount) for part in selectors.refund_shares_of(refund)]


def set_aside(payment: Payment, refund: Refund, parts: Sequence[Giving], entry: Entry) -> None:
    """Speak for what a refund will give back, as part of the step that begins it."""
    payment.set_refund_aside(refund.amount)
    for share, part in parts:
        share.set_refund_aside(part)
    announce(payment, refund, parts, entry)


def release(payment: Payment, refund: Refund, parts: Sequence[Giving], entry: Entry) -> None:
    """Free what a refund that will not happen had reserved, as part of the step that ends it."""
    payment.free_refund(refund.amount)
    for share, part in parts:
        share.free_refund(part)
    announce(payment, refund, parts, entry)


def announce(payment: Payment, refund: Refund, parts: Sequence[Giving], entry: Entry) -> None:
    """Tell of what a step of a refund did to it, to its payment and to the shares."""
    entry.announce(news.of_refund(refund, payment), subject=refund)
    entry.announce(
        news.of_payment(payment, refund_id=refund.public_id, step_minor=refund.amount_minor), subject=payment
    )
    for share, part in parts:
        entry.announce(news.of_share(share, refund_id=refund.public_id, step_minor=part.minor), subject=share)


def divide(
    payment: Payment, shares: list[PaymentTransaction], amount: Money, split: Mapping[UUID, int] | None
) -> Division:
    """Divide what goes back of a locked payment over its locked shares and the merchant's own part.

    :raises RefundTooLarge: more than is left. :raises BadRefundSplit: the split does not add up.
    """
    if not amount.is_positive:
        raise RefundTooLarge(f"nothing of payment {payment.number} is left to refund", param="amount")
    if amount > payment.refundable:
        raise RefundTooLarge(
            f"{amount.display()} is more than the {payment.refundable.display()} that can still be refunded",
            param="amount",
            refundable=payment.refundable.as_json(),
        )
    refundable = [Refundable(share.pk, share.money(share.refundable_minor)) for share in shares]
    of_shares = sum((one.amount for one in refundable), Money.zero(payment.currency))
    # A dispute that the merchant bears alone leaves more to the shares than there is.
    own = max(payment.refundable - of_shares, Money.zero(payment.currency))
    wished = None if split is None else {key: payment.money(minor) for key, minor in split.items()}
    return divide_refund(amount, refundable, own, wished)


@sensitive_variables()
@phased
def _request(
    merchant_id: UUID, wish: RefundWish, number: str, actor: Actor, at: datetime, answer: Answer
) -> Refund:
    payment = locks.payment(merchant_id, wish.payment_id)
    made = Refund.objects.filter(merchant_id=merchant_id, pk=wish.refund_id).first()
    if made is not None:
        answer(made)
        return made
    if not payment.captured_minor:
        raise PaymentNotRefundable(f"payment {payment.number} has nothing captured", param="payment_id")
    way = sending_back.way_of(payment, wish.account, at)
    shares = locks.shares(payment.pk)
    amount = _amount(payment, wish)
    division = divide(payment, shares, amount, wish.split)
    by_id = {share.pk: share for share in shares}
    parts = [(by_id[key], part) for key, part in division.parts.items()]
    refund = Refund(
        id=wish.refund_id,
        merchant_id=merchant_id,
        payment=payment,
        number=number,
        merchant_reference=wish.merchant_reference,
        currency=payment.currency,
        amount_minor=amount.minor,
        reason=wish.reason,
        metadata=wish.metadata,
        requested_by=actor.as_json(),
        provider=way.provider,
        created_at=at,
    )
    sending_back.keep(refund, way, actor, at)
    with record(refund, payment, *(share for share, _ in parts), actor=actor, at=at) as entry:
        if needs_approval(merchant_id, amount):
            refund.request()
        else:
            refund.request_approved(at)
        set_aside(payment, refund, parts, entry)
    RefundShare.objects.bulk_create(
        RefundShare(refund=refund, transaction_id=key, currency=part.currency, amount_minor=part.minor)
        for key, part in division.parts.items()
    )
    answer(refund)
    return refund


def _amount(payment: Payment, wish: RefundWish) -> Money:
    if wish.amount_minor is not None:
        return payment.money(wish.amount_minor)
    return payment.refundable if wish.split is None else payment.money(sum(wish.split.values()))


@phased
def _decide(
    merchant_id: UUID, refund_id: UUID, reason: str, actor: Actor, at: datetime, *, is_approved: bool,
    is_senior: bool,
) -> Refund:  # fmt: skip
    payment, refund = locks.refund(merchant_id, refund_id)
    if refund.state == REQUESTED and (refund.requested_by["kind"], refund.requested_by["id"]) == (
        actor.kind,
        actor.id,
    ):
        raise FourEyes("who asked for a refund may not decide on it")
    if refund.state == REQUESTED and not is_senior and needs_senior(refund):
        raise SeniorNeeded(f"a refund of {refund.amount.display()} is decided by a senior person")
    if is_approved:
        with record(refund, actor=actor, at=at) as entry:
            refund.approve(actor.as_json(), reason, at)
            entry.announce(news.of_refund(refund, payment))
    else:
        parts = giving(refund, locks.shares(payment.pk))
        with record(refund, payment, *(share for share, _ in parts), actor=actor, at=at) as entry:
            refund.reject(actor.as_json(), reason, at)
            release(payment, refund, parts, entry)
    audit.record(
        actor=actor,
        action="refund.approved" if is_approved else "refund.rejected",
        subject=refund,
        at=at,
        reason=reason,
        before={"status": REQUESTED},
        after={"status": refund.state},
    )
    return refund
