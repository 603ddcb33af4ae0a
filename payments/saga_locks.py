"""Locks of sagas: the saga comes before its payment in the order of the house, its steps right after it."""

from uuid import UUID

from ledger import locks
from payments.models import Saga, SagaStep
from payments.models.sagas import SagaNotFound
from payments.saga_selectors import in_order


def saga(saga_id: UUID) -> Saga:
    """Lock and return a saga with its steps as `step_rows`, all locked.

    :raises SagaNotFound: there is none.
    """
    found = locks.lock_one(Saga.objects.filter(pk=saga_id), missing=SagaNotFound)
    found.step_rows = in_order(locks.lock(SagaStep.objects.filter(saga=found)))
    return found
