"""Contradiction: a provider says of a concluded operation what goes against that with which it was concluded.

Nothing is booked on it: what was concluded stays until a person has looked. The same word again is the same
contradiction (I-122).
"""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q

from ledger.errors import NotFound
from ledger.ids import show
from ledger.recorded import Recorded
from ledger.states import StateField
from payments.models.operations import OutcomeKind
from payments.states import CONTRADICTION


class ContradictionNotFound(NotFound):
    """No such contradiction."""

    code = "contradiction_not_found"


class Contradiction(Recorded):
    """One word of a provider's against what was concluded."""

    PREFIX = "ctr"
    SUBJECT = "contradiction"
    NotFound = ContradictionNotFound

    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    operation = models.ForeignKey(
        "payments.ProviderOperation", on_delete=models.PROTECT, related_name="contradictions", db_index=False
    )
    was = models.CharField(max_length=16, choices=OutcomeKind.choices)
    said = models.CharField(max_length=16, choices=OutcomeKind.choices)
    said_code = models.CharField(max_length=64, blank=True)
    said_reference = models.CharField(max_length=100, blank=True)
    said_words = models.CharField(max_length=300, blank=True)
    said_minor = models.BigIntegerField(null=True, blank=True)  # of what amount, when it said yes
    told_by = models.CharField(max_length=80)
    state = StateField(CONTRADICTION)
    occurred_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=150, blank=True)
    reason = models.CharField(max_length=1_000, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["operation", "said", "said_code", "said_reference"],
                name="payments_contradiction_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["occurred_at"], condition=Q(state="open"), name="payments_contradiction_open"
            ),
            models.Index(fields=["merchant", "id"], name="payments_contradiction_mer"),
        ]

    def __str__(self) -> str:
        return f"{self.was}, then {self.said}{' again' if self.is_after_all else ''}"

    @property
    def is_after_all(self) -> bool:
        """It says again that a refund was done whose money had come back."""
        return self.was == self.said == OutcomeKind.APPROVED

    @CONTRADICTION.edge("open")
    def open(self) -> None:
        """A provider goes back on its word."""

    @CONTRADICTION.edge("accept")
    def accept(self, by: str, reason: str, at: datetime) -> None:
        """The new word is to be believed, once the provider says it when it is asked."""
        self._decide(by, reason, at)

    @CONTRADICTION.edge("close")
    def close(self, by: str, reason: str, at: datetime) -> None:
        """What was concluded stays; what had to be done was done elsewhere."""
        self._decide(by, reason, at)

    def as_event(self) -> dict[str, Any]:
        """Return the payload of this contradiction's events."""
        return {
            "id": self.public_id,
            "operation": show("op", self.operation_id),
            "was": self.was,
            "said": self.said,
            "code": self.said_code,
            "reason": self.reason,
        }

    def _decide(self, by: str, reason: str, at: datetime) -> None:
        self.decided_by, self.reason, self.decided_at = by[:150], reason[:1_000], at
