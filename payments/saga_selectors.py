"""Every read query about sagas. Each takes the merchant whose rows it may show; staff pass `ALL`."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from payments.models import PaymentTransaction, Saga, SagaStep
from payments.models.sagas import Direction, SagaNotFound
from payments.selectors import Whose


def sagas(merchant_id: Whose) -> QuerySet[Saga]:
    """Return a merchant's sagas with payment, its shares and steps, unordered."""
    shares = PaymentTransaction.objects.order_by("position")
    rows: Any = Saga.objects.select_related("payment")  # Any: as in `selectors.payments`
    found: QuerySet[Saga] = rows.prefetch_related(
        Prefetch("payment__shares", shares, to_attr="share_rows"), Prefetch("steps", to_attr="step_rows")
    )
    return found.filter(merchant_id=merchant_id) if isinstance(merchant_id, UUID) else found


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
