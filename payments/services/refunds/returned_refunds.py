"""Refunds that were done and whose money is with us again: told by a report; said to be done after all.

1. What a settlement report gives back was a refund that failed late. A message tells the same; whichever
   comes first is believed (D-15), and the other finds it done.
2. A message that speaks of such a refund as done may be an old one, so the provider is asked; when it says so
   itself, or its report takes the money once more, that is a contradiction: a person looks (D-134).
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from ledger import jobs
from ledger.actors import SYSTEM, Actor
from ledger.jobs import Later
from ledger.locks import phased
from ledger.money import Money
from payments import locks, selectors
from payments.models import ProviderOperation
from payments.models.operations import Kind
from payments.providers import registry
from payments.providers.base import Capability
from payments.providers.declines import decline
from payments.providers.outcomes import Approved, Declined, NotSent, Unknown
from payments.providers.requests import again_key, refund_key
from payments.services.calls import contradicting, operations

ASK_JOB: Final = "payments.ask_returned_refund"
UNEXPLAINED: Final = "do_not_honor"
REPORTED: Final = "its money came back, says the provider's settlement report"


def hear(*, provider: str, returned: str, amount: Money, actor: Actor, at: datetime) -> None:
    """Turn a completed refund back whose money came back under the key `returned`.

    Nothing is done about one that is not known, was never done, or is of another amount.
    """
    if selectors.has_operation(provider, returned):
        return
    operation = selectors.operation_by_key(provider, refund_key(returned))
    if operation is None or operation.kind != Kind.REFUND:
        return
    if not operation.has_succeeded or operation.amount != amount:
        return
    row = decline(UNEXPLAINED)
    outcome = Declined(row.code, REPORTED, operation.provider_reference, row.is_hard)
    operations.conclude(operation, outcome, actor=actor, at=at)


def hear_again(*, provider: str, key: str, reference: str, amount: Money, actor: Actor, at: datetime) -> None:
    """Put a refund before a person that a report names once more after its money had come back."""
    operation = selectors.operation_by_key(provider, key)
    if operation is not None:
        _note(operation.pk, Approved(reference, amount, Money.zero(amount.currency)), actor, at)


def ask(operation: ProviderOperation, at: datetime) -> None:
    """Have the provider asked, in the caller's phase, about a refund that is spoken of again."""
    if Capability.FIND_BY_KEY in registry.provider(operation.provider).capabilities:
        jobs.schedule(ASK_JOB, f"{operation.pk}:{at.isoformat()}", at)


def ask_by_job(reference: str, at: datetime) -> None:
    """Ask; safe to repeat.

    :raises Later: the provider did not answer.
    """
    operation = selectors.operation(selectors.ALL, UUID(reference.partition(":")[0]))
    found = operations.find(operation)
    if isinstance(found, Unknown | NotSent):
        pause = timedelta(seconds=operations.ASK_UNREACHABLE_SECONDS)
        raise Later(f"the provider did not say: {found.reason}", at + pause)
    if isinstance(found, Approved):
        _note(operation.pk, found, SYSTEM, at)


@phased
def _note(operation_id: UUID, outcome: Approved, actor: Actor, at: datetime) -> None:
    _, operation = locks.payment_with_operation(operation_id)
    is_believed = selectors.has_operation(operation.provider, again_key(operation.idempotency_key))
    if selectors.has_come_back(operation) and not is_believed:
        contradicting.note_after_all(operation, outcome, actor=actor, at=at)
