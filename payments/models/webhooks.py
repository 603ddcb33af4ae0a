"""ProviderWebhook: one message a provider sent us, raw, with the verdict on its signature.

It is kept before it is understood, once per provider and event id (I-120); its moves say what was done with
it. The merchant is known only after the operation it speaks of is found; until then only staff sees it.

The row is the job: `apply_at` says when it is applied next, and a lease on the oldest waiting message of a
subject (the key or reference it speaks of) is the lease on all of them, so that their order is kept.
"""

from datetime import datetime
from typing import Final

from django.db import models
from django.db.models import Q
from django_fsm import FSMModelMixin

from ledger.errors import NotFound
from ledger.ids import show, uuid7
from ledger.states import StateField
from payments.states import PROVIDER_WEBHOOK


class ProviderWebhookNotFound(NotFound):
    """No such incoming webhook for this merchant."""

    code = "provider_webhook_not_found"


ATTEMPTS_KEPT: Final = 30


class ProviderWebhook(FSMModelMixin, models.Model):
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
    subject = models.CharField(max_length=128, blank=True)
    source = models.CharField(max_length=64, blank=True)  # the network it came from, or who recorded it
    headers = models.JSONField(default=dict)
    body = models.BinaryField()
    is_verified = models.BooleanField()
    verdict = models.CharField(max_length=300, blank=True)
    operation = models.ForeignKey(
        "payments.ProviderOperation", on_delete=models.PROTECT, null=True, blank=True, related_name="webhooks"
    )

    state = StateField(PROVIDER_WEBHOOK)
    tries = models.PositiveIntegerField(default=0)
    attempts = models.JSONField(default=list, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    received_at = models.DateTimeField()
    apply_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    processed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            # A message with a bad signature claims nothing, so it cannot take a good one's place.
            models.UniqueConstraint(
                fields=["provider", "event_id"],
                condition=Q(is_verified=True),
                name="payments_providerwebhook_once",
            ),
            # I-121: what waits has a time, and what is over has none.
            models.CheckConstraint(
                condition=Q(state="received", apply_at__isnull=False)
                | (~Q(state="received") & Q(apply_at__isnull=True)),
                name="payments_providerwebhook_waits",
            ),
        ]
        indexes = [
            models.Index(
                fields=["apply_at"], condition=Q(state="received"), name="payments_providerwebhook_due"
            ),
            models.Index(
                fields=["provider", "subject", "id"],
                condition=Q(state="received"),
                name="payments_providerwebhook_subj",
            ),
            models.Index(
                fields=["merchant", "id"],
                condition=Q(state__in=["received", "failed", "refused"]),
                name="payments_providerwebhook_todo",
            ),
            models.Index(
                fields=["provider", "received_at"],
                condition=Q(state="refused"),
                name="payments_providerwebhook_bad",
            ),
            models.Index(
                fields=["received_at"],
                condition=Q(state__in=["received", "failed"]),
                name="payments_providerwebhook_open",
            ),
            models.Index(fields=["event_id"], name="payments_providerwebhook_event"),
            models.Index(fields=["merchant", "id"], name="payments_providerwebhook_mer"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_id}"

    @property
    def public_id(self) -> str:
        return show(self.PREFIX, self.id)

    def note_attempt(self, at: datetime, result: str) -> None:
        """Count a try and keep what came of it; the last thirty are kept."""
        self.tries += 1
        told = {"at": at.isoformat(timespec="milliseconds"), "result": result[:300]}
        self.attempts = [*self.attempts, told][-ATTEMPTS_KEPT:]

    @PROVIDER_WEBHOOK.edge("receive")
    def receive(self, at: datetime) -> None:
        """Keep a message whose signature is right; it is to be applied at once."""
        self.received_at = self.apply_at = at

    @PROVIDER_WEBHOOK.edge("refuse")
    def refuse(self, verdict: str, at: datetime) -> None:
        """Keep a message whose signature is wrong, as evidence only."""
        self.received_at = self.processed_at = at
        self.verdict = verdict[:300]

    @PROVIDER_WEBHOOK.edge("apply")
    def apply(self, verdict: str, at: datetime) -> None:
        """What it says has been concluded (by it or by whoever came first)."""
        self._end(at)
        self.verdict, self.last_error = verdict[:300], ""

    @PROVIDER_WEBHOOK.edge("ignore")
    def ignore(self, verdict: str, at: datetime) -> None:
        """It is genuine and none of our business."""
        self._end(at)
        self.verdict = verdict[:300]

    @PROVIDER_WEBHOOK.edge("fail")
    def fail(self, error: str, at: datetime) -> None:
        """It could not be applied as often as we try; a person looks."""
        self._end(at)
        self.last_error = error[:300]

    @PROVIDER_WEBHOOK.edge("retry")
    def retry(self, at: datetime) -> None:
        """Give a dead letter its tries again, from `at` on."""
        self.tries, self.apply_at, self.processed_at = 0, at, None

    def park(self, error: str, until: datetime) -> None:
        """It cannot be applied yet; try again at `until`."""
        self.last_error, self.apply_at, self.lease_until = error[:300], until, None

    def _end(self, at: datetime) -> None:
        self.processed_at, self.apply_at, self.lease_until = at, None, None
