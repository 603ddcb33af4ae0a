"""Try an authorization at another provider, where it is certain that the first took nothing.

1. Only the first word on the first try counts: nothing was sent (`NotSent`), or a soft decline that another
   provider might not give (the axis *now* of `declines.py`). Never after unknown, pending or a challenge, and
   only while the customer waits: the recovery never goes elsewhere, a repeated request does.
2. Outside transactions the next candidate is found and given the customer's method (the vault, a token).
3. One phase ends the first try, moves the payment to its next provider and claims the next try with a key
   of its own: so a crash anywhere leaves exactly one try open, which the recovery sees through.
4. Until his time is over (`ask_at`, set anew when he goes elsewhere) the try is in its caller's hand: a
   callback of the refusal tells him nothing new and waits (`is_left_to_caller`).
5. If the first provider says yes after all, that is a contradiction, and what it reserved is given back.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import uuid5

from ledger import clock
from ledger.actors import SYSTEM, Actor
from ledger.crashpoints import crashpoint, register
from ledger.errors import DomainError
from ledger.locks import before_commit, phased
from ledger.recording import record
from payments import locks, method_selectors, news, routing_selectors, selectors, states
from payments.models import Payment, PaymentMethod, ProviderOperation
from payments.models.operations import Kind
from payments.providers.declines import DECLINES, RetryNow
from payments.providers.outcomes import ADVICE_CODE, Declined, NotSent, Outcome
from payments.services.calls import authorization_claims, limiting_retries, operations, provider_requests
from payments.services.calls.claim_refusals import PaymentMethodRemoved
from payments.services.calls.limiting_retries import RetryLimitReached
from payments.services.routes import choosing, method_tokens, routing
from payments.services.routes.routing import Decision, NoProvider
from vendors.models.merchants import MerchantInactive

NOW_SECONDS: Final = 60  # a customer who waited longer is gone
_ELSEWHERE: Final = (RetryNow.OTHER, RetryNow.ANY)

register("failover.after_keep", "failover.before_commit", "failover.after_claim", "failover.after_call")


@dataclass(frozen=True, slots=True)
class _Next:
    """Where the next try goes, and what its provider calls the customer's method."""

    decision: Decision
    token: str
    attempt: int


def follow(
    operation: ProviderOperation, outcome: Outcome, *, actor: Actor, at: datetime
) -> tuple[ProviderOperation, Outcome]:
    """Go on elsewhere as long as that is right; return the last try and its outcome, not yet concluded.

    At `at` it was claimed and just called, or asked about for a request that is repeated.
    """
    started = clock.monotonic()
    while _is_for_another(operation, outcome):
        later = at + timedelta(seconds=clock.monotonic() - started)
        step = _next(operation, later)
        try:
            claimed = step and _move(operation, outcome, step, actor, later)
        except (RetryLimitReached, MerchantInactive, PaymentMethodRemoved):
            break  # the card may not be tried anywhere now, or nothing for this merchant
        if not claimed:
            break
        crashpoint("failover.after_claim")
        operation, outcome = claimed, operations.call(claimed)
        crashpoint("failover.after_call")
    return operation, outcome


def newest(operation: ProviderOperation) -> ProviderOperation:
    """Return the try that took an authorization's place, or itself."""
    if operation.kind != Kind.AUTHORIZE or operation.is_open or operation.has_succeeded:
        return operation
    return routing_selectors.last_authorization(operation.payment_id) or operation


def is_left_to_caller(operation: ProviderOperation, outcome: Outcome, at: datetime) -> bool:
    """Say whether a refusal that is told of an operation waits for its caller, who may ask another provider.

    He has the same outcome, or will have it; what he does not conclude before his time is over ends here.
    """
    if not isinstance(outcome, Declined) or not _is_first_word(operation) or not operation.is_awaited:
        return False
    if operation.ask_at is None or operation.ask_at <= at:
        return False
    payment = selectors.bare_payment(operation.merchant_id, operation.subject_id)
    return payment.state == states.CREATED and payment.stored_method_id is not None


def _is_first_word(operation: ProviderOperation) -> bool:
    return operation.kind == Kind.AUTHORIZE and operation.tries == 1 and not operation.outcome


def _is_for_another(operation: ProviderOperation, outcome: Outcome) -> bool:
    if not _is_first_word(operation):
        return False
    match outcome:
        case NotSent():
            return True
        case Declined(code=code, is_hard=False):
            is_advised = bool(outcome.details.get(ADVICE_CODE))  # the issuer says when, and it is not now
            return code in DECLINES and DECLINES[code].retry_now in _ELSEWHERE and not is_advised
    return False


def _next(operation: ProviderOperation, at: datetime) -> _Next | None:
    """Return where the next try goes; None when it cannot go anywhere."""
    payment = selectors.bare_payment(operation.merchant_id, operation.subject_id)
    tries = routing_selectors.authorizations(payment.pk)
    is_over = payment.state != states.CREATED or at > tries[0].created_at + timedelta(seconds=NOW_SECONDS)
    if is_over or payment.stored_method_id is None:
        return None  # what the customer's browser got is a token of one provider
    method = method_selectors.method(payment.merchant_id, payment.stored_method_id)
    if method.state in (states.REMOVED, states.FAILED) or method.is_expired(at):
        return None
    if not operations.keep(operation, at + timedelta(seconds=provider_requests.seconds_at_most())):
        return None  # somebody concluded it
    crashpoint("failover.after_keep")
    found = _candidate(payment, method, {row.provider for row in tries}, at)
    if found is None or len(tries) >= found[0].attempts_max:
        return None
    return _Next(*found, attempt=len(tries) + 1)


def _candidate(
    payment: Payment, method: PaymentMethod, tried: set[str], at: datetime
) -> tuple[Decision, str] | None:
    """Return the best of the others that answers and takes the method, with its token."""
    known = method_tokens.tokens_at(method)
    while True:
        try:
            decision = routing.decide(choosing.asked_of(payment, method, known), without=tried)
        except NoProvider:
            return None
        if "down" in decision.log["candidates"][0]:
            return None
        try:
            found = method_tokens.resolve(method, decision.provider, known, actor=SYSTEM, at=at)
        except DomainError:
            tried = tried | {decision.provider}  # it cannot be given the method now
            continue
        return decision, found.token


@phased
def _move(
    operation: ProviderOperation, outcome: Outcome, step: _Next, actor: Actor, at: datetime
) -> ProviderOperation | None:
    """End a try, move the payment and claim the next try; None when somebody was quicker."""
    payment, ended = locks.payment_with_operation(operation.pk)
    if not _is_for_another(ended, outcome) or not ended.is_awaited:
        return None
    if payment.state != states.CREATED or payment.is_voiding:
        return None
    if not isinstance(outcome, Declined | NotSent):
        return None
    operations.close(ended, outcome, at)
    if isinstance(outcome, Declined):
        limiting_retries.note(payment, ended, outcome, at)
    cause, left = operations.cause(ended), payment.provider
    with record(payment, actor=actor, cause=cause, at=at) as entry:
        payment.reroute(step.decision.provider, step.token)
        entry.announce(news.of_payment(payment, left_provider=left, left_because=_because(outcome)))
    payment.route_log = {
        **step.decision.log,
        "attempt": step.attempt,
        "after": {"operation": ended.public_id, "provider": left, "because": _because(outcome)},
    }
    before_commit(partial(crashpoint, "failover.before_commit"))
    return authorization_claims.claim(
        payment,
        uuid5(ended.pk, "next"),
        actor,
        at,
        at_once=bool(ended.request.get("capture")) or payment.is_confirmed,
    )


def _because(outcome: Outcome) -> str:
    if isinstance(outcome, NotSent):
        return f"not sent: {outcome.reason}"
    return f"declined: {outcome.code}" if isinstance(outcome, Declined) else ""
