"""Learn what became of operations whose outcome is not known, and conclude them like any other.

1. Open operations that are due are leased (SKIP LOCKED), so several workers share one sweep and a killed
   one gives its lease back by time.
2. First ask the provider by our key. Not found, and quiet for longer than the provider can take: send again
   under the same key, as long as the provider remembers keys; after that a person decides. A provider that
   keeps no index of keys counts as not finding it until it has said something; then its message is the word.
3. A provider that cannot be reached is asked again within seconds and for ever: nothing fails by age, and
   nothing stays unknown for a minute once the network answers.
"""

import logging
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings

from ledger import audit, clock
from ledger.actors import SYSTEM, Actor
from ledger.locks import phased
from payments import locks, selectors
from payments.models import ProviderOperation
from payments.models.operations import Kind, OutcomeKind
from payments.providers import registry
from payments.providers.base import Capability
from payments.providers.declines import decline
from payments.providers.outcomes import Declined, NotFound, NotSent, Outcome, Unknown
from payments.services.calls import operations, returning

log = logging.getLogger(__name__)

LEASED_AT_ONCE: Final = 4
SWEEP_SECONDS: Final = 20
TROUBLED_SECONDS: Final = 30
AWAIT_SECONDS_MIN: Final = 3_600
GIVEN_UP: Final = "authentication_failed"
_TOLD_LATER: Final = (OutcomeKind.PENDING, OutcomeKind.REQUIRES_ACTION)


def sweep(at: datetime) -> int:
    """Ask about every operation that is due, for at most `SWEEP_SECONDS`; return how many."""
    asked, started = 0, clock.monotonic()
    while clock.monotonic() - started < SWEEP_SECONDS:
        leased = locks.lease_due_operations(at, LEASED_AT_ONCE)
        if not leased:
            break
        for operation in leased:
            _resolve_apart(operation, at)
        asked += len(leased)
    return asked


def resolve(operation: ProviderOperation, *, at: datetime, actor: Actor = SYSTEM) -> None:
    """Ask about one leased operation and conclude it when the answer is known."""
    outcome = learn(operation, at)
    if outcome is not None:
        operations.conclude(operation, outcome, actor=actor, at=at)


def learn(operation: ProviderOperation, at: datetime) -> Outcome | None:
    """Return what the provider says of a leased operation; None when it is to be asked again later.

    :raises CallInTransaction: a database transaction is open.
    """
    if returning.is_back(operation):
        return returning.go_on(operation, at)
    if operation.outcome in _TOLD_LATER and not _can_find(operation):
        return _await_word(operation, at)
    if operation.outcome == OutcomeKind.NOT_SENT and operations.REOPENED not in operation.request:
        return operations.send_again(operation, at)
    found = operations.find(operation) if _can_find(operation) else NotFound()
    match found:
        case NotFound():
            return _not_found(operation, at)
        case Unknown() | NotSent():
            operations.postpone(operation, at + timedelta(seconds=operations.ASK_UNREACHABLE_SECONDS))
            return None
    return found


def _resolve_apart(operation: ProviderOperation, at: datetime) -> None:
    """Resolve one operation so that its trouble cannot keep the others waiting."""
    try:
        resolve(operation, at=at)
    except Exception:
        # The border of the sweep: whatever went wrong is told, and the operation is asked about again.
        log.exception("an operation could not be resolved", extra={"operation_id": operation.public_id})
        operations.postpone(operation, at + timedelta(seconds=TROUBLED_SECONDS))


@phased
def ask_again(operation_id: UUID, *, actor: Actor, reason: str, at: datetime) -> None:
    """Take an operation that was held for a person back into the recovery; staff only, with a reason."""
    operation = locks.operation(operation_id)
    operations.release(operation, at)
    audit.record(actor=actor, action="operation.asked_again", subject=operation, reason=reason, at=at)


def _can_find(operation: ProviderOperation) -> bool:
    """Say whether the provider can be asked what became of an operation, without sending it again."""
    return Capability.FIND_BY_KEY in registry.provider(operation.provider).capabilities


def _await_word(operation: ProviderOperation, at: datetime) -> Outcome | None:
    """Wait for the word of a provider that cannot be asked; what it agreed to give up is over."""
    payment_id = operation.payment_id if operation.kind == Kind.AUTHORIZE else None
    if payment_id is not None and selectors.has_succeeded(payment_id, Kind.VOID):
        row = decline(GIVEN_UP)
        return Declined(row.code, row.advice, operation.provider_reference or None, row.is_hard)
    wait = operations.ASK_PENDING_SECONDS[min(operation.asks, len(operations.ASK_PENDING_SECONDS) - 1)]
    operations.postpone(operation, at + timedelta(seconds=max(wait, AWAIT_SECONDS_MIN)))
    return None


def _not_found(operation: ProviderOperation, at: datetime) -> Outcome | None:
    sent_at = operation.sent_at or operation.created_at
    quiet_until = sent_at + timedelta(seconds=settings.PROVIDER_QUIET_SECONDS)
    if at < quiet_until:
        operations.postpone(operation, quiet_until)
        return None
    if operations.REOPENED in operation.request:
        _give_to_a_person(operation, at, "the provider was to be believed, and does not know our key")
        return None
    if operation.age_seconds(at) > settings.PROVIDER_KEY_RETENTION_HOURS * 3_600:
        why = "the provider does not know our key and no longer remembers old ones"
        _give_to_a_person(operation, at, why)
        return None
    return operations.send_again(operation, at)


@phased
def _give_to_a_person(operation: ProviderOperation, at: datetime, why: str) -> None:
    locked = locks.operation(operation.pk)
    if locked.is_awaited:
        operations.hold(locked, why, at)
