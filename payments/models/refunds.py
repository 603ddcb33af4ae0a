"""Refund: money back after a capture, whole or part; RefundShare: what each vendor gives back of it.

What the shares do not cover is given back by the merchant. The moves only change fields; the counters of
payment and shares (`refunding_minor`, `refunded_minor`) are changed by `services.refunding` in its phase.
"""

from datetime import datetime
from typing import Final

from django.db import models
from django.db.models import F, Q

from ledger.errors import NotFound
from ledger.ids import uuid7
from ledger.money import Money
from ledger.recording import Recorded
from ledger.states import StateField
from payments.states import REFUND

LEG: Final = "refund"
RETURNED: Final = "refund_returned"


class RefundNotFound(NotFound):
    """No such refund for this merchant."""

    code = "refund_not_found"


class Refund(Recorded):
    """One refund of one payment."""

    PREFIX = "ref"
    SUBJECT = "refund"
    NotFound = RefundNotFound

    # Set by selectors and services, not a column: what each vendor gives back.
    share_rows: list["RefundShare"]

    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    payment = models.ForeignKey("payments.Payment", on_delete=models.PROTECT, related_name="refunds")
    number = models.CharField(max_length=24)
    merchant_reference = models.CharField(max_length=100, null=True, blank=True)
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    reason = models.CharField(max_length=300, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    state = StateField(REFUND)
    requested_by = models.JSONField(default=dict)
    # How often it was asked for: once, and again each time after its provider had failed it.
    tries = models.PositiveSmallIntegerField(default=1)
    decided_by = models.JSONField(default=dict, blank=True)
    decision_reason = models.CharField(max_length=300, blank=True)
    provider = models.CharField(max_length=32)
    provider_reference = models.CharField(max_length=100, blank=True)
    # Where it goes when its payer had sent the money himself: in the vault, and what may be shown of it.
    account_token = models.CharField(max_length=40, blank=True)
    account_shown = models.JSONField(default=dict, blank=True)
    is_adopted = models.BooleanField(default=False)  # made at the provider by somebody else
    failure_code = models.CharField(max_length=64, blank=True)
    failure_message = models.CharField(max_length=300, blank=True)

    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "number"], name="payments_refund_number"),
            models.UniqueConstraint(
                fields=["merchant", "merchant_reference"],
                condition=Q(merchant_reference__isnull=False),
                name="payments_refund_merchant_reference",
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0) & Q(currency__regex=r"^[A-Z]{3}$"),
                name="payments_refund_amount_positive",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "id"], name="payments_refund_by_merchant"),
            models.Index(fields=["merchant", "state", "id"], name="payments_refund_by_state"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def leg(self) -> str:
        """What its operation and its entry in the books are called: of each try another."""
        return LEG if self.tries == 1 else f"{LEG}:{self.tries}"

    @property
    def returned_step(self) -> str:
        """The step in the books with which what this try gave back is with us again."""
        return RETURNED if self.tries == 1 else f"{RETURNED}:{self.tries}"

    @REFUND.edge("request")
    def request(self) -> None:
        """Begin, waiting for a second person."""

    @REFUND.edge("request_approved")
    def request_approved(self, at: datetime) -> None:
        """Begin below the limit that needs a second person."""
        self.decided_at = at

    @REFUND.edge("adopt")
    def adopt(self, reference: str, at: datetime) -> None:
        """Begin and end: it was made at the provider, not by us."""
        self.provider_reference, self.is_adopted = reference, True
        self.decided_at = self.started_at = self.closed_at = at

    @REFUND.edge("approve")
    def approve(self, by: dict[str, str], reason: str, at: datetime) -> None:
        """A second person agreed."""
        self.decided_by, self.decision_reason, self.decided_at = by, reason, at

    @REFUND.edge("reject")
    def reject(self, by: dict[str, str], reason: str, at: datetime) -> None:
        """A second person refused."""
        self.decided_by, self.decision_reason, self.decided_at, self.closed_at = by, reason, at, at

    @REFUND.edge("start")
    def start(self, at: datetime) -> None:
        """The provider is being asked."""
        self.started_at = at

    @REFUND.edge("complete")
    def complete(self, reference: str, at: datetime) -> None:
        """The provider gave the money back."""
        self.provider_reference, self.closed_at = reference, at

    @REFUND.edge("fail")
    def fail(self, code: str, message: str, at: datetime) -> None:
        """The money stays where it is."""
        self.failure_code, self.failure_message, self.closed_at = code, message[:300], at

    @REFUND.edge("fail_late")
    def fail_late(self, code: str, message: str, at: datetime) -> None:
        """The provider took its word back: the customer did not get the money."""
        self.failure_code, self.failure_message, self.closed_at = code, message[:300], at

    @REFUND.edge("request_again")
    def request_again(self, by: dict[str, str]) -> None:
        """Begin anew, waiting for a second person."""
        self._begin_anew(by)

    @REFUND.edge("request_again_approved")
    def request_again_approved(self, by: dict[str, str], at: datetime) -> None:
        """Begin anew below the limit that needs a second person."""
        self._begin_anew(by)
        self.decided_at = at

    @REFUND.edge("reopen")
    def reopen(self, *, is_after_all: bool) -> None:
        """A try that the provider had failed is open again: it is asked about that; or, when its money had
        come back, its provider says that it was done after all, which counts as a try of its own.
        """
        self._forget_failure()
        if is_after_all:
            self.tries, self.provider_reference = self.tries + 1, ""

    def _begin_anew(self, by: dict[str, str]) -> None:
        self._forget_failure()
        self.tries += 1
        self.requested_by, self.decided_by, self.decision_reason = by, {}, ""
        self.decided_at = self.started_at = None
        self.provider_reference = ""

    def _forget_failure(self) -> None:
        """The events keep it."""
        self.failure_code, self.failure_message, self.closed_at = "", "", None


class RefundShare(models.Model):
    """What one vendor gives back of a refund, and the commission returned to that vendor."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, related_name="shares", db_index=False)
    transaction = models.ForeignKey(
        "payments.PaymentTransaction", on_delete=models.PROTECT, related_name="refund_shares"
    )
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    commission_back_minor = models.BigIntegerField(default=0)
    commission_kept_minor = models.BigIntegerField(default=0)  # the merchant kept it, by its policy

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["refund", "transaction"], name="payments_refundshare_one_per_share"
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0)
                & Q(commission_back_minor__gte=0)
                & Q(commission_kept_minor__gte=0)
                & Q(amount_minor__gte=F("commission_back_minor") + F("commission_kept_minor")),
                name="payments_refundshare_amounts",
            ),
        ]

    def __str__(self) -> str:
        return f"{Money(self.amount_minor, self.currency).display()} of {self.refund_id}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def commission_back(self) -> Money:
        return Money(self.commission_back_minor, self.currency)

    @property
    def commission_kept(self) -> Money:
        return Money(self.commission_kept_minor, self.currency)
