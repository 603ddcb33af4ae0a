"""Payout: one bank transfer that pays one batch. A failed one is followed by another with the next attempt.

I-53: at most one payout of a batch has not failed (partial unique index); its amount is the batch's net.
The vendor's account number is in the provider operation's request only; here is its end, for people.
"""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q

from ledger.errors import NotFound
from ledger.ids import show
from ledger.money import Money
from ledger.recording import Recorded
from ledger.states import StateField
from settlements.models.batches import SettlementBatch
from settlements.states import PAYOUT, PayoutState


class PayoutNotFound(NotFound):
    """No such payout of this merchant."""

    code = "payout_not_found"


class Payout(Recorded):
    """A transfer to a vendor's bank. Its public id is the EndToEndId that the bank's statement shows."""

    PREFIX = "po"
    SUBJECT = "payout"

    merchant = models.ForeignKey("vendors.Merchant", on_delete=models.PROTECT, related_name="+")
    batch = models.ForeignKey(SettlementBatch, on_delete=models.PROTECT, related_name="payouts")
    attempt = models.PositiveSmallIntegerField()
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    provider = models.CharField(max_length=32)
    account_end = models.CharField(max_length=4, help_text="The last characters of the vendor's account.")
    state = StateField(PAYOUT, choices=PayoutState.choices)
    provider_reference = models.CharField(max_length=100, blank=True)
    failure_code = models.CharField(max_length=64, blank=True)
    occurred_at = models.DateTimeField(help_text="When its money was set aside.")
    paid_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "attempt"], name="settlements_payout_attempt_once"),
            models.UniqueConstraint(
                fields=["batch"],
                condition=~Q(state=PayoutState.FAILED),
                name="settlements_payout_one_live_per_batch",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="settlements_payout_pays"),
        ]
        indexes = [
            models.Index(
                fields=["merchant", "currency"],
                condition=Q(state=PayoutState.PAID),
                name="settlements_payout_to_match",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @PAYOUT.edge("create")
    def create(self) -> None:
        """Set the money aside; the transfer is asked for after this is committed."""

    @PAYOUT.edge("send")
    def send(self, reference: str) -> None:
        """The provider took it and will say later what became of it."""
        self.provider_reference = reference

    @PAYOUT.edge("mark_paid")
    def mark_paid(self, reference: str, at: datetime) -> None:
        """The provider paid it."""
        self.provider_reference = reference
        self.paid_at = at

    @PAYOUT.edge("fail")
    def fail(self, code: str) -> None:
        """The provider did not pay it, for certain."""
        self.failure_code = code[:64]

    @PAYOUT.edge("reconcile")
    def reconcile(self) -> None:
        """The bank statement shows it."""

    def as_event(self) -> dict[str, Any]:
        """Return the payload of this payout's events: no account number in it."""
        return {
            "id": self.public_id,
            "settlement_id": show("set", self.batch_id),
            "attempt": self.attempt,
            "amount": self.amount_minor,
            "currency": self.currency,
            "provider": self.provider,
            "provider_reference": self.provider_reference,
            "failure_code": self.failure_code,
            "status": self.state,
        }
