"""Event: a fact about one subject, in a sequence without gaps, signed and chained per subject; append
only."""

from django.db import models
from django.db.models.functions import Now

from ledger.ids import uuid7


class Event(models.Model):
    """What happened to a subject: its edge, its payload, its cause, who did it, and the money it moved."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    merchant_id = models.UUIDField()
    subject_type = models.CharField(max_length=40)
    subject_id = models.UUIDField()
    sequence = models.PositiveIntegerField()
    type = models.CharField(max_length=60)
    from_state = models.CharField(max_length=32, blank=True)
    to_state = models.CharField(max_length=32)
    payload = models.JSONField()
    # What the step changed of the subject's row (ledger.changes); null in events older than the column.
    changes = models.JSONField(null=True, blank=True)
    cause_type = models.CharField(max_length=40, blank=True)
    cause_id = models.CharField(max_length=64, blank=True)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=80)
    entry_id = models.UUIDField(null=True, blank=True)
    request_id = models.CharField(max_length=80, blank=True)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    previous_hash = models.BinaryField()
    hash = models.BinaryField()
    key_id = models.CharField(max_length=40)

    class Meta:
        db_table = "ledger_event"
        constraints = [
            models.UniqueConstraint(
                fields=["subject_id", "sequence", "subject_type", "merchant_id"],
                name="ledger_event_one_per_sequence",
            ),
        ]
        indexes = [models.Index(fields=["merchant_id", "id"], name="ledger_event_by_merchant")]

    def __str__(self) -> str:
        return f"{self.type} {self.sequence}"
