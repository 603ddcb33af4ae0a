"""What people decide about money that is unknown: operations that are held, and contradictions.

Nobody types an amount or an outcome that moves money: accepting a provider's new word opens the operation
again, and the recovery asks the provider and concludes what it answers. Of a provider that nobody can ask
(its word is its webhook, or its file) two persons decide that what it told was done. Saying that a held
operation never happened frees what it held, so it takes two persons, too. Everything has a reason and an
audit record.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from ledger import audit
from ledger.actors import Actor
from ledger.errors import Conflict, Forbidden
from ledger.locks import phased
from ledger.money import Money
from ledger.recording import record
from payments import locks, news, selectors, states
from payments.models import Contradiction, Payment, ProviderOperation
from payments.models.operations import Kind, OutcomeKind
from payments.providers import registry
from payments.providers.base import Capability
from payments.providers.outcomes import Approved, Declined
from payments.services.calls import operations
from payments.services.calls.operations import NotHeld
from payments.services.payments import voiding
from payments.services.refunds import renewing_refunds

PROPOSED: Final = "not_done_proposed"
DONE_PROPOSED: Final = "done_proposed"
_PROPOSALS: Final = (PROPOSED, DONE_PROPOSED)
CONCLUDES_WITHIN_SECONDS: Final = 60
NOT_DONE: Final = "not_done"
_REFUSED: Final = (OutcomeKind.DECLINED, OutcomeKind.REJECTED)


class CannotBeAccepted(Conflict):
    """The books cannot follow the provider's new word: what it speaks of has ended otherwise."""

    code = "contradiction_not_acceptable"
    advice = "Set it right with the provider or by a refund or transfer, then close it with the reason."


class SamePerson(Forbidden):
    """What two persons must decide was proposed by this one."""

    code = "second_person_needed"


class NothingTold(Conflict):
    """Its provider did not tell that it was done."""

    code = "nothing_told"


class NothingProposed(Conflict):
    """Nobody has proposed it, or it was decided already."""

    code = "nothing_proposed"


# --- contradictions -----------------------------------------------------------------------------------------
def why_not_acceptable(found: Contradiction, payment: Payment | None) -> str:
    """Return why the machine does not allow to follow the provider's new word; empty when it does."""
    operation = found.operation
    if found.state != states.OPEN:
        return "it was decided already"
    if payment is not None and operation.kind == Kind.AUTHORIZE:
        return _why_not_reversible(found, payment)
    if payment is not None and operation.kind == Kind.REFUND:
        return renewing_refunds.why_not_believed(found, payment)
    if payment is None or operation.kind not in (Kind.CAPTURE, Kind.VOID):
        return f"a {operation.get_kind_display().lower()} that has ended is not opened again"
    if found.said != OutcomeKind.APPROVED or operation.outcome not in _REFUSED:
        return "what was booked stays; only a refusal can still become an approval"
    if payment.is_voiding or payment.increasing_minor:
        return "something else of the payment is under way"
    if operation.kind == Kind.VOID and operation.leg != voiding.LEG:
        return "nothing here waits for it: what is not captured lapses by itself"
    if operation.kind == Kind.VOID:
        is_open = payment.state == states.AUTHORIZED and not payment.capturing_minor
        return "" if is_open else f"the payment is {payment.state}, and nothing is left to give back"
    if payment.state not in (states.AUTHORIZED, states.PARTLY_CAPTURED):
        return f"the payment is {payment.state}, and nothing more can be captured"
    return "" if operation.amount <= payment.capturable else "less than that is left to capture"


def _why_not_reversible(found: Contradiction, payment: Payment) -> str:
    """Return why a reservation that the provider says is gone cannot end its payment; empty when it can."""
    if found.said not in _REFUSED or found.operation.outcome != OutcomeKind.APPROVED:
        return "an authorization that was refused is not opened again; the customer can pay anew"
    if payment.capturing_minor or payment.increasing_minor or payment.is_voiding:
        return "something else of the payment is under way"
    if payment.state != states.AUTHORIZED:
        return f"the payment is {payment.state}, and what was captured goes back by refund or dispute only"
    return ""


@phased
def accept(*, contradiction_id: UUID, actor: Actor, reason: str, at: datetime) -> Contradiction:
    """Follow the provider's new word: a refused capture, void or refund is opened again, so that the provider
    is asked and its answer booked; a reservation that is gone ends its payment as reversed.

    :raises ContradictionNotFound: there is none. :raises CannotBeAccepted: the machine does not allow it.
    """
    payment, operation, found = _locked(contradiction_id)
    why_not = why_not_acceptable(found, payment)
    if why_not or payment is None:
        raise CannotBeAccepted(f"the provider's word cannot be booked: {why_not}")
    if operation.kind == Kind.AUTHORIZE:
        _reverse(payment, found, actor, reason, at)
    elif operation.kind == Kind.REFUND:
        renewing_refunds.believe(payment, found, reason, actor, at)
        if not found.is_after_all:
            _reopen(found, at)
    else:
        _set_aside_again(payment, found, actor, reason, at)
        _reopen(found, at)
    audit.record(actor=actor, action="contradiction.accepted", subject=found, reason=reason, at=at)
    return found


def _reopen(found: Contradiction, at: datetime) -> None:
    """Let the provider be asked; where nobody can ask it, keep what it told, for two people to decide on."""
    operation = found.operation
    operations.reopen(operation, at)
    if Capability.FIND_BY_KEY in registry.provider(operation.provider).capabilities:
        return
    told = {"reference": found.said_reference, "minor": found.said_minor}
    operation.request = {**operation.request, operations.TOLD: told}
    operation.save(update_fields=["request"])
    operations.hold(operation, "its provider cannot be asked: two people decide on what it told", at)


def _set_aside_again(payment: Payment, found: Contradiction, actor: Actor, reason: str, at: datetime) -> None:
    """Set aside again what a capture took or a void ends, for the provider's answer."""
    operation = found.operation
    with record(found, payment, actor=actor, cause=operations.cause(operation), at=at) as entry:
        found.accept(actor.label or actor.id, reason, at)
        entry.announce(found.as_event())
        if operation.kind == Kind.CAPTURE:
            is_final = bool(operation.request.get("is_final"))
            reserved = payment.reserve_capture(operation.amount, is_final=is_final)
            operation.request = {**operation.request, "reserved_minor": reserved.minor}
            entry.announce(news.of_payment(payment, step_minor=reserved.minor), subject=payment)
        else:
            payment.ask_cancel()
            entry.announce(news.of_payment(payment, reason=reason), subject=payment)


def _reverse(payment: Payment, found: Contradiction, actor: Actor, reason: str, at: datetime) -> None:
    """End an authorized payment whose reservation is gone, and its shares with it; no money has moved."""
    why = f"taken back by {payment.provider}: {found.said_code or found.said}"
    shares = [share for share in locks.shares(payment.pk) if share.is_open]
    cause = operations.cause(found.operation)
    with record(found, payment, *shares, actor=actor, cause=cause, at=at) as entry:
        found.accept(actor.label or actor.id, reason, at)
        entry.announce(found.as_event())
        payment.reverse(why, at)
        entry.announce(news.of_payment(payment, reason=why), subject=payment)
        for share in shares:
            share.cancel(why, at)
            entry.announce(news.of_share(share), subject=share)


@phased
def close(*, contradiction_id: UUID, actor: Actor, reason: str, at: datetime) -> Contradiction:
    """Leave what was concluded as it is; the reason says what was done about the difference.

    :raises ContradictionNotFound: there is none. :raises StateConflict: it was decided already.
    """
    _, _, found = _locked(contradiction_id)
    with record(found, actor=actor, at=at) as entry:
        found.close(actor.label or actor.id, reason, at)
        entry.announce(found.as_event())
    audit.record(actor=actor, action="contradiction.closed", subject=found, reason=reason, at=at)
    return found


def _locked(contradiction_id: UUID) -> tuple[Payment | None, ProviderOperation, Contradiction]:
    operation = selectors.contradiction(selectors.ALL, contradiction_id).operation
    payment: Payment | None = None
    if operation.payment_id is not None:
        payment, operation = locks.payment_with_operation(operation.pk)
    else:
        operation = locks.operation(operation.pk)
    found = locks.contradiction(contradiction_id)
    found.operation = operation
    return payment, operation, found


# --- held operations ----------------------------------------------------------------------------------------
@phased
def propose_not_done(*, operation_id: UUID, actor: Actor, reason: str, at: datetime) -> ProviderOperation:
    """Propose to say that a held operation never happened; a second person decides.

    :raises OperationNotFound: there is none. :raises NotHeld: it does not wait for a person.
    """
    return _propose(_held(operation_id), PROPOSED, actor, reason, at)


@phased
def propose_done(*, operation_id: UUID, actor: Actor, reason: str, at: datetime) -> ProviderOperation:
    """Propose to say that a held operation was done as its provider told; a second person decides.

    :raises OperationNotFound: there is none. :raises NotHeld: it does not wait for a person.
    :raises NothingTold: its provider told nothing, or of another amount.
    """
    operation = _held(operation_id)
    if not is_told_done(operation):
        raise NothingTold("its provider did not tell that it was done, for this amount")
    return _propose(operation, DONE_PROPOSED, actor, reason, at)


def is_told_done(operation: ProviderOperation) -> bool:
    """Say whether a provider that nobody can ask told of an operation that it was done, and a person had that
    word accepted."""
    told = operation.request.get(operations.TOLD)
    if told is None:
        return False
    return operation.kind == Kind.VOID or told["minor"] == operation.amount_minor


def confirm_done(*, operation_id: UUID, actor: Actor, reason: str, at: datetime) -> None:
    """Say, as the second person, that a held operation was done as its provider told: it is booked.

    :raises OperationNotFound: there is none. :raises NotHeld: it does not wait for a person.
    :raises NothingProposed: nobody proposed it. :raises SamePerson: the same person did.
    """
    operation = _release_as(DONE_PROPOSED, operation_id, actor, reason, at)
    reference = operation.request[operations.TOLD]["reference"]
    outcome = Approved(reference, operation.amount, Money.zero(operation.currency))
    operations.conclude(operation, outcome, actor=actor, at=at)


def confirm_not_done(*, operation_id: UUID, actor: Actor, reason: str, at: datetime) -> None:
    """Say, as the second person, that a held operation never happened: it is concluded as refused.

    :raises OperationNotFound: there is none. :raises NotHeld: it does not wait for a person.
    :raises NothingProposed: nobody proposed it. :raises SamePerson: the same person did.
    """
    operation = _release_as(PROPOSED, operation_id, actor, reason, at)
    outcome = Declined(NOT_DONE, reason[:200], None, is_hard=True)
    operations.conclude(operation, outcome, actor=actor, at=at)


def _propose(
    operation: ProviderOperation, what: str, actor: Actor, reason: str, at: datetime
) -> ProviderOperation:
    """Keep a proposal, in place of any other."""
    proposal = {"by": actor.id, "label": actor.label, "reason": reason, "at": at.isoformat()}
    others = {key: value for key, value in operation.outcome_detail.items() if key not in _PROPOSALS}
    operation.outcome_detail = {**others, what: proposal}
    operation.save(update_fields=["outcome_detail"])
    audit.record(actor=actor, action=f"operation.{what}", subject=operation, reason=reason, at=at)
    return operation


@phased
def _release_as(what: str, operation_id: UUID, actor: Actor, reason: str, at: datetime) -> ProviderOperation:
    """Take a held operation back for the conclusion that follows; the recovery does not ask before."""
    operation = _held(operation_id)
    proposal = operation.outcome_detail.get(what)
    if not proposal:
        raise NothingProposed(f"nobody has proposed this: {what.replace('_', ' ')}")
    if proposal["by"] == actor.id:
        raise SamePerson("a second person must decide it")
    operations.release(operation, at + timedelta(seconds=CONCLUDES_WITHIN_SECONDS))
    action = f"operation.{what.removesuffix('_proposed')}"
    audit.record(actor=actor, action=action, subject=operation, reason=reason, at=at)
    return operation


def _held(operation_id: UUID) -> ProviderOperation:
    operation = locks.operation(operation_id)
    if not operation.is_held:
        raise NotHeld(f"operation {operation.public_id} does not wait for a person")
    return operation
