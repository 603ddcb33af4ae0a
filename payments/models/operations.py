"""ProviderOperation: one request we intend to make of a provider, and what became of it.

It is open until `concluded_at`; while open, `ask_at` says when the recovery asks next: the row is the job.
It is generic over its subject (payment, refund, payout). At most one is open per subject and leg, and at
most one succeeds (I-23); of a payment's authorizations at most one lives, open or approved (I-140): partial
unique indexes. One that certainly was not sent ends so only when another took its place. No card number.
"""

from datetime import datetime
from typing import Final

from django.db import models
from django.db.models import Q

from ledger.errors import NotFound
from ledger.ids import show, uuid7
from ledger.money import Money


class OperationNotFound(NotFound):
    """No such provider operation."""

    code = "operation_not_found"


class Kind(models.TextChoices):
    """What is asked of the provider."""

    AUTHORIZE = "authorize", "Authorize"
    INCREMENT = "increment", "Increment"
    CAPTURE = "capture", "Capture"
    VOID = "void", "Void"
    REFUND = "refund", "Refund"
    TRANSFER = "transfer", "Transfer"
    CHALLENGE = "challenge", "Challenge a dispute"
    ACCEPT = "accept", "Accept a dispute"
    # Never asked for by us: movements of a dispute that the provider told of, kept as it names them.
    WITHDRAWAL = "withdrawal", "Withdrawal of a dispute"
    REINSTATEMENT = "reinstatement", "Reinstatement of a dispute"
    # Nor this: money of a refund that was done and came back to us, for the provider could not deliver it.
    REFUND_RETURNED = "refund_returned", "Return of a refund"
    # Nor this: what a bank charges for an entry that came back before its money had come.
    RETURN_FEE = "return_fee", "Fee of a return"
    VERIFY = "verify", "Verify a payment method"
    DEPOSIT = "deposit", "Small deposit to verify an account"


TOLD: Final = (Kind.WITHDRAWAL, Kind.REINSTATEMENT, Kind.REFUND_RETURNED, Kind.RETURN_FEE)
"""What a provider tells of and is never asked for."""
ASKED: Final = tuple(kind for kind in Kind if kind not in TOLD)


class OutcomeKind(models.TextChoices):
    """What became of it; empty means that no answer was kept yet."""

    APPROVED = "approved", "Approved"
    DECLINED = "declined", "Declined"
    REJECTED = "rejected", "Rejected: our request was wrong"
    PENDING = "pending", "Pending: the provider will say later"
    REQUIRES_ACTION = "requires_action", "The customer must act"
    NOT_SENT = "not_sent", "Not sent"
    UNKNOWN = "unknown", "Unknown: it may have happened"
    MISMATCH = "mismatch", "Mismatch: the answer is about other money"


class ProviderOperation(models.Model):
    """One intended call to a provider."""

    PREFIX = "op"
    NotFound = OperationNotFound

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=16, choices=Kind.choices)
    subject_type = models.CharField(max_length=32)
    subject_id = models.UUIDField()
    leg = models.CharField(max_length=32)
    payment = models.ForeignKey(
        "payments.Payment", on_delete=models.PROTECT, null=True, blank=True, related_name="operations"
    )
    provider = models.CharField(max_length=32)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    idempotency_key = models.CharField(max_length=64)
    request = models.JSONField(default=dict)
    # Why this provider: the candidates with their scores, rule, arm, weights (services/routing.py); of an
    # authorization only.
    route = models.JSONField(default=dict, blank=True)
    asked_by = models.JSONField(default=dict)

    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)  # how often the request was made
    asks = models.PositiveIntegerField(default=0)  # how often the provider was asked what became of it
    ask_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    outcome = models.CharField(max_length=16, choices=OutcomeKind.choices, blank=True)
    outcome_code = models.CharField(max_length=64, blank=True)
    outcome_detail = models.JSONField(default=dict, blank=True)
    provider_reference = models.CharField(max_length=100, blank=True)
    fee_minor = models.BigIntegerField(default=0)
    noted_at = models.DateTimeField(null=True, blank=True)
    concluded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["idempotency_key"], name="payments_operation_key_once"),
            models.UniqueConstraint(
                fields=["subject_type", "subject_id", "leg"],
                condition=Q(concluded_at__isnull=True),
                name="payments_operation_one_open_per_leg",
            ),
            models.UniqueConstraint(
                fields=["subject_type", "subject_id", "leg"],
                condition=Q(outcome="approved"),
                name="payments_operation_one_success_per_leg",
            ),
            models.UniqueConstraint(
                fields=["provider", "kind", "provider_reference"],
                condition=Q(outcome="approved") & ~Q(provider_reference=""),
                name="payments_operation_reference_once",
            ),
            models.UniqueConstraint(
                fields=["payment"],
                condition=Q(kind="authorize") & (Q(outcome="approved") | Q(concluded_at__isnull=True)),
                name="payments_operation_one_live_authorization",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="payments_operation_amount"),
            models.CheckConstraint(
                condition=Q(concluded_at__isnull=True)
                | Q(ask_at__isnull=True, outcome__in=["approved", "declined", "rejected"])
                | Q(ask_at__isnull=True, outcome="not_sent", kind="authorize"),
                name="payments_operation_concluded_is_final",
            ),
        ]
        indexes = [
            models.Index(
                fields=["ask_at"],
                condition=Q(concluded_at__isnull=True, ask_at__isnull=False),
                name="payments_operation_to_ask",
            ),
            models.Index(
                fields=["payment"], condition=Q(concluded_at__isnull=True), name="payments_operation_open"
            ),
            models.Index(fields=["subject_type", "subject_id"], name="payments_operation_by_subject"),
            models.Index(
                fields=["created_at"], condition=Q(concluded_at__isnull=True), name="payments_operation_age"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.idempotency_key}"

    @property
    def public_id(self) -> str:
        return show(self.PREFIX, self.id)

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def is_open(self) -> bool:
        return self.concluded_at is None

    @property
    def is_held(self) -> bool:
        """Open, and nobody asks: a person must look."""
        return self.concluded_at is None and self.ask_at is None

    @property
    def is_awaited(self) -> bool:
        """Open, and an outcome may still conclude it."""
        return self.concluded_at is None and self.ask_at is not None

    @property
    def has_succeeded(self) -> bool:
        return self.outcome == OutcomeKind.APPROVED

    def age_seconds(self, at: datetime) -> float:
        """Return how long ago it was claimed."""
        return (at - self.created_at).total_seconds()
