"""What a merchant does with a method that is there: make it the default, judge it, remove it."""

from datetime import datetime
from typing import Final
from uuid import UUID

from ledger import audit
from ledger.actors import Actor
from ledger.errors import Conflict
from ledger.locks import phased
from ledger.recording import Condition, no_answer, record, unconditional
from ledger.states import StateConflict
from payments import method_locks as locks
from payments import method_selectors, news, states
from payments.models import PaymentMethod, ProviderToken
from payments.models.methods import Verification
from payments.models.payment_choices import MethodType
from payments.services.calls.operations import Answer
from payments.services.methods.adding_methods import unmake_default
from payments.vault import tokens

# Of these a provider or the bank can be asked, so nobody's word is taken instead.
PROVEN_BY_PROVIDER: Final = frozenset({MethodType.CARD, MethodType.DIGITAL_WALLET})
FAILED_BY_MERCHANT: Final = "failed_by_merchant"


class VerificationNeedsProvider(Conflict):
    """Only the customer's bank can say whether a card is good."""

    code = "verification_needs_provider"
    advice = "Start a verification with status pending."


@phased
def set_default(
    *, merchant_id: UUID, method_id: UUID, actor: Actor, at: datetime, condition: Condition = unconditional,
    answer: Answer = no_answer,
) -> PaymentMethod:  # fmt: skip
    """Make a method its customer's default; the one before gives way in the same transaction.

    :raises PaymentMethodNotFound: no such method. :raises StateConflict: it was removed, or has failed.
    """
    customer_ref = method_selectors.method(merchant_id, method_id).customer_ref
    locks.customer(merchant_id, customer_ref)
    method = locks.method(merchant_id, method_id)
    condition(method)
    if method.is_default:
        answer(method)
        return method
    standing = method_selectors.of_customer(merchant_id, customer_ref).filter(is_default=True).first()
    if standing is not None:
        unmake_default(merchant_id, standing.pk, actor, at)
    with record(method, actor=actor, at=at) as entry:
        method.make_default()
        entry.announce(news.of_method(method))
    answer(method)
    return method


@phased
def remove(
    *, merchant_id: UUID, method_id: UUID, reason: str, actor: Actor, at: datetime,
    condition: Condition = unconditional, answer: Answer = no_answer,
) -> PaymentMethod:  # fmt: skip
    """Remove a method: what opens it is erased, what may be shown stays; the newest other is the default.

    Removing it again changes nothing.

    :raises PaymentMethodNotFound: no such method.
    """
    customer_ref = method_selectors.method(merchant_id, method_id).customer_ref
    locks.customer(merchant_id, customer_ref)
    method = locks.method(merchant_id, method_id)
    condition(method)
    if method.state == states.REMOVED:
        answer(method)
        return method
    was_default = method.is_default
    if method.vault_token:
        tokens.erase(method.vault_token, merchant_id, actor=actor, at=at, reason=reason)
    ProviderToken.objects.filter(method=method).delete()
    with record(method, actor=actor, at=at) as entry:
        method.remove(reason, at)
        entry.announce(news.of_method(method))
    if was_default:
        _promote(merchant_id, customer_ref, method_id, actor, at)
    answer(method)
    return method


@phased
def judge(
    *, merchant_id: UUID, method_id: UUID, is_good: bool, reason: str, actor: Actor, at: datetime,
    condition: Condition = unconditional, answer: Answer = no_answer,
) -> PaymentMethod:  # fmt: skip
    """Note the outcome of the merchant's own checks (KYC); kept in the audit log with the reason.

    :raises PaymentMethodNotFound: no such method. :raises StateConflict: its status does not allow it.
    :raises VerificationNeedsProvider: only a provider can say that a card is good.
    """
    method = locks.method(merchant_id, method_id)
    condition(method)
    if is_good and method.kind in PROVEN_BY_PROVIDER:
        raise VerificationNeedsProvider(f"a {method.kind} is verified by its bank", param="status")
    if is_good and method.state == states.PENDING and method.verification == Verification.MICRO_DEPOSITS:
        raise StateConflict("two deposits are under way: tell their amounts", param="amounts")
    with record(method, actor=actor, at=at) as entry:
        if is_good:
            method.verify(at, Verification.MERCHANT, reason)
        else:
            method.fail(Verification.MERCHANT, FAILED_BY_MERCHANT, reason)
        entry.announce(news.of_method(method))
    audit.record(actor=actor, action="payment_method.judged", subject=method, reason=reason, at=at)
    answer(method)
    return method


def _promote(merchant_id: UUID, customer_ref: str, gone: UUID, actor: Actor, at: datetime) -> None:
    successor = method_selectors.next_default(merchant_id, customer_ref, gone)
    if successor is None:
        return
    method = locks.method(merchant_id, successor)
    with record(method, actor=actor, at=at) as entry:
        method.make_default()
        entry.announce(news.of_method(method))
