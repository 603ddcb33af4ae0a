"""Job: work to be done, as a row. The broker carries only its id; losing or repeating that message is
harmless."""

from django.db import models
from django.db.models.functions import Now

from ledger.ids import uuid7


class Job(models.Model):
    """One piece of work, at most one per kind and reference; open until finished or dead."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    kind = models.CharField(max_length=60)
    reference = models.CharField(max_length=120)
    queue = models.CharField(max_length=24)
    run_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)
    dead_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "ledger_job"
        constraints = [models.UniqueConstraint(fields=["kind", "reference"], name="ledger_job_once")]
        indexes = [
            models.Index(
                fields=["run_at"],
                condition=models.Q(finished_at=None, dead_at=None),
                name="ledger_job_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"
