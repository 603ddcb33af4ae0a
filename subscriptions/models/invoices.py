"""Invoice, its lines, and the attempts to collect it.

A period is invoiced once: the unique constraint holds whatever runs twice, late or at the same time. From
`finalize` on, amounts and lines are fixed (`0002_law.sql`); what is wrong is voided and written anew. The
number comes with `finalize`, without gaps, so that a draft thrown away leaves no hole.
"""

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from ledger.errors import Conflict, Invalid, NotFound
from ledger.ids import uuid7
from ledger.money import Money
from ledger.recording import Recorded
from ledger.states import StateField
from payments.models import Payment
from subscriptions.models.subscriptions import Subscription
from subscriptions.states import DRAFT, INVOICE, PAID, VOID


class InvoiceNotFound(NotFound):
    """No such invoice for this merchant."""

    code = "invoice_not_found"


class PaidAmountDiffers(Invalid):
    """Paid is not what the invoice asks for."""

    code = "invoice_amount_differs"
    advice = "An invoice is paid in full, in its currency."


class InvoiceEmpty(Conflict):
    """Nothing is on the invoice."""

    code = "invoice_empty"


class InvoiceKind(models.TextChoices):
    """Why there is an invoice: for a period, or for something between periods."""

    PERIOD = "period", "Period"
    EXTRA = "extra", "Extra"


class LineKind(models.TextChoices):
    """What a line is for."""

    PLAN = "plan", "Plan"
    PRORATION = "proration", "Proration"
    DISCOUNT = "discount", "Discount"
    TAX = "tax", "Tax"
    OTHER = "other", "Other"


class Invoice(Recorded):
    """What a customer owes for a period; `total_minor` is the sum of its lines."""

    PREFIX = "inv"
    SUBJECT = "invoice"
    NotFound = InvoiceNotFound

    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="invoices")
    kind = models.CharField(max_length=8, choices=InvoiceKind.choices, default=InvoiceKind.PERIOD)
    number = models.CharField(max_length=24, null=True, blank=True)
    state = StateField(INVOICE)
    currency = models.CharField(max_length=3)
    total_minor = models.BigIntegerField(default=0)
    paid_minor = models.BigIntegerField(default=0)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    due_at = models.DateTimeField(null=True, blank=True)
    next_try_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    is_paid_elsewhere = models.BooleanField(default=False)  # a person said so, with a reason
    reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    finalized_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "subscriptions_invoice"
        constraints = [
            models.UniqueConstraint(
                fields=["subscription", "period_start"],
                condition=Q(kind=InvoiceKind.PERIOD) & ~Q(state=VOID),
                name="subscriptions_invoice_once_per_period",
            ),
            models.UniqueConstraint(
                fields=["merchant", "number"],
                condition=Q(number__isnull=False),
                name="subscriptions_invoice_number",
            ),
            models.CheckConstraint(
                condition=Q(total_minor__gte=0, paid_minor__gte=0, paid_minor__lte=F("total_minor")),
                name="subscriptions_invoice_paid_within_total",
            ),
            models.CheckConstraint(
                condition=~Q(state=PAID) | Q(paid_minor=F("total_minor")),
                name="subscriptions_invoice_paid_in_full",
            ),
            models.CheckConstraint(
                condition=Q(state__in=[DRAFT, VOID]) | Q(number__isnull=False, finalized_at__isnull=False),
                name="subscriptions_invoice_final_has_a_number",
            ),
            models.CheckConstraint(
                condition=Q(period_end__gt=F("period_start")), name="subscriptions_invoice_period_forward"
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "state", "due_at"], name="subscriptions_invoice_due"),
            models.Index(
                fields=["next_try_at"], condition=Q(state="open"), name="subscriptions_invoice_collect"
            ),
        ]

    def __str__(self) -> str:
        return self.number or self.public_id

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)

    @INVOICE.edge("draft")
    def draft(self) -> None:
        """Begin; lines may still be added."""

    @INVOICE.edge("finalize")
    def finalize(self, number: str, total: Money, due_at: datetime, at: datetime) -> None:
        """Fix the amounts and give it its number.

        :raises InvoiceEmpty: its total is below zero.
        """
        if total.minor < 0:
            raise InvoiceEmpty("an invoice asks for nothing less than zero")
        self.number, self.total_minor = number, total.minor
        self.due_at = self.next_try_at = due_at
        self.finalized_at = at

    @INVOICE.edge("fail_payment")
    def fail_payment(self, next_try_at: datetime | None) -> None:
        """Note that a try did not bring the money; None when there will be no other."""
        self.tries += 1
        self.next_try_at = next_try_at

    @INVOICE.edge("pay")
    def pay(self, amount: Money, payment: Payment | None, at: datetime) -> None:
        """Note that it is paid, by a payment of ours or elsewhere.

        :raises PaidAmountDiffers: not the whole, or another currency.
        """
        if amount != self.total:
            raise PaidAmountDiffers(
                f"{amount.display()} is not the {self.total.display()} of the invoice", param="amount"
            )
        self.paid_minor, self.payment, self.is_paid_elsewhere = amount.minor, payment, payment is None
        self.closed_at, self.next_try_at = at, None

    @INVOICE.edge("write_off")
    def write_off(self, reason: str) -> None:
        """Stop asking for it; it may still be paid."""
        self.reason, self.next_try_at = reason, None

    @INVOICE.edge("void")
    def void(self, reason: str, at: datetime) -> None:
        """Take it back; its period may be invoiced anew."""
        self.reason, self.closed_at, self.next_try_at = reason, at, None


class InvoiceLine(models.Model):
    """One line: what for, how many, and its amount, negative for credits."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant_id = models.UUIDField()
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines")
    kind = models.CharField(max_length=12, choices=LineKind.choices)
    description = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField(default=1)
    unit_minor = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    period_start = models.DateTimeField(null=True, blank=True)
    period_end = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "subscriptions_invoice_line"

    def __str__(self) -> str:
        return self.description


class DunningAttempt(models.Model):
    """One try to collect an invoice: when it is due, what was done, what came of it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant_id = models.UUIDField()
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    due_at = models.DateTimeField()
    tried_at = models.DateTimeField(null=True, blank=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="+", null=True, blank=True)
    outcome = models.CharField(max_length=16, blank=True)
    decline_code = models.CharField(max_length=64, blank=True)

    class Meta:
        db_table = "subscriptions_dunning_attempt"
        constraints = [
            models.UniqueConstraint(
                fields=["invoice", "number"], name="subscriptions_dunning_once_per_number"
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}"
