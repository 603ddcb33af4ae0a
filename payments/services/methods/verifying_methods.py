"""Verify a payment method: an authorization of nothing (cards), or two small deposits (bank accounts).

Both are provider operations like any other: claim, call, conclude; what is not known is asked about by the
recovery. The amounts of deposits are random, stand only in the operations, and may be guessed a few times.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID, uuid5

from django.conf import settings

from ledger.actors import Actor
from ledger.errors import Conflict, Invalid
from ledger.locks import phased
from ledger.money import Money
from ledger.recording import Condition, no_answer, record, unconditional
from ledger.states import StateConflict
from payments import method_locks as locks
from payments import method_selectors, news, posting_rules, states
from payments.models import PaymentMethod, ProviderOperation
from payments.models.methods import Verification
from payments.models.operations import Kind, OutcomeKind
from payments.models.payment_choices import MethodType
from payments.providers import registry
from payments.providers.base import Capability
from payments.providers.errors import ProviderUnavailable
from payments.providers.outcomes import Approved, Declined, Outcome, Rejected
from payments.services.calls import contradicting, operations, performing
from payments.services.calls.operations import Answer, Intent
from payments.services.routes import method_tokens
from payments.services.routes.method_tokens import MethodNotPayable
from payments.services.routes.routing import NoProvider

DEPOSITS: Final = 2
DEPOSIT_MINOR_MAX: Final = 99
CURRENCY_OF: Final = {MethodType.ACH: "USD", MethodType.SEPA: "EUR", MethodType.BANK_TRANSFER: "EUR"}
ZERO_CURRENCY: Final = "USD"  # nothing is reserved: the currency only fills the field
AMOUNTS_MISMATCH: Final = "amounts_mismatch"


class NotVerifiable(Invalid):
    """This kind of method is not verified in this way."""

    code = "verification_not_possible"
    advice = "Check it yourself and tell the outcome with a reason."


class DepositsUnderWay(Conflict):
    """The deposits have not both arrived yet."""

    code = "deposits_under_way"
    advice = "Ask again later; the bank needs time."
    retryable = True


class AmountsWrong(Invalid):
    """The amounts are not those that were deposited; after a few guesses the verification fails."""

    code = "deposit_amounts_wrong"
    advice = "Look at the account's statement and tell both amounts."


def ask_bank(
    *, merchant_id: UUID, method_id: UUID, operation_id: UUID, actor: Actor, at: datetime,
    condition: Condition = unconditional, answer: Answer = no_answer,
) -> PaymentMethod:  # fmt: skip
    """Ask the customer's bank whether a method is good, reserving nothing: verified, failed, or pending.

    :raises PaymentMethodNotFound: no such method. :raises StateConflict: it is pending or verified already.
    :raises MethodNotPayable: :raises NoProvider: :raises NotVerifiable: no provider can be asked.
    :raises MethodRefused: the provider does not take it. :raises ProviderUnavailable: it does not answer.
    """
    method = method_selectors.method(merchant_id, method_id)
    if ProviderOperation.objects.filter(merchant_id=merchant_id, pk=operation_id).exists():
        token, provider = "", ""  # asked before: the operation is found again
    else:
        condition(method)  # before a provider is told of it; what decides is asked under the lock
        _check_startable(method)
        provider = method_tokens.provider_of(method)
        if Capability.VERIFY not in registry.provider(provider).capabilities:
            raise NotVerifiable(f"{provider} verifies no methods", param="verification")
        token = method_tokens.token_of(method, provider, actor=actor, at=at)
    result: PaymentMethod = performing.perform(
        partial(_claim_zero, merchant_id, method_id, operation_id, provider, token, actor, at, condition),
        merchant_id=merchant_id,
        operation_id=operation_id,
        actor=actor,
        at=at,
        answer=answer,
    )
    return result


def ask_bank_if_possible(
    *, merchant_id: UUID, method_id: UUID, operation_id: UUID, actor: Actor, at: datetime,
    answer: Answer = no_answer, may_ask: bool = True,
) -> PaymentMethod:  # fmt: skip
    """Ask the customer's bank about a method that was just added; when nobody can be asked now, or it may not
    be asked again so soon, leave it so.

    The method is there either way: its status says what came of it.
    """
    if not may_ask:
        return _answer_as_is(merchant_id, method_id, answer)
    try:
        return ask_bank(
            merchant_id=merchant_id, method_id=method_id, operation_id=operation_id, actor=actor, at=at,
            answer=answer,
        )  # fmt: skip
    except (NotVerifiable, NoProvider, ProviderUnavailable, MethodNotPayable, StateConflict):
        return _answer_as_is(merchant_id, method_id, answer)


def deposit(
    *, merchant_id: UUID, method_id: UUID, effect_id: UUID, actor: Actor, at: datetime,
    condition: Condition = unconditional, answer: Answer = no_answer,
) -> PaymentMethod:  # fmt: skip
    """Send two small amounts to a customer's account, to be told to us from its statement.

    :raises PaymentMethodNotFound: no such method. :raises StateConflict: it is pending or verified already.
    :raises NotVerifiable: it is no bank account of ours to send to. :raises NoProvider: no provider can send.
    """
    method = method_selectors.method(merchant_id, method_id)
    operation_ids = [uuid5(effect_id, f"deposit:{number}") for number in range(1, DEPOSITS + 1)]
    is_first_run = not ProviderOperation.objects.filter(merchant_id=merchant_id, pk=operation_ids[0]).exists()
    if is_first_run:
        condition(method)
        _check_startable(method)
        _claim_deposits(merchant_id, method_id, operation_ids, actor, at, condition)
    for operation_id in operation_ids:
        operation = ProviderOperation.objects.get(merchant_id=merchant_id, pk=operation_id)
        if is_first_run:
            performing.carry_out(operation, actor=actor, at=at)
        else:
            performing.resume(operation, actor=actor, at=at)
    return _answer_as_is(merchant_id, method_id, answer)


def tell_amounts(
    *, merchant_id: UUID, method_id: UUID, amounts: Sequence[int], actor: Actor, at: datetime,
    condition: Condition = unconditional, answer: Answer = no_answer,
) -> PaymentMethod:  # fmt: skip
    """Verify a method by the amounts (minor units, in any order) that the customer saw arrive.

    :raises PaymentMethodNotFound: no such method. :raises StateConflict: no deposits are waited for.
    :raises DepositsUnderWay: they did not both arrive yet. :raises AmountsWrong: these are not the amounts.
    """
    method, is_right = _compare(merchant_id, method_id, sorted(amounts), actor, at, condition, answer)
    if not is_right:
        left = settings.METHOD_AMOUNT_TRIES - method.verification_tries
        raise AmountsWrong(f"these are not the amounts; {left} tries are left", param="amounts")
    return method


# --- phases -----------------------------------------------------------------------------------------------
@phased
def _claim_zero(
    merchant_id: UUID, method_id: UUID, operation_id: UUID, provider: str, token: str, actor: Actor,
    at: datetime, condition: Condition,
) -> ProviderOperation:  # fmt: skip
    method = locks.method(merchant_id, method_id)
    condition(method)
    with record(method, actor=actor, at=at, cause=operations.cause_of(operation_id)) as entry:
        method.start_verification(Verification.ZERO_AMOUNT)
        entry.announce(news.of_method(method))
    return operations.claim(
        Intent(
            operation_id=operation_id,
            merchant_id=merchant_id,
            kind=Kind.VERIFY,
            subject_type=PaymentMethod.SUBJECT,
            subject_id=method_id,
            leg=f"verify:{method.verification_count}",
            provider=provider,
            amount=Money.zero(ZERO_CURRENCY),
            request={"token": token, "reference": method.public_id},
        ),
        actor=actor,
        at=at,
    )


@phased
def _claim_deposits(
    merchant_id: UUID, method_id: UUID, operation_ids: list[UUID], actor: Actor, at: datetime,
    condition: Condition,
) -> None:  # fmt: skip
    method = locks.method(merchant_id, method_id)
    condition(method)
    currency = CURRENCY_OF.get(MethodType(method.kind))
    if currency is None or not method.vault_token:
        raise NotVerifiable(f"no deposits are made to a {method.kind}", param="verification")
    able = registry.able(Capability.TRANSFER)
    if not able:
        raise NoProvider("no provider sends money to accounts", param="verification")
    provider = settings.PAYOUT_PROVIDER if settings.PAYOUT_PROVIDER in able else able[0]
    with record(method, actor=actor, at=at, cause=operations.cause_of(operation_ids[0])) as entry:
        method.start_verification(Verification.MICRO_DEPOSITS)
        entry.announce(news.of_method(method))
    for number, operation_id in enumerate(operation_ids, 1):
        operations.claim(
            Intent(
                operation_id=operation_id,
                merchant_id=merchant_id,
                kind=Kind.DEPOSIT,
                subject_type=PaymentMethod.SUBJECT,
                subject_id=method_id,
                leg=f"deposit:{method.verification_count}:{number}",
                provider=provider,
                amount=Money(1 + secrets.randbelow(DEPOSIT_MINOR_MAX), currency),
                request={"vault_token": method.vault_token, "country": method.country},
            ),
            actor=actor,
            at=at,
        )


@operations.concludes(Kind.VERIFY)
@phased
def conclude(
    *, operation_id: UUID, outcome: Outcome, actor: Actor, at: datetime, answer: Answer = no_answer
) -> PaymentMethod:
    """End a verification with what the bank says, from whoever learns it first; return the method."""
    method, operation = locks.method_of(operation_id)
    if operation.is_awaited:
        outcome = operations.checked(operation, outcome)
        match outcome:
            case Approved() | Declined() | Rejected():
                _judge(method, operation, outcome, actor, at)
                operations.close(operation, outcome, at)
            case _:
                operations.note(operation, outcome, at)
    else:
        contradicting.note(operation, outcome, actor=actor, at=at)
    answer(method)
    return method


@operations.concludes(Kind.DEPOSIT)
@phased
def conclude_deposit(
    *, operation_id: UUID, outcome: Outcome, actor: Actor, at: datetime, answer: Answer = no_answer
) -> PaymentMethod:
    """End a small deposit: booked when it was made; when it cannot be made, the account is not good."""
    method, operation = locks.method_of(operation_id)
    if operation.is_awaited:
        outcome = operations.checked(operation, outcome)
        match outcome:
            case Approved():
                legs = posting_rules.deposited(method, operation.provider, operation.amount)
                with record(method, actor=actor, at=at, cause=operations.cause(operation)) as entry:
                    method.note_deposit()
                    entry.post(legs, step=operation.leg, kind="deposit")
                    entry.announce(news.of_method(method))
                operations.close(operation, outcome, at)
            case Declined() | Rejected():
                _judge(method, operation, outcome, actor, at)
                operations.close(operation, outcome, at)
            case _:
                operations.note(operation, outcome, at)
    else:
        contradicting.note(operation, outcome, actor=actor, at=at)
    answer(method)
    return method


@phased
def _compare(
    merchant_id: UUID, method_id: UUID, told: list[int], actor: Actor, at: datetime, condition: Condition,
    answer: Answer,
) -> tuple[PaymentMethod, bool]:  # fmt: skip
    """Compare what is told with what was deposited. A wrong guess is counted, so it must commit: no raise."""
    method = locks.method(merchant_id, method_id)
    condition(method)
    if method.state != states.PENDING or method.verification != Verification.MICRO_DEPOSITS:
        raise StateConflict("no deposits are waited for", param="amounts", state=method.state)
    made = method_selectors.deposits(method)
    if not all(operation.outcome == OutcomeKind.APPROVED for operation in made):
        raise DepositsUnderWay("the deposits have not both arrived", param="amounts")
    is_right = told == sorted(operation.amount_minor for operation in made)
    with record(method, actor=actor, at=at) as entry:
        if is_right:
            method.verify(at, Verification.MICRO_DEPOSITS)
        elif method.verification_tries + 1 >= settings.METHOD_AMOUNT_TRIES:
            method.verification_tries += 1
            method.fail(Verification.MICRO_DEPOSITS, AMOUNTS_MISMATCH, "the amounts were not known")
        else:
            method.miss_amounts()
        entry.announce(news.of_method(method))
    if is_right:
        answer(method)
    return method, is_right


@phased
def _answer_as_is(merchant_id: UUID, method_id: UUID, answer: Answer) -> PaymentMethod:
    method = locks.method(merchant_id, method_id)
    answer(method)
    return method


# --- steps inside a phase ---------------------------------------------------------------------------------
def _check_startable(method: PaymentMethod) -> None:
    if method.state not in (states.UNVERIFIED, states.FAILED):
        raise StateConflict(f"a method that is {method.state} is not verified again", param="status")


def _judge(
    method: PaymentMethod, operation: ProviderOperation, outcome: Approved | Declined | Rejected,
    actor: Actor, at: datetime,
) -> None:  # fmt: skip
    """Let a method end its verification; one that was removed or judged meanwhile stays as it is."""
    if method.state != states.PENDING:
        return
    with record(method, actor=actor, at=at, cause=operations.cause(operation)) as entry:
        if isinstance(outcome, Approved):
            method.brand = method.brand or outcome.details.get("brand", "")[:32]
            method.last4 = method.last4 or outcome.details.get("last4", "")[:4]
            method.verify(at, method.verification)
        else:
            method.fail(method.verification, outcome.code, outcome.message)
        entry.announce(news.of_method(method))
