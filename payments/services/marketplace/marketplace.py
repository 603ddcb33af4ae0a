"""Begin a marketplace payment, and what people decide about one: the saga's first phase and its reins.

The buyer's money goes to several sellers and the marketplace, whole or not at all (brief 001, 5.3). The
brief hands money out before it is captured and forgets its steps with the process; here nothing is paid to
anybody before the capture, every step is a row before it acts, and `carrying_sagas` goes on from the rows.
One phase writes the payment (screened), the saga, its steps with their amounts, and the job.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings

from ledger import audit, crashpoints, jobs
from ledger.actors import Actor
from ledger.crashpoints import crashpoint
from ledger.errors import Invalid
from ledger.ids import uuid7_of
from ledger.locks import before_commit, phased
from ledger.money import Money
from ledger.recording import no_answer, record
from ledger.states import StateConflict
from payments import news, saga_locks, states
from payments.models import Payment, Saga, SagaStep
from payments.models.payment_choices import CaptureMethod
from payments.models.sagas import Direction, SagaNotFound, StepName
from payments.rules import share_division
from payments.rules.share_division import Line, SplitInvalid
from payments.saga_selectors import forward_of
from payments.services.calls.operations import Answer
from payments.services.marketplace import saga_steps
from payments.services.payment_wishes import NewPayment
from payments.services.payments import creating
from payments.services.payments.creating import SHARES_MAX, VendorNotActive
from vendors import selectors as vendor_selectors
from vendors.models.vendors import VendorNotFound

JOB: Final = "payments.carry_saga"
CANCELLED: Final = "cancelled by the merchant"

crashpoints.register("saga_begin.before_commit", "saga_begin.after_commit")


class NoSellers(Invalid):
    """A marketplace payment without sellers."""

    code = "sellers_missing"
    advice = "Name at least one seller; a payment without sellers is created at payments/core/."


@dataclass(frozen=True, slots=True)
class Seller:
    """A seller's part as it is asked for: an amount, or a weight."""

    vendor_id: UUID
    line: Line


@dataclass(frozen=True, slots=True)
class NewSaga:
    """A marketplace payment as a merchant wants it.

    `buyer` is the payment (amount, method, customer); the sellers and the fee come to its whole amount.
    """

    saga_id: UUID
    buyer: NewPayment
    sellers: Sequence[Seller]
    fee_minor: int = 0


def begin(
    *, merchant_id: UUID, wanted: NewSaga, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Saga:
    """Write a marketplace payment down, to be carried out by its job; return it.

    :raises NoSellers: :raises SplitTooLarge: :raises SplitInvalid: it cannot be divided.
    :raises VendorNotFound: :raises VendorNotActive: a seller cannot sell now.
    :raises DomainError: what `creating.create` raises.
    """
    parts = _parts(wanted)
    _check_sellers(merchant_id, [seller.vendor_id for seller in wanted.sellers])
    made: list[Saga] = []

    def write(payment: Payment) -> None:
        """Run in the phase that writes the payment, or that finds it written."""
        is_known = Saga.objects.filter(merchant_id=merchant_id, pk=wanted.saga_id).exists()
        saga = saga_locks.saga(wanted.saga_id) if is_known else _written(payment, wanted, parts, actor, at)
        saga.payment = payment
        made.append(saga)
        answer(saga)

    creating.create(
        merchant_id=merchant_id,
        payment_id=payment_id_of(wanted.saga_id),
        wanted=replace(
            wanted.buyer,
            capture_method=CaptureMethod.MANAGED,
            is_confirmed=False,
            shares=(),
        ),
        actor=actor,
        at=at,
        answer=write,
    )
    crashpoint("saga_begin.after_commit")
    return made[-1]


def payment_id_of(saga_id: UUID) -> UUID:
    """Return the id of a saga's payment, of the same moment: its records leave with their month."""
    return uuid7_of(saga_id, Payment.SUBJECT)


@phased
def cancel(
    *, merchant_id: UUID, saga_id: UUID, reason: str, actor: Actor, at: datetime, answer: Answer = no_answer
) -> Saga:
    """Have a marketplace payment undone, as long as the buyer's money is not being captured; return it.

    :raises SagaNotFound: no such one. :raises StateConflict: it is too late.
    """
    saga = _own(merchant_id, saga_id)
    if saga.state not in (states.COMPENSATING, states.FAILED):
        capture = next(step for step in forward_of(saga.step_rows) if step.name == StepName.CAPTURE)
        if saga.state != states.RUNNING or capture.state != states.PLANNED:
            raise StateConflict(
                f"a marketplace payment that is {saga.state} and being captured cannot be cancelled",
                param="status",
                advice="What is captured can be refunded.",
            )
        turn_back(saga, None, reason or CANCELLED, actor, at)
        jobs.bring_forward(JOB, str(saga.pk), at)
    answer(saga)
    return saga


@phased
def resume(*, merchant_id: UUID, saga_id: UUID, reason: str, actor: Actor, at: datetime) -> Saga:
    """Let a blocked marketplace payment be carried on, as a person has decided.

    :raises SagaNotFound: no such one. :raises StateConflict: it is not blocked.
    """
    saga = _own(merchant_id, saga_id)
    is_undone = any(step.direction == Direction.BACK for step in saga.step_rows)
    with record(saga, actor=actor, at=at) as entry:
        saga.go_back() if is_undone else saga.go_on()
        entry.announce(news.of_saga(saga, reason=reason))
    audit.record(actor=actor, action="saga.resume", subject=saga, reason=reason, at=at)
    jobs.schedule(JOB, f"{saga.pk}:{saga.version}", at)
    return saga


def turn_back(saga: Saga, failed: SagaStep | None, reason: str, actor: Actor, at: datetime) -> None:
    """Turn a locked saga round, in the caller's phase: plan the undoing of all that was, or may be, done."""
    ahead = [
        step for step in forward_of(saga.step_rows) if step.state == states.PLANNED and step is not failed
    ]
    begun = [step for step in forward_of(saga.step_rows) if step.state == states.STARTED]
    ending = [failed] if failed is not None else begun
    undoing = [
        SagaStep(
            merchant_id=saga.merchant_id,
            saga=saga,
            position=step.position,
            direction=Direction.BACK,
            name=step.name,
            vendor_id=step.vendor_id,
            amount_minor=step.amount_minor,
        )
        for step in saga.step_rows
        # What was begun and is given up may have happened: it is undone too. What failed did not happen.
        if step.name in saga_steps.UNDOABLE and (step.is_done or (step in begun and step is not failed))
    ]
    with record(saga, *ending, *ahead, *undoing, actor=actor, at=at) as entry:
        saga.turn_back(reason)
        for step in ending:
            step.fail(reason, at)
        for step in ahead:
            step.skip(at)
        for step in undoing:
            step.plan()
        for step in (*ending, *ahead, *undoing):
            entry.announce(news.of_saga_step(step), subject=step)
        entry.announce(news.of_saga(saga, reason=reason))
    saga.step_rows = [*saga.step_rows, *reversed(undoing)]


def _own(merchant_id: UUID, saga_id: UUID) -> Saga:
    saga = saga_locks.saga(saga_id)
    if saga.merchant_id != merchant_id:
        raise SagaNotFound("there is no such marketplace payment")
    return saga


def _parts(wanted: NewSaga) -> list[Money]:
    if not wanted.sellers:
        raise NoSellers("a marketplace payment has sellers", param="sellers")
    ids = [seller.vendor_id for seller in wanted.sellers]
    if len(set(ids)) < len(ids) or len(ids) > SHARES_MAX:
        raise SplitInvalid(f"the sellers are named once each, at most {SHARES_MAX}", param="sellers")
    whole = wanted.buyer.amount
    fee = Money(wanted.fee_minor, whole.currency)
    parts = share_division.divide(whole, [seller.line for seller in wanted.sellers], fee, param="sellers")
    left = whole.minor - fee.minor - sum(part.minor for part in parts)
    if left:
        raise SplitInvalid(
            f"sellers and fee are {Money(left, whole.currency).display()} less than the payment",
            param="sellers",
        )
    return parts


def _check_sellers(merchant_id: UUID, vendor_ids: Sequence[UUID]) -> None:
    found = vendor_selectors.vendors_by_id(merchant_id, vendor_ids)
    for vendor_id in vendor_ids:
        vendor = found.get(vendor_id)
        if vendor is None:
            raise VendorNotFound("the merchant has no such vendor", param="sellers")
        if not vendor.is_active:
            raise VendorNotActive(f"vendor {vendor.public_id} cannot sell now", param="sellers")


def _written(payment: Payment, wanted: NewSaga, parts: Sequence[Money], actor: Actor, at: datetime) -> Saga:
    saga = Saga(
        id=wanted.saga_id,
        merchant_id=payment.merchant_id,
        payment=payment,
        currency=payment.currency,
        amount_minor=payment.amount_minor,
        fee_minor=wanted.fee_minor,
        created_at=at,
        deadline_at=at + timedelta(days=settings.PAYMENT_AUTHORIZATION_DAYS),
    )
    plan: list[tuple[StepName, UUID | None, int]] = [(StepName.AUTHORIZE, None, payment.amount_minor)]
    if wanted.fee_minor:
        plan.append((StepName.HOLD_FEE, None, wanted.fee_minor))
    plan += [
        (StepName.ALLOCATE, seller.vendor_id, part.minor)
        for seller, part in zip(wanted.sellers, parts, strict=True)
    ]
    plan += [(StepName.CAPTURE, None, payment.amount_minor), (StepName.PROVE, None, payment.amount_minor)]
    steps = [
        SagaStep(
            merchant_id=payment.merchant_id,
            saga=saga,
            position=position,
            direction=Direction.FORWARD,
            name=name,
            vendor_id=vendor_id,
            amount_minor=amount_minor,
        )
        for position, (name, vendor_id, amount_minor) in enumerate(plan)
    ]
    with record(saga, *steps, actor=actor, at=at) as entry:
        saga.begin()
        for step in steps:
            step.plan()
            entry.announce(news.of_saga_step(step), subject=step)
        entry.announce(news.of_saga(saga))
    saga.step_rows = steps
    jobs.schedule(JOB, str(saga.pk), at)
    before_commit(lambda: crashpoint("saga_begin.before_commit"))
    return saga
