"""What a provider tells us that we did not ask for: disputes, and refunds that were made there."""

from datetime import datetime
from uuid import UUID

from ledger.actors import Actor
from ledger.events import Cause
from payments.models.payments import PaymentNotFound
from payments.providers.notices import DisputeNotice, ProviderNotice
from payments.providers.outcomes import Approved
from payments.services.disputes import answering_disputes, disputing
from payments.services.refunds import adopting_refunds


def is_unasked(notice: ProviderNotice | DisputeNotice) -> bool:
    """Say whether a notice whose key no operation of ours has is about something that is not ours to ask."""
    if isinstance(notice, DisputeNotice):
        return True
    is_done = isinstance(notice.outcome, Approved)
    return is_done and bool(notice.refund_of) and adopting_refunds.is_foreign(notice.idempotency_key)


def take(
    provider: str, notice: ProviderNotice | DisputeNotice, *, actor: Actor, cause: Cause, at: datetime
) -> UUID | None:
    """Apply it, once; return whose it is, or None when its payment is not known (yet).

    :raises DisputeUnreadable: it does not fit its payment. :raises RefundTooLarge: more than was captured.
    """
    if isinstance(notice, DisputeNotice):
        try:
            dispute = disputing.follow(provider, notice, actor=actor, cause=cause, at=at)
        except PaymentNotFound:
            return None
        answering_disputes.hear(dispute, notice.taken, actor=actor, at=at)
        return dispute.merchant_id
    if not isinstance(notice.outcome, Approved):
        return None
    return adopting_refunds.adopt(
        provider=provider,
        authorization=notice.refund_of,
        key=notice.idempotency_key,
        reference=notice.reference,
        amount=notice.outcome.amount,
        actor=actor,
        cause=cause,
        at=at,
    )
