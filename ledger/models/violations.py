"""InvariantRun and InvariantViolation: when what is always true was checked, and what was not true."""

from django.db import models
from django.db.models import Q

from ledger.ids import uuid7


class InvariantRun(models.Model):
    """One check of the invariants: all of them on everything, or some of them on what changed."""

    class Kind(models.TextChoices):
        """How much is looked at."""

        FULL = "full", "Everything"
        CHANGED = "changed", "What changed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    # Transaction ids: what was written in [from, to) was looked at (row ids do not commit in order).
    transaction_from = models.BigIntegerField()
    transaction_to = models.BigIntegerField()
    checked = models.PositiveSmallIntegerField(default=0)
    broken = models.PositiveSmallIntegerField(default=0)
    duration_ms = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "ledger_invariant_run"
        verbose_name = "run of the invariants"
        verbose_name_plural = "runs of the invariants"
        indexes = [models.Index(fields=["kind", "-started_at"], name="ledger_invariant_run_by_kind")]

    def __str__(self) -> str:
        return f"{self.kind} {self.started_at:%Y-%m-%d %H:%M}"


class InvariantViolation(models.Model):
    """A row that breaks a sentence: since when, seen last when, and when it was seen to be gone."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    number = models.CharField(max_length=8)
    sentence = models.CharField(max_length=200)
    detail = models.TextField()
    fingerprint = models.CharField(max_length=64)  # of number and detail: one row for one trouble
    subject_type = models.CharField(max_length=40, blank=True)
    subject_key = models.CharField(max_length=40, blank=True)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "ledger_invariant_violation"
        verbose_name = "violation"
        constraints = [
            models.UniqueConstraint(
                fields=["fingerprint"], condition=Q(gone_at=None), name="ledger_violation_open_once"
            ),
        ]
        indexes = [models.Index(fields=["number", "-last_seen_at"], name="ledger_violation_by_number")]

    def __str__(self) -> str:
        return f"{self.number} {self.detail[:80]}"
