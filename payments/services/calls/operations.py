"""Every call to a provider in three steps: claim (in the caller's phase), call (no transaction), conclude.

1. The claim is committed before anything leaves the house, with the key that the call will carry for ever.
2. The call holds no transaction and refuses to run inside one. It returns an outcome and never raises for
   what a provider or the wire does.
3. The caller, the provider's webhook and the recovery all end in the `conclude` of the operation's kind. It
   locks the subject, then the operation; the first arrival wins, the others find it concluded.
4. What is not final keeps the operation open with a time to ask again (I-24); a mismatch holds the money
   until a person has looked (I-25). Nothing fails by age.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Protocol
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, DataError, IntegrityError, connection

from ledger import audit, clock, crashpoints, reading, writing
from ledger.actors import SYSTEM, Actor, current_request
from ledger.crashpoints import crashpoint
from ledger.errors import Conflict
from ledger.events import Cause
from ledger.ids import show
from ledger.locks import before_commit, is_in_phase, require_phase
from ledger.money import Money
from ledger.recording import no_answer
from ledger.writing import Refusal, as_it_is
from payments.models import ProviderOperation
from payments.models.operations import ASKED, Kind, OutcomeKind
from payments.providers import registry
from payments.providers.outcomes import (
    Approved,
    Declined,
    Found,
    Mismatch,
    NotSent,
    Outcome,
    Pending,
    Rejected,
    RequiresAction,
    Unheard,
    Unknown,
)
from payments.services.calls import claim_refusals, limiting_retries, provider_requests
from payments.services.routes import provider_health

Answer = Callable[[Any], None]

ASK_UNKNOWN_SECONDS: Final = 5
ASK_UNREACHABLE_SECONDS: Final = 10
# A provider that says "later" is asked less and less often; then daily (reliability.md 3.2).
ASK_PENDING_SECONDS: Final = (5, 15, 60, 300, 1_800, 7_200, 21_600, 86_400)
TOLD: Final = "told"  # in `request`: the yes of a provider that nobody can ask, for two people to decide on
REOPENED: Final = "reopened_at"  # in `request`: it is only asked about, whatever the provider answers


crashpoints.register(*(f"{kind}.before_commit" for kind in ASKED))


class OperationOpen(Conflict):
    """An operation of this leg is under way, or has succeeded already."""

    code = "operation_in_progress"
    advice = "Fetch the object; send a new request when its status is no longer processing."
    retryable = True


class NotHeld(Conflict):
    """The operation does not wait for a person."""

    code = "operation_not_held"


class CallInTransaction(RuntimeError):
    """A provider would be called with a database transaction open: a defect."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What will be asked of a provider, for which subject and leg. `amount` may be zero for a void."""

    operation_id: UUID
    merchant_id: UUID
    kind: Kind
    subject_type: str
    subject_id: UUID
    leg: str
    provider: str
    amount: Money
    request: dict[str, Any] = field(default_factory=dict)
    payment_id: UUID | None = None
    route: Mapping[str, Any] = field(default_factory=dict)


class Concluder(Protocol):
    """Ends an operation of one kind in a phase of its own and returns its subject.

    Called by whoever learns the outcome first, possibly by several at once. It locks the subject, then the
    operation, does nothing unless the operation `is_awaited`, and calls `answer` last.
    """

    def __call__(
        self, *, operation_id: UUID, outcome: Outcome, actor: Actor, at: datetime, answer: Answer
    ) -> Any: ...


CONCLUDERS: Final[dict[str, Concluder]] = {}


def concludes(kind: Kind) -> Callable[[Concluder], Concluder]:
    """Register the function as the one that concludes operations of a kind."""

    def register(function: Concluder) -> Concluder:
        CONCLUDERS[kind.value] = function
        return function

    return register


def claim(intent: Intent, *, actor: Actor, at: datetime) -> ProviderOperation:
    """Write down, in the caller's phase, what will be asked; the subject is locked by the caller.

    :raises OperationOpen: an operation of this leg is open or has succeeded, or the id was used before; in a
        gathered phase when its writes are sent.
    :raises RetryLimitReached: :raises MerchantInactive: :raises PaymentMethodRemoved: (likewise) the card may
        not be tried now, the merchant may not act, the stored method is gone.
    """
    require_phase()
    operation = reading.new(
        ProviderOperation,
        id=intent.operation_id,
        merchant_id=intent.merchant_id,
        kind=intent.kind,
        subject_type=intent.subject_type,
        subject_id=intent.subject_id,
        leg=intent.leg,
        payment_id=intent.payment_id,
        provider=intent.provider,
        amount_minor=intent.amount.minor,
        currency=intent.amount.currency,
        idempotency_key=show("op", intent.operation_id),
        request=intent.request,
        route=dict(intent.route),
        asked_by={**actor.as_json(), "request_id": current_request().request_id},
        created_at=at,
        sent_at=at,
        tries=1,
        ask_at=at + timedelta(seconds=provider_requests.seconds_at_most()),
    )

    def refused(error: IntegrityError | DataError) -> Exception:
        if told := limiting_retries.refused(error) or claim_refusals.refused(error):
            return told
        if not _is_of_operations(error):
            return error
        return OperationOpen(
            f"a {intent.kind.value} of this {intent.subject_type} is already under way or done",
            leg=intent.leg,
        )

    insert(operation, refused)
    return operation


def insert(operation: ProviderOperation, refused: Refusal = as_it_is) -> None:
    """Write a new operation in the caller's phase."""
    writing.write(writing.inserting(ProviderOperation, [operation], refused))
    operation._state.adding, operation._state.db = False, DEFAULT_DB_ALIAS


def _is_of_operations(error: IntegrityError | DataError) -> bool:
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "table_name", None) == ProviderOperation._meta.db_table


def call(operation: ProviderOperation) -> Outcome:
    """Ask the provider to do it, with the operation's own key; safe to repeat.

    :raises CallInTransaction: a database transaction is open.
    """
    _refuse_transaction()
    started = clock.monotonic()
    outcome = provider_requests.send(registry.provider(operation.provider), operation)
    provider_health.note(operation, outcome, clock.monotonic() - started)
    return outcome


def finish(operation: ProviderOperation, answer: Mapping[str, str]) -> Outcome:
    """Tell the provider that the payer is back, with what he brought; as `call`, and safe to repeat."""
    _refuse_transaction()
    finisher = registry.finisher(operation.provider)
    if finisher is None:
        raise ValueError(f"{operation.provider} is not told that payers are back")
    return provider_requests.finish(finisher, operation, answer)


def find(operation: ProviderOperation) -> Found:
    """Ask the provider what became of an operation, by our key.

    :raises CallInTransaction: a database transaction is open.
    """
    _refuse_transaction()
    return provider_requests.find(registry.provider(operation.provider), operation)


def send_again(operation: ProviderOperation, at: datetime) -> Outcome:
    """Repeat the request under the same key, noting the try first.

    :raises CallInTransaction: a database transaction is open.
    """
    _refuse_transaction()
    operation.tries += 1
    operation.sent_at = at
    operation.save(update_fields=["tries", "sent_at"])
    return call(operation)


def conclude(
    operation: ProviderOperation, outcome: Outcome, *, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Any:
    """Hand an outcome to the function that concludes this kind of operation, and return the subject."""
    return CONCLUDERS[operation.kind](
        operation_id=operation.id, outcome=outcome, actor=actor, at=at, answer=answer
    )


def cause(operation: ProviderOperation) -> Cause:
    """Return the operation as the cause that events name."""
    return Cause("provider_operation", operation.public_id)


def cause_of(operation_id: UUID) -> Cause:
    """Return an operation that is about to be claimed as the cause that events name."""
    return Cause("provider_operation", show("op", operation_id))


def checked(operation: ProviderOperation, outcome: Outcome) -> Outcome:
    """Return the outcome, or a mismatch when an approval is about another amount than was asked."""
    if not isinstance(outcome, Approved) or operation.kind == Kind.VOID:
        return outcome
    if outcome.amount != operation.amount:
        return Mismatch(operation.amount.display(), outcome.amount.display(), outcome.reference)
    if outcome.taken is not None and outcome.taken.amount != operation.amount:
        got = f"captured {outcome.taken.amount.display()}"
        return Mismatch(operation.amount.display(), got, outcome.taken.reference)
    return outcome


def close(
    operation: ProviderOperation, outcome: Approved | Declined | Rejected | NotSent, at: datetime
) -> None:
    """End a locked operation with a final outcome; the caller records the effect in the same phase.

    A request that was refused as wrong is our fault, so a person is told. What was not sent ends so only
    when another takes its place: it never will be.
    """
    require_phase()
    match outcome:
        case Approved():
            operation.outcome = OutcomeKind.APPROVED
            operation.provider_reference = outcome.reference
            operation.fee_minor = outcome.fee.minor
            operation.outcome_detail = dict(outcome.details)
        case Declined():
            operation.outcome, operation.outcome_code = OutcomeKind.DECLINED, outcome.code
            operation.provider_reference = outcome.reference or ""
            operation.outcome_detail = {"message": outcome.message, "is_hard": outcome.is_hard}
        case NotSent():
            operation.outcome, operation.outcome_detail = OutcomeKind.NOT_SENT, {"reason": outcome.reason}
        case Rejected():
            operation.outcome, operation.outcome_code = OutcomeKind.REJECTED, outcome.code
            operation.outcome_detail = {"message": outcome.message}
            why = f"the provider refused our request as wrong: {outcome.code}"
            audit.record(actor=SYSTEM, action="operation.rejected", subject=operation, reason=why, at=at)
    before_commit(partial(crashpoint, f"{operation.kind}.before_commit"))
    operation.noted_at = operation.concluded_at = at
    operation.ask_at = operation.lease_until = None
    writing.write(writing.moving(ProviderOperation, [operation], _OUTCOME))


def note(operation: ProviderOperation, outcome: Outcome, at: datetime) -> None:
    """Keep an outcome that is not final on a locked operation, and say when to ask again.

    A mismatch is not asked again: the money stays held, and an audit record calls a person. Where nothing
    was heard, all stays as it is.
    """
    require_phase()
    match outcome:
        case Unheard():
            return
        case Pending(reference=reference):
            operation.outcome = OutcomeKind.PENDING
            operation.provider_reference = reference or operation.provider_reference
            wait = ASK_PENDING_SECONDS[min(operation.asks, len(ASK_PENDING_SECONDS) - 1)]
            operation.asks += 1
        case RequiresAction(reference=reference):
            operation.outcome, operation.provider_reference = OutcomeKind.REQUIRES_ACTION, reference
            wait = ASK_PENDING_SECONDS[min(operation.asks, len(ASK_PENDING_SECONDS) - 1)]
            operation.asks += 1
        case NotSent(reason=reason, retry_after_seconds=retry_after):
            operation.outcome, operation.outcome_detail = OutcomeKind.NOT_SENT, {"reason": reason}
            wait = max(1, round(retry_after or ASK_UNKNOWN_SECONDS))
        case Unknown(reason=reason):
            operation.outcome, operation.outcome_detail = OutcomeKind.UNKNOWN, {"reason": reason}
            wait = ASK_UNKNOWN_SECONDS
        case Mismatch():
            _hold(operation, outcome, at)
            return
        case _:
            raise ValueError(f"{type(outcome).__name__} is final: close the operation with its effect")
    operation.noted_at = at
    operation.ask_at, operation.lease_until = at + timedelta(seconds=wait), None
    operation.save(update_fields=_OUTCOME_FIELDS)


def keep(operation: ProviderOperation, until: datetime) -> bool:
    """Let the caller of an operation have it until then; False when its outcome is known by now."""
    untold = ProviderOperation.objects.filter(
        pk=operation.pk, concluded_at=None, outcome="", ask_at__isnull=False
    )
    if not untold.update(ask_at=until):
        return False
    operation.ask_at = until
    return True


def postpone(operation: ProviderOperation, until: datetime) -> None:
    """Ask again at `until`; what is known of the operation does not change, nor does its schedule."""
    ProviderOperation.objects.filter(pk=operation.pk, concluded_at=None).update(
        ask_at=until, lease_until=None
    )


def ask_now(operation: ProviderOperation, at: datetime) -> None:
    """Ask as soon as may be about an open operation of which its provider has news; a held one stays held."""
    ProviderOperation.objects.filter(pk=operation.pk, concluded_at=None, ask_at__gt=at).update(ask_at=at)


def hold(operation: ProviderOperation, why: str, at: datetime) -> None:
    """Stop asking about a locked open operation and call a person, for a reason of our own."""
    operation.outcome_detail = {**operation.outcome_detail, "held": why}
    operation.noted_at, operation.ask_at, operation.lease_until = at, None, None
    operation.save(update_fields=_OUTCOME_FIELDS)
    audit.record(actor=SYSTEM, action="operation.held", subject=operation, reason=why, at=at)


def release(operation: ProviderOperation, at: datetime) -> None:
    """Let the recovery ask about a locked held operation again, from the start of its schedule.

    :raises NotHeld: it is concluded, or is being asked about.
    """
    if not operation.is_held:
        raise NotHeld(f"operation {operation.public_id} does not wait for a person")
    operation.outcome, operation.asks, operation.ask_at = "", 0, at
    operation.save(update_fields=_OUTCOME_FIELDS)


def reopen(operation: ProviderOperation, at: datetime) -> None:
    """Open a locked refused operation again and have the provider asked at once, but never sent the request
    again; its subject is set aside again by the caller, in the same phase.

    :raises ValueError: it is open, or has succeeded.
    """
    require_phase()
    if operation.is_open or operation.has_succeeded:
        raise ValueError("only a refused operation is opened again")
    operation.outcome, operation.outcome_code, operation.concluded_at = OutcomeKind.UNKNOWN, "", None
    operation.outcome_detail = {}
    operation.request = {**operation.request, REOPENED: at.isoformat()}
    operation.asks, operation.ask_at, operation.lease_until, operation.noted_at = 0, at, None, at
    operation.save(update_fields=[*_OUTCOME_FIELDS, "request"])


_OUTCOME_FIELDS: Final = [
    "outcome", "outcome_code", "outcome_detail", "provider_reference", "fee_minor", "asks", "ask_at",
    "lease_until", "noted_at", "concluded_at",
]  # fmt: skip
_OUTCOME: Final = frozenset(_OUTCOME_FIELDS)


def _hold(operation: ProviderOperation, outcome: Mismatch, at: datetime) -> None:
    operation.outcome = OutcomeKind.MISMATCH
    operation.outcome_detail = {
        "expected": outcome.expected,
        "got": outcome.got,
        "reference": outcome.reference,
    }
    hold(operation, "the provider's answer is about other money than was asked", at)


def _refuse_transaction() -> None:
    """Refuse a call inside a phase or any other transaction; the one of a test case does not count."""
    inside = any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)
    if is_in_phase() or inside:
        raise CallInTransaction("a provider is called between phases, never inside a transaction")
