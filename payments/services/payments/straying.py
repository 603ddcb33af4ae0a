"""Give back what a provider reserved after all, although the payment had gone on with another (I-140).

The late word stands as a contradiction, as any; where the reservation can be given back that is done by an
operation of its own at that provider (leg `stray:…`), and the contradiction is closed with it. What cannot be
given back so (the provider took the money at once, or refuses) waits for a person.
"""

from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from ledger import jobs
from ledger.actors import SYSTEM, Actor
from ledger.locks import phased
from ledger.recording import record
from payments import locks, routing_selectors, selectors, states
from payments.models import Contradiction, Payment, ProviderOperation
from payments.models.operations import Kind, OutcomeKind
from payments.providers import registry
from payments.providers.base import Capability
from payments.providers.outcomes import Approved, Declined, Outcome, Rejected
from payments.services.calls import operations, performing
from payments.services.calls.operations import Intent

JOB: Final = "payments.void_stray"
LEG: Final = "stray"


def follow(found: Contradiction | None, operation: ProviderOperation, outcome: Outcome, at: datetime) -> None:
    """Have given back what a locked try of an authorization reserved too late, where that can be."""
    if found is None or not isinstance(outcome, Approved) or outcome.taken is not None:
        return
    if operation.kind != Kind.AUTHORIZE or found.said != OutcomeKind.APPROVED:
        return
    if Capability.VOID not in registry.provider(operation.provider).capabilities:
        return
    last = routing_selectors.last_authorization(operation.payment_id)
    if last is not None and last.pk != operation.pk:
        jobs.schedule(JOB, str(found.pk), at)


def void_by_job(contradiction_id: UUID, at: datetime) -> None:
    """Give it back; safe to repeat."""
    found = selectors.contradiction(selectors.ALL, contradiction_id)
    operation_id = uuid5(contradiction_id, JOB)
    performing.perform(
        lambda: _claim(found, operation_id, at),
        merchant_id=found.merchant_id,
        operation_id=operation_id,
        actor=SYSTEM,
        at=at,
    )


@phased
def _claim(found: Contradiction, operation_id: UUID, at: datetime) -> ProviderOperation | Payment:
    payment, operation = locks.payment_with_operation(found.operation_id)
    locked = locks.contradiction(found.pk)
    if locked.state != states.OPEN:
        return payment
    return operations.claim(
        Intent(
            operation_id=operation_id,
            merchant_id=payment.merchant_id,
            kind=Kind.VOID,
            subject_type=Payment.SUBJECT,
            subject_id=payment.pk,
            leg=f"{LEG}:{operation.provider}"[:32],
            provider=operation.provider,
            amount=operation.amount,
            payment_id=payment.pk,
            request={"authorization": locked.said_reference, "contradiction": str(locked.pk)},
        ),
        actor=SYSTEM,
        at=at,
    )


def apply(operation: ProviderOperation, outcome: Outcome, actor: Actor, at: datetime) -> None:
    """Conclude the giving back of a locked operation, and the contradiction with it."""
    match outcome:
        case Approved():
            locked = locks.contradiction(UUID(operation.request["contradiction"]))
            if locked.state == states.OPEN:
                with record(locked, actor=actor, cause=operations.cause(operation), at=at) as entry:
                    locked.close(SYSTEM.id, f"given back by {operation.public_id}", at)
                    entry.announce(locked.as_event())
        case Declined() | Rejected():
            pass  # the contradiction stays open before a person
        case _:
            operations.note(operation, outcome, at)
            return
    operations.close(operation, outcome, at)
