"""RefusedCallbacks: how many badly signed callbacks one source sent on one day, in one row.

Whole messages are kept only up to a limit (`services/refusing.py`); beyond it this row is what remains: a
count, and a digest over all of them in their order, by which a sender's log can be proven to be theirs.
"""

from django.db import models

from ledger.ids import uuid7


class RefusedCallbacks(models.Model):
    """What one source sent to one provider's address on one day that nobody could verify."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.CharField(max_length=32)
    source = models.CharField(max_length=64)
    day = models.DateField()
    seen = models.BigIntegerField()
    kept = models.PositiveIntegerField(default=0)  # of these, whole
    digest = models.BinaryField()  # SHA-256 over the digest before and the SHA-256 of the message
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        verbose_name = "refused callbacks"
        verbose_name_plural = "refused callbacks"
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "day", "source"], name="payments_refusedcallbacks_once"
            ),
            models.CheckConstraint(
                condition=models.Q(kept__lte=models.F("seen")), name="payments_refusedcallbacks_kept"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.source} {self.day}"
