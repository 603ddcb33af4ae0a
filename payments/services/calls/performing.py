"""One provider operation from beginning to end: claim, call, conclude, with a crash point at every boundary.

A second run of the same request (same operation id) does not act again: it finds the operation of the first
one, learns what became of it the way the recovery does, and answers from the subject.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger import crashpoints
from ledger.actors import Actor
from ledger.crashpoints import crashpoint
from ledger.errors import DomainError
from ledger.events import Cause
from ledger.ids import show
from ledger.models import Event
from ledger.recording import no_answer
from payments import locks
from payments.models import Payment, ProviderOperation
from payments.models.operations import ASKED
from payments.providers.outcomes import Unheard
from payments.services.calls import failing_over, operations, recovering
from payments.services.calls.operations import Answer

crashpoints.register(
    *(f"{kind}.{point}" for kind in ASKED for point in ("after_claim", "after_call", "after_commit"))
)


def perform(
    claim: Callable[[], Any],
    *,
    merchant_id: UUID,
    operation_id: UUID,
    actor: Actor,
    at: datetime,
    answer: Answer = no_answer,
) -> Any:
    """Run an operation and return its subject, as its kind's `conclude` leaves it.

    `claim` is a whole phase that ends in `operations.claim` and returns the operation; when it finds that no
    provider is needed, it answers and returns the subject instead.

    :raises DomainError: what `claim` raises, unless the operation exists already.
    """
    try:
        operation = claim()
    except DomainError:
        found = ProviderOperation.objects.filter(merchant_id=merchant_id, pk=operation_id).first()
        if found is None:
            raise
        return resume(found, actor=actor, at=at, answer=answer)
    if not isinstance(operation, ProviderOperation):
        return operation
    return carry_out(operation, actor=actor, at=at, answer=answer)


def carry_out(operation: ProviderOperation, *, actor: Actor, at: datetime, answer: Answer = no_answer) -> Any:
    """Make the call of an operation that was just claimed, conclude it, and return its subject."""
    crashpoint(f"{operation.kind}.after_claim")
    outcome = operations.call(operation)
    crashpoint(f"{operation.kind}.after_call")
    operation, outcome = failing_over.follow(operation, outcome, actor=actor, at=at)
    subject = operations.conclude(operation, outcome, actor=actor, at=at, answer=answer)
    crashpoint(f"{operation.kind}.after_commit")
    return subject


def asked(operation_id: UUID) -> Cause:
    """Return a request without a provider operation as the cause that its event names."""
    return Cause("request", show("op", operation_id))


def has_done(payment: Payment, operation_id: UUID) -> bool:
    """Say whether an event of a payment names this request as its cause: a second run has nothing to do."""
    history = Event.objects.filter(subject_type=Payment.SUBJECT, subject_id=payment.pk)
    return history.filter(cause_id=show("op", operation_id)).exists()


def resume(operation: ProviderOperation, *, actor: Actor, at: datetime, answer: Answer = no_answer) -> Any:
    """Learn what became of an operation that an earlier run of the request claimed, and answer from that.

    A refusal that the earlier run did not live to follow elsewhere is followed now.
    """
    operation = failing_over.newest(operation)
    leased = locks.lease_operation(operation.pk, at) if operation.is_awaited else None
    outcome = recovering.learn(leased, at) if leased is not None else None
    if leased is None or outcome is None:
        outcome = Unheard("the request was repeated while its operation was open")
    else:
        operation, outcome = failing_over.follow(leased, outcome, actor=actor, at=at)
    return operations.conclude(operation, outcome, actor=actor, at=at, answer=answer)
