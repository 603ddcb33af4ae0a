"""ProviderWebhook: one message a provider sent us, raw, with the verdict on its signature.

It is kept before it is understood, once per provider and event id (I-26); its moves say what was done with
it. The merchant is known only after the operation it speaks of is found.
"""

from datetime import datetime

from django.db import models
from django.db.models import Q

from ledger.errors import NotFound
from ledger.ids import show, uuid7
from ledger.states import StateField
from payments.states import PROVIDER_WEBHOOK


class ProviderWebhookNotFound(NotFound):
    """No such incoming webhook for this merchant."""

    code = "provider_webhook_not_found"


class ProviderWebhook(models.Model):
    """One incoming message, as received."""

    PREFIX = "whk"
    NotFound = ProviderWebhookNotFound

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    provider = models.CharField(max_length=32)
    event_id = models.CharField(max_length=100)
    event_type = models.CharField(max_length=64, blank=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    is_verified = models.BooleanField()
    verdict = models.CharField(max_length=300, blank=True)
    operation = models.ForeignKey(
        "payments.ProviderOperation", on_delete=models.PROTECT, null=True, blank=True, related_name="webhooks"
    )

    state = StateField(PROVIDER_WEBHOOK)
    tries = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # A message with a bad signature claims nothing, so it cannot take a good one's place.
            models.UniqueConstraint(
                fields=["provider", "event_id"],
                condition=Q(is_verified=True),
                name="payments_providerwebhook_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["received_at"],
                condition=Q(state__in=["received", "failed"]),
                name="payments_providerwebhook_open",
            ),
            models.Index(fields=["merchant", "id"], name="payments_providerwebhook_mer"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_id}"

    @property
    def public_id(self) -> str:
        return show(self.PREFIX, self.id)

    @PROVIDER_WEBHOOK.edge("receive")
    def receive(self) -> None:
        """Keep a message whose signature is right."""

    @PROVIDER_WEBHOOK.edge("refuse")
    def refuse(self, verdict: str, at: datetime) -> None:
        """Keep a message whose signature is wrong, as evidence only."""
        self.verdict, self.processed_at = verdict[:300], at

    @PROVIDER_WEBHOOK.edge("apply")
    def apply(self, at: datetime) -> None:
        """What it says has been concluded (by it or by whoever came first)."""
        self.processed_at, self.last_error = at, ""

    @PROVIDER_WEBHOOK.edge("ignore")
    def ignore(self, verdict: str, at: datetime) -> None:
        """It is genuine and none of our business."""
        self.verdict, self.processed_at = verdict[:300], at

    @PROVIDER_WEBHOOK.edge("fail")
    def fail(self, error: str) -> None:
        """It could not be applied as often as we try; a person looks."""
        self.last_error = error[:300]
