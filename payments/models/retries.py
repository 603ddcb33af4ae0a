"""RetryStanding: whether a customer's card may be tried again, by the card schemes' rules.

One row per merchant and card (a keyed hash of its fingerprint), written when a try is declined. The trigger
`payments_retry_limit` reads it when an authorization is claimed, so that no statement of the hot path is
spent on it and nothing goes round it.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from ledger.errors import NotFound
from ledger.ids import show, uuid7


class RetryStandingNotFound(NotFound):
    """No such standing."""

    code = "retry_standing_not_found"


class RetryStanding(models.Model):
    """A card's declined tries of the last month at one merchant, and what they forbid."""

    PREFIX = "rts"
    NotFound = RetryStandingNotFound

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    method_key = models.CharField(max_length=32)
    brand = models.CharField(max_length=32, blank=True)
    last4 = models.CharField(max_length=4, blank=True)
    declined = ArrayField(models.DateTimeField(), default=list)  # the newest, at most 50
    code = models.CharField(max_length=64)  # of the last decline
    advice_code = models.CharField(max_length=8, blank=True)
    is_never = models.BooleanField(default=False)
    earliest_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = "limit of retries"
        verbose_name_plural = "limits of retries"
        constraints = [
            models.UniqueConstraint(fields=["merchant", "method_key"], name="payments_retrystanding_once"),
            models.CheckConstraint(
                condition=Q(is_never=False) | Q(earliest_at__isnull=True),
                name="payments_retrystanding_never_has_no_date",
            ),
        ]
        indexes = [models.Index(fields=["updated_at"], name="payments_retrystanding_age")]

    def __str__(self) -> str:
        return f"{self.brand} {self.last4}: {self.reason or 'free'}".strip()

    @property
    def public_id(self) -> str:
        return show(self.PREFIX, self.id)
