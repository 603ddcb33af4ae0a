"""See at once when a provider goes against a word of its own that we have concluded on.

Whoever learns of it (callback, recovery, caller) is in the conclusion of the operation's kind, which calls
`note` under its locks. Nothing is booked: a row waits for a person, with an alarm. A word that the house
believes by rule (a refund that failed late) is none.
"""

from datetime import datetime
from typing import Final

from ledger import audit, metrics
from ledger.actors import Actor
from ledger.locks import require_phase
from ledger.recording import record
from payments.models import Contradiction, ProviderOperation
from payments.models.operations import Kind, OutcomeKind
from payments.providers.outcomes import Approved, Declined, Outcome, Rejected

AFTER_ALL: Final = "after_it_came_back"
_REFUSED = (OutcomeKind.DECLINED, OutcomeKind.REJECTED, OutcomeKind.NOT_SENT)


def note(
    operation: ProviderOperation, outcome: Outcome, *, actor: Actor, at: datetime
) -> Contradiction | None:
    """Open a contradiction of a locked operation when an outcome goes against its own; else None.

    The same word again opens nothing.
    """
    found = _against(operation, outcome)
    return _open(operation, found, actor, at) if found is not None else None


def note_after_all(
    operation: ProviderOperation, outcome: Approved, *, actor: Actor, at: datetime
) -> Contradiction | None:
    """Open a contradiction of a locked refund whose money had come back and that is said to be done again.

    Whoever else says so then (a message, a report) opens nothing.
    """
    if Contradiction.objects.filter(operation=operation, said_code=AFTER_ALL).exists():
        return None
    found = Contradiction(
        said=OutcomeKind.APPROVED, said_code=AFTER_ALL, said_reference=outcome.reference[:100],
        said_words=f"{outcome.amount.display()}, after it had come back",
        said_minor=outcome.amount.minor if outcome.amount.currency == operation.currency else None,
    )  # fmt: skip
    return _open(operation, found, actor, at)


def _open(
    operation: ProviderOperation, found: Contradiction, actor: Actor, at: datetime
) -> Contradiction | None:
    require_phase()
    is_known = Contradiction.objects.filter(
        operation=operation,
        said=found.said,
        said_code=found.said_code,
        said_reference=found.said_reference,
    ).exists()
    if is_known:
        return None
    found.merchant_id, found.operation, found.was = operation.merchant_id, operation, operation.outcome
    found.told_by, found.occurred_at = f"{actor.kind} {actor.id}"[:80], at
    with record(found, actor=actor, at=at) as entry:
        found.open()
        entry.announce(found.as_event())
    reason = f"{operation.leg} was {operation.outcome} and is now reported as {found.said}"
    audit.record(actor=actor, action="operation.contradicted", subject=operation, at=at, reason=reason)
    metrics.operations_contradicted.labels(operation.provider, operation.kind).inc()
    return found


def _against(operation: ProviderOperation, outcome: Outcome) -> Contradiction | None:
    """Return what an outcome says against a concluded operation's own, when it does."""
    if operation.is_open:
        return None
    match outcome:
        case Approved(reference=reference, amount=amount) if operation.outcome in _REFUSED:
            return Contradiction(
                said=OutcomeKind.APPROVED, said_reference=reference[:100], said_words=amount.display(),
                said_minor=amount.minor if amount.currency == operation.currency else None,
            )  # fmt: skip
        case Approved(reference=reference, amount=amount) if (
            operation.outcome == OutcomeKind.APPROVED
            and operation.kind != Kind.VOID
            and amount != operation.amount
        ):
            words = f"{amount.display()} instead of {operation.amount.display()}"
            return Contradiction(
                said=OutcomeKind.MISMATCH, said_code=str(amount.minor), said_reference=reference[:100],
                said_words=words,
            )  # fmt: skip
        case Declined() | Rejected() if operation.outcome == OutcomeKind.APPROVED:
            said = OutcomeKind.DECLINED if isinstance(outcome, Declined) else OutcomeKind.REJECTED
            return Contradiction(said=said, said_code=outcome.code[:64], said_words=outcome.message[:300])
    return None
