"""A refund that somebody made at the provider becomes a refund of ours: with shares, postings and news, once.

It is known by the provider's own key, from its message or its settlement report, whichever comes first. What
it gave back is divided as if it had been asked for here. When refunds that only wait here had spoken for the
same money, they end as failed: the payer has it already.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from ledger import ids
from ledger.actors import Actor
from ledger.crashpoints import crashpoint, register
from ledger.events import Cause
from ledger.ids import uuid7
from ledger.locks import phased
from ledger.money import Money
from ledger.recording import record
from payments import locks, news, numbers, posting_rules, selectors
from payments.models import Payment, PaymentTransaction, ProviderOperation, Refund, RefundShare
from payments.models.operations import Kind
from payments.rules.refund_division import RefundTooLarge
from payments.services.calls import keeping_told
from payments.services.refunds import bearing, refunding, requesting_refunds

REASON: Final = "made at the provider"
GIVES_WAY: Final = "refunded_at_provider"
register("refund_adoption.before_commit")


def is_foreign(idempotency_key: str) -> bool:
    """Say whether a key is none that this house makes: its operation was not asked for here."""
    try:
        ids.parse(ProviderOperation.PREFIX, idempotency_key)
    except ids.BadId:
        return bool(idempotency_key)
    return False


def adopt(
    *, provider: str, authorization: str, key: str, reference: str, amount: Money, actor: Actor,
    cause: Cause, at: datetime,
) -> UUID | None:  # fmt: skip
    """Make the refund ours; return the merchant, or None when no payment of ours is known (yet).

    Run again for the same key it finds what it made.

    :raises RefundTooLarge: it is more than was captured and not given back: a person must look.
    """
    payment = selectors.payment_by_authorization(provider, authorization)
    if payment is None or amount.currency != payment.currency:
        return None
    if not selectors.has_operation(provider, key):
        number = numbers.take(payment.merchant_id, numbers.REFUND, at)
        _adopt(payment.merchant_id, payment.pk, number, key, reference, amount, actor, cause, at)
    return payment.merchant_id


@phased
def _adopt(
    merchant_id: UUID, payment_id: UUID, number: str, key: str, reference: str, amount: Money,
    actor: Actor, cause: Cause, at: datetime,
) -> None:  # fmt: skip
    payment = locks.payment(merchant_id, payment_id)
    if selectors.has_operation(payment.provider, key):
        return
    _make_room(payment, amount, actor, at, cause)
    shares = locks.shares(payment.pk)
    division = requesting_refunds.divide(payment, shares, amount, None)
    parts = [(share, division.parts[share.pk]) for share in shares if share.pk in division.parts]
    refund = Refund(
        id=uuid7(),
        merchant_id=merchant_id,
        payment=payment,
        number=number,
        currency=payment.currency,
        amount_minor=amount.minor,
        reason=REASON,
        requested_by=actor.as_json(),
        provider=payment.provider,
        created_at=at,
    )
    _set_aside(payment, refund, parts, actor, at, cause)
    borne = bearing.parts_of(payment, parts)
    backs, own = bearing.taken(payment, borne, division.own)
    with record(refund, payment, *(one.share for one in borne), actor=actor, at=at, cause=cause) as entry:
        refund.adopt(reference, at)
        entry.post(posting_rules.refunded(payment, backs, own, refund.provider), step=refund.leg)
        payment.refund(amount)
        for one in borne:
            one.share.refund(one.amount, one.commission_back, one.kept)
        requesting_refunds.announce(payment, refund, parts, entry)
    RefundShare.objects.bulk_create(
        RefundShare(
            refund=refund, transaction=one.share, currency=amount.currency, amount_minor=one.amount.minor,
            commission_back_minor=one.commission_back.minor, commission_kept_minor=one.kept.minor,
        )
        for one in borne
    )  # fmt: skip
    keeping_told.keep(
        Kind.REFUND, refund, refund.leg, refund.amount, payment_id=payment.pk, provider=payment.provider,
        key=key, reference=reference, actor=actor, at=at,
    )  # fmt: skip
    crashpoint("refund_adoption.before_commit")


def _make_room(payment: Payment, amount: Money, actor: Actor, at: datetime, cause: Cause) -> None:
    """End what only waits here and speaks for the same money, the newest first.

    :raises RefundTooLarge: also without them there is not enough.
    """
    for waiting in locks.waiting_refunds(payment):
        if amount <= payment.refundable:
            break
        refunding.give_way(payment, waiting, GIVES_WAY, REASON, actor, at, cause)
    if amount > payment.refundable:
        raise RefundTooLarge(
            f"{amount.display()} was refunded at the provider, {payment.refundable.display()} was left"
        )


def _set_aside(
    payment: Payment, refund: Refund, parts: list[tuple[PaymentTransaction, Money]], actor: Actor,
    at: datetime, cause: Cause,
) -> None:  # fmt: skip
    with record(payment, *(share for share, _ in parts), actor=actor, at=at, cause=cause) as entry:
        payment.set_refund_aside(refund.amount)
        entry.announce(news.of_payment(payment, refund_id=refund.public_id, step_minor=refund.amount_minor))
        for share, part in parts:
            share.set_refund_aside(part)
            told = news.of_share(share, refund_id=refund.public_id, step_minor=part.minor)
            entry.announce(told, subject=share)
