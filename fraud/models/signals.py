"""Signal: fraud's own memory of one attempt, by opaque keys; velocity is counted over these rows.

One row per payment, written by the screening statement itself (`engine/velocity.py`), so that declined and
abandoned attempts count as well. The outcome comes later, as news. Holds no name, number or address.
"""

from django.db import models
from django.db.models.functions import Now

from fraud.states import Outcome
from ledger.ids import uuid7


class Signal(models.Model):
    """One attempt to pay. Keys are HMACs (`engine/features.py`); null means the merchant did not tell."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    payment_ref = models.CharField(max_length=40)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    customer_key = models.CharField(max_length=32, null=True)
    method_key = models.CharField(max_length=32, null=True)
    ip_key = models.CharField(max_length=32, null=True)
    country = models.CharField(max_length=2, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, default=Outcome.ASKED)
    outcome_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "fraud_signal"
        constraints = [
            models.UniqueConstraint(fields=["merchant", "payment_ref"], name="fraud_signal_one_per_payment"),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gte=0), name="fraud_signal_amount_not_negative"
            ),
        ]
        indexes = [
            models.Index(
                fields=["merchant", f"{dimension}_key", "occurred_at"],
                name=f"fraud_signal_by_{dimension}",
                condition=models.Q(**{f"{dimension}_key__isnull": False}),
            )
            for dimension in ("customer", "method", "ip")
        ]

    def __str__(self) -> str:
        return f"attempt {self.payment_ref}"
