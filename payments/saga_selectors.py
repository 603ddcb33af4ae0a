"""Every read query about sagas. Each takes the merchant whose rows it may show; staff pass `ALL`."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from payments.models import PaymentTransaction, Saga, SagaStep
from payments.models.sagas import Direction, SagaNotFound
from payments.selectors import ALL, Whose


def sagas(merchant_id: Whose) -> QuerySet[Saga]:
    """Return a merchant's sagas with payment, its shares and steps, unordered."""
    shares = Prefetch(
        "payment__shares", PaymentTransaction.objects.order_by("position"), to_attr="share_rows"
    )
    steps = Prefetch("steps", SagaStep.objects.order_by("-direction", "position"), to_attr="step_rows")
    rows = Saga.objects.select_related("payment").prefetch_related(shares, steps)
    return rows if merchant_id is ALL else rows.filter(merchant_id=merchant_id)


def saga(merchant_id: Whose, saga_id: UUID) -> Saga:
    """Return one saga.

    :raises SagaNotFound: the merchant has none with this id.
    """
    found = sagas(merchant_id).filter(pk=saga_id).first()
    if found is None:
        raise SagaNotFound("there is no such marketplace payment")
    return found


def in_order(steps: Iterable[SagaStep]) -> list[SagaStep]:
    """Return steps in the order in which they run: forward ones by position, then back ones from the last."""
    forward, back = forward_of(steps), back_of(steps)
    return [*forward, *back]


def forward_of(steps: Iterable[SagaStep]) -> list[SagaStep]:
    """Return the steps that do, in their order."""
    return sorted(
        (step for step in steps if step.direction == Direction.FORWARD), key=lambda step: step.position
    )


def back_of(steps: Iterable[SagaStep]) -> list[SagaStep]:
    """Return the steps that undo, in theirs: from the last to the first."""
    return sorted(
        (step for step in steps if step.direction == Direction.BACK), key=lambda step: -step.position
    )
