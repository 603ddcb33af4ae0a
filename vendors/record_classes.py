"""What the floor of vendors keeps, and how long."""

from datetime import datetime

from django.db.models import QuerySet

from ledger.retention import Disposal, RecordClass, register
from vendors.models import IdempotencyKey
from vendors.services.idempotency import KEPT_FOR


def _answered(before: datetime) -> QuerySet[IdempotencyKey]:
    # Both have no `locked_by`: a finished row, and one that was given back.
    return IdempotencyKey.objects.filter(expires_at__lte=before + KEPT_FOR, locked_by__isnull=True)


IDEMPOTENCY_KEYS = register(
    RecordClass(
        name="idempotency_keys",
        title="answers kept for repeated requests",
        disposal=Disposal.ERASE,
        rows=_answered,
        moment="occurred_at",
        subjects=("effect_id",),
        days=KEPT_FOR.days,
        days_min=KEPT_FOR.days,
        legal_basis="the promise of the API: a request may be repeated for 30 days",
    )
)
