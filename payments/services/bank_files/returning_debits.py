"""What a bank's word on an entry means: the money came, it will not come, or it was taken back.

- *Settled*: the operation is approved, and concluded like any other.
- *Returned before it settled*: the operation is declined, so the payment fails (or the refund does), and the
  bank's fee is charged to the books of the file: nothing of the payment moved.
- *A refund's credit returned after it settled*: the refund failed late, and the money is with us again, less
  what the banks on the way kept: that is a fee of the return, like the bank's own.
- *A debit returned after it settled*: the money is taken back as a dispute that is lost from the beginning,
  by the movement of the bank (`disputing.follow`). Why: the payment is captured and may be completed,
  refunded in part, or paid out; shares, commission, debts and fees of money that a provider takes back by
  itself are just what disputes book, and the settlement report names such a movement by its reference.
  Refused: failing the capture late (a capture that was posted is a fact), a refund of our own (nobody here
  gave money back).
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from ledger import audit
from ledger.actors import SYSTEM, Actor, provider_actor
from ledger.events import Cause
from ledger.locks import phased
from ledger.money import Money
from ledger.recording import record
from payments import bank_locks, locks, news, posting_rules, selectors
from payments.models import BankFileEntry, BankWord, ProviderOperation
from payments.models.operations import Kind
from payments.providers import registry
from payments.providers.bank_files import BankRail, WordKind
from payments.providers.notices import (
    DisputeMovement,
    DisputeNotice,
    DisputeStage,
    DisputeStanding,
    MovementKind,
)
from payments.providers.outcomes import Approved, Declined, Taken
from payments.providers.rails import names
from payments.providers.requests import capture_key
from payments.rules import dispute_reasons
from payments.services.calls import keeping_told, operations
from payments.services.disputes import disputing

VERSION: Final = 1  # a return is told once, and whole


def apply(entry: BankFileEntry, word: BankWord, at: datetime) -> None:
    """Let a word about an entry have its effect; applied again it finds it.

    :raises DisputeUnreadable: what came back does not fit its payment.
    """
    actor = provider_actor(entry.file.rail)
    match WordKind(word.kind):
        case WordKind.SETTLED:
            _settle(entry, word, actor, at)
        case WordKind.CHANGED:
            _tell_of_change(entry, word, at)
        case WordKind.RETURNED:
            _return(entry, word, actor, at)


def _settle(entry: BankFileEntry, word: BankWord, actor: Actor, at: datetime) -> None:
    operation = entry.operation
    amount = Money(
        operation.amount_minor if word.amount_minor is None else word.amount_minor, operation.currency
    )
    zero, key = Money.zero(operation.currency), operation.idempotency_key
    taken = Taken(capture_key(key), amount, zero) if operation.kind == Kind.AUTHORIZE else None
    operations.conclude(operation, Approved(key, amount, zero, taken=taken), actor=actor, at=at)


def _return(entry: BankFileEntry, word: BankWord, actor: Actor, at: datetime) -> None:
    rail = registry.rail(entry.file.rail)
    operation = ProviderOperation.objects.get(pk=entry.operation_id)
    if operation.has_succeeded and operation.kind != Kind.REFUND:
        _take_back(rail, operation, word, actor, at)
        return
    canonical, says = rail.decline_of(word.code)
    # What the scheme's code says of the account is hard; a lack of funds may pass.
    is_hard = canonical not in ("insufficient_funds", "do_not_honor")
    declined = Declined(canonical, says, None, is_hard=is_hard, details={"return_code": word.code})
    operations.conclude(operation, declined, actor=actor, at=at)
    fee = rail.return_fee + _kept_on_the_way(operation, word)
    if fee.is_positive:
        _charge(entry.file_id, operation, names.movement(rail.name, word.reference), fee, at)


def _kept_on_the_way(operation: ProviderOperation, word: BankWord) -> Money:
    """Return how much less than was sent a credit came back with: the banks on the way charged it.

    No field of camt.054 tells it reliably, so it is reckoned from our own entry.
    """
    zero = Money.zero(operation.currency)
    if operation.kind != Kind.REFUND or not word.amount_minor:
        return zero  # it never left: nothing was booked
    return max(zero, operation.amount - Money(word.amount_minor, operation.currency))


def _take_back(
    rail: BankRail, operation: ProviderOperation, word: BankWord, actor: Actor, at: datetime
) -> None:
    payment = operation.payment
    if payment is None:
        raise ValueError("a debit belongs to a payment")
    reference = names.movement(rail.name, word.reference)
    movement = DisputeMovement(reference, MovementKind.WITHDRAWAL, operation.amount, rail.return_fee)
    notice = DisputeNotice(
        event_id=reference,
        type="return",
        dispute=reference,
        authorization=selectors.payment(selectors.ALL, payment.pk).provider_reference,
        version=VERSION,
        stage=DisputeStage.CHARGEBACK,
        standing=DisputeStanding.LOST,
        amount=operation.amount,
        movements=(movement,),
        opened_at=at,
        scheme=rail.name,
        reason_code=word.code,
        category=dispute_reasons.category(rail.name, word.code),
    )
    cause = Cause("bank_file", word.notice.reference)
    disputing.follow(rail.name, notice, actor=actor, cause=cause, at=at)


@phased
def _charge(file_id: UUID, operation: ProviderOperation, key: str, fee: Money, at: datetime) -> None:
    """Book the bank's fee of a return, once per the bank's reference of it."""
    file = bank_locks.file(file_id)
    if ProviderOperation.objects.filter(idempotency_key=key).exists():
        return
    actor, step = provider_actor(file.rail), f"fee:{file.fee_count + 1}"
    with record(file, actor=actor, cause=operations.cause(operation), at=at) as entry:
        file.charge()
        entry.post(posting_rules.return_charged(file, fee), step=step, kind="return_fee")
        entry.announce(news.of_bank_file(file, fee_minor=fee.minor, operation_id=operation.public_id))
    keeping_told.keep(
        Kind.RETURN_FEE, file, step, Money.zero(fee.currency), payment_id=operation.payment_id,
        provider=file.rail, key=key, reference=key, actor=actor, at=at, fee=fee,
    )  # fmt: skip


@phased
def _tell_of_change(entry: BankFileEntry, word: BankWord, at: datetime) -> None:
    """A notification of change: the entry went through, and the details should be corrected by a person."""
    operation = locks.operation(entry.operation_id)
    why = f"the bank asks to correct the account's details: {word.code}"
    audit.record(actor=SYSTEM, action="bank_account.change_asked", subject=operation, reason=why, at=at)
