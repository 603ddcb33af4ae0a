"""Pay in one call: create, screen, authorize and, where the provider can, capture. The hot path.

1. One phase screens and writes the payment, its shares, their events and the claim of the authorization, so
   that nothing leaves the house that is not written down.
2. The provider is called once: a sale where the payment is captured automatically and the provider can do
   both, else an authorization (the capture follows by a job).
3. One phase concludes: state, money, news, operation, and the answer kept for the request's key.

A crash anywhere leaves an open operation; the recovery and the provider's callback conclude it in the same
way, and a repeated request finds it.
"""

from datetime import datetime
from uuid import UUID

from ledger.actors import Actor
from ledger.recording import no_answer
from payments import locks, states
from payments.models import Payment, ProviderOperation
from payments.services.calls import performing
from payments.services.calls.operations import Answer
from payments.services.payment_wishes import NewPayment
from payments.services.payments import authorizing, creating


def pay(
    *,
    merchant_id: UUID,
    payment_id: UUID,
    wanted: NewPayment,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
) -> Payment:
    """Create a payment and have it paid; return it as the provider left it.

    It is not sent to a provider when the screening rejected it or wants a person to look (then it goes on by
    itself once approved), nor before its date.

    :raises DomainError: what `creating.create` raises.
    """
    operation_id = authorizing.operation_id_of(payment_id)

    def begin(payment: Payment) -> ProviderOperation:
        return authorizing.claim(payment, operation_id, actor, at, at_once=True)

    def answer_first(payment: Payment) -> None:
        """A payment found in a second run, still on its way, is answered when that is resumed."""
        if payment.state != states.CREATED or wanted.scheduled_at is not None:
            answer(payment)

    payment = creating.create(
        merchant_id=merchant_id,
        payment_id=payment_id,
        wanted=wanted,
        actor=actor,
        at=at,
        answer=answer_first,
        begin=begin if wanted.scheduled_at is None else None,
    )
    claimed: ProviderOperation | None = payment.__dict__.get("last_operation")
    if claimed is not None:
        with locks.knowing(payment, claimed):
            paid: Payment = performing.carry_out(claimed, actor=actor, at=at, answer=answer)
        return paid
    if payment.state != states.CREATED or wanted.scheduled_at is not None:
        return payment
    return authorizing.go_on(
        merchant_id=merchant_id,
        payment_id=payment_id,
        operation_id=operation_id,
        actor=actor,
        at=at,
        answer=answer,
    )
