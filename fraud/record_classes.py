"""What the fraud floor keeps, and how long."""

from datetime import datetime

from django.db.models import QuerySet

from fraud.models import Signal
from ledger.retention import Disposal, RecordClass, register


def _past(before: datetime) -> QuerySet[Signal]:
    return Signal.objects.filter(occurred_at__lt=before)


SIGNALS = register(
    RecordClass(
        name="fraud_signals",
        title="fraud's memory of attempts",
        disposal=Disposal.ERASE,
        rows=_past,
        moment="occurred_at",
        subjects=("payment_ref",),
        days_min=30,
        legal_basis="records of transactions under the money laundering directive and its national laws",
    )
)
