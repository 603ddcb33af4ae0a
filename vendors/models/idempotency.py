"""IdempotencyKey: a merchant's name for one request, and its only answer.

The row is claimed in a transaction of its own before anything else happens, carries a lease with a fencing
token (`locked_by`), and gets the answer in the same transaction as the effect. Everything needed to drive
the request on without its sender is kept until it is answered.
"""

from django.db import models

from ledger.ids import uuid7
from vendors.models.access import ApiKey
from vendors.models.merchants import Merchant, Mode


class IdempotencyKey(models.Model):
    """One request: its fingerprint, how far it came, who works on it, and the answer.

    `effect_id` is the key of whatever the request makes, so that a second run finds what the first one left.
    `resume_at` is when the completer may drive the request on, if nobody else does.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Both were read a moment before and are never deleted: a check by the database would lock the same two
    # rows for each request of a merchant.
    merchant = models.ForeignKey(
        Merchant, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    api_key = models.ForeignKey(
        ApiKey, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    mode = models.CharField(max_length=8, choices=Mode)
    key = models.CharField(max_length=255)
    method = models.CharField(max_length=8)
    route = models.TextField()
    path = models.TextField()
    api_version = models.CharField(max_length=10)
    fingerprint = models.BinaryField(max_length=32)
    request_body = models.BinaryField(null=True, help_text="Kept until the request is answered.")
    effect_id = models.UUIDField()
    recovery_point = models.CharField(max_length=40, default="started")
    locked_by = models.UUIDField(null=True, blank=True)
    locked_until = models.DateTimeField()
    resume_at = models.DateTimeField()
    tries = models.PositiveIntegerField(default=1)
    response_status = models.PositiveSmallIntegerField(null=True, blank=True)
    response_headers = models.JSONField(null=True, blank=True)
    response_body = models.BinaryField(null=True, blank=True)
    occurred_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "mode", "key"], name="vendors_idempotency_key_once"),
            models.CheckConstraint(
                # At most 255 by its column; a bound here would make an automaton of so many states each time.
                condition=models.Q(key__regex=r"^[!-~]{8}[!-~]*$"),
                name="vendors_idempotency_key_is_visible_ascii",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    finished_at__isnull=True, response_status__isnull=True, response_body__isnull=True
                )
                | models.Q(
                    finished_at__isnull=False,
                    response_status__gte=200,
                    response_status__lt=500,
                    response_body__isnull=False,
                ),
                name="vendors_idempotency_finished_with_answer",
            ),
        ]
        indexes = [
            models.Index(
                fields=["resume_at"],
                name="vendors_idempotency_unfinished",
                condition=models.Q(finished_at__isnull=True),
            ),
            models.Index(fields=["expires_at"], name="vendors_idempotency_expiry"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None
