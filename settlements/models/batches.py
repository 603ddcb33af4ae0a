"""SettlementBatch and its lines: one reckoning with a vendor in one currency, and every posting behind it.

I-51: net = gross - commission - refunds + other - recovered (a check constraint). I-52: a posting is a line
of at most one batch (a unique key). Lines are written once and refuse change. A carried batch keeps its
figures as a record and has no lines, its items wait for the next batch, unless they come to nothing.
"""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import F, Q

from ledger.errors import NotFound
from ledger.ids import show
from ledger.money import Money
from ledger.recording import Recorded
from ledger.states import StateField
from settlements.calculation import Reckoning
from settlements.states import SETTLEMENT, BatchState


class SettlementNotFound(NotFound):
    """No such settlement batch of this merchant."""

    code = "settlement_not_found"
    advice = "Look at the id; a settlement of another merchant is not found either."


class SettlementBatch(Recorded):
    """What a vendor has earned since the last batch, reckoned and made payable. Amounts from his side."""

    PREFIX = "set"
    SUBJECT = "settlement"

    merchant = models.ForeignKey("vendors.Merchant", on_delete=models.PROTECT, related_name="+")
    vendor = models.ForeignKey("vendors.Vendor", on_delete=models.PROTECT, related_name="+")
    number = models.CharField(max_length=20)
    currency = models.CharField(max_length=3)
    business_date = models.DateField()
    sequence = models.PositiveIntegerField()
    state = StateField(SETTLEMENT, choices=BatchState.choices)
    gross_minor = models.BigIntegerField()
    commission_minor = models.BigIntegerField()
    refunds_minor = models.BigIntegerField()
    other_minor = models.BigIntegerField()
    recovered_minor = models.BigIntegerField()
    net_minor = models.BigIntegerField()
    items = models.PositiveIntegerField()
    occurred_at = models.DateTimeField(help_text="When the batch was reckoned.")
    paid_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "settlement"
        verbose_name_plural = "settlements"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "vendor", "currency", "business_date", "sequence"],
                name="settlements_batch_sequence_once",
            ),
            models.UniqueConstraint(fields=["merchant", "number"], name="settlements_batch_number_once"),
            models.CheckConstraint(
                condition=Q(
                    net_minor=F("gross_minor")
                    - F("commission_minor")
                    - F("refunds_minor")
                    + F("other_minor")
                    - F("recovered_minor")
                ),
                name="settlements_batch_foots",
            ),
            models.CheckConstraint(
                condition=Q(state=BatchState.CARRIED, net_minor__lte=0)
                | (~Q(state=BatchState.CARRIED) & Q(net_minor__gt=0)),
                name="settlements_batch_pays_only_what_is_owed",
            ),
            models.CheckConstraint(condition=Q(recovered_minor__gte=0), name="settlements_batch_recovers"),
        ]
        indexes = [
            models.Index(fields=["vendor", "currency", "id"], name="settlements_batch_by_vendor"),
            models.Index(
                fields=["merchant", "id"], condition=Q(state=BatchState.CLOSED), name="settlements_batch_due"
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def net(self) -> Money:
        return Money(self.net_minor, self.currency)

    @property
    def pending(self) -> Money:
        """What left the vendor's pending account, before anything owed was recovered."""
        return Money(self.net_minor + self.recovered_minor, self.currency)

    @property
    def recovered(self) -> Money:
        return Money(self.recovered_minor, self.currency)

    def _keep(self, reckoning: Reckoning) -> None:
        self.gross_minor = reckoning.gross.minor
        self.commission_minor = reckoning.commission.minor
        self.refunds_minor = reckoning.refunds.minor
        self.other_minor = reckoning.other.minor
        self.recovered_minor = reckoning.recovered.minor
        self.net_minor = reckoning.net.minor
        self.items = reckoning.items

    @SETTLEMENT.edge("close")
    def close(self, reckoning: Reckoning) -> None:
        """Fix the figures; the money becomes payable."""
        self._keep(reckoning)

    @SETTLEMENT.edge("carry")
    def carry(self, reckoning: Reckoning) -> None:
        """Keep the figures of a reckoning that pays nothing."""
        self._keep(reckoning)

    @SETTLEMENT.edge("start_paying")
    def start_paying(self) -> None:
        """A payout was created for it."""

    @SETTLEMENT.edge("stop_paying")
    def stop_paying(self) -> None:
        """Its payout failed; it is payable again."""

    @SETTLEMENT.edge("mark_paid")
    def mark_paid(self, at: datetime) -> None:
        """The provider paid it."""
        self.paid_at = at

    @SETTLEMENT.edge("reconcile")
    def reconcile(self) -> None:
        """The bank statement shows its payout."""

    def as_event(self) -> dict[str, Any]:
        """Return the payload of this batch's events."""
        return {
            "id": self.public_id,
            "number": self.number,
            "vendor_id": show("vnd", self.vendor_id),
            "currency": self.currency,
            "business_date": self.business_date.isoformat(),
            "gross": self.gross_minor,
            "commission": self.commission_minor,
            "refunds": self.refunds_minor,
            "other": self.other_minor,
            "recovered": self.recovered_minor,
            "net": self.net_minor,
            "items": self.items,
            "status": self.state,
        }


class BatchLine(models.Model):
    """One posting of the vendor's pending account, in the batch that pays it; credit is positive here."""

    id = models.BigAutoField(primary_key=True)
    batch = models.ForeignKey(SettlementBatch, on_delete=models.PROTECT, related_name="lines")
    entry_id = models.UUIDField()
    line = models.SmallIntegerField()
    purpose = models.CharField(max_length=24)
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entry_id", "line"], name="settlements_line_in_one_batch"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.amount_minor}"
