"""PaymentTransaction: one vendor's share of a payment, with its commission frozen at creation.

What no share covers is the merchant's own and has no row. Amounts nest in check constraints (I-21); the
parts over several captures sum to the whole because `payments.rules.capture_division`
divides by largest remainder.
"""

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from ledger.errors import NotFound
from ledger.money import Money
from ledger.recording import Recorded
from ledger.states import StateField
from payments.rules.capture_division import commission_due
from payments.states import CANCELLED, FAILED, PAYMENT_TRANSACTION, PAYMENT_TRANSACTION_STATES_OPEN


class PaymentTransactionNotFound(NotFound):
    """No such payment transaction for this merchant."""

    code = "payment_transaction_not_found"


class PaymentTransaction(Recorded):
    """One vendor's share of one payment."""

    PREFIX = "ptx"
    SUBJECT = "payment_transaction"
    NotFound = PaymentTransactionNotFound

    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    payment = models.ForeignKey(
        "payments.Payment", on_delete=models.PROTECT, related_name="shares", db_index=False
    )
    vendor = models.ForeignKey("vendors.Vendor", on_delete=models.PROTECT, related_name="+", db_index=False)
    position = models.PositiveSmallIntegerField()  # order in which the merchant listed the shares, from 0

    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    captured_minor = models.BigIntegerField(default=0)
    refunding_minor = models.BigIntegerField(default=0)
    refunded_minor = models.BigIntegerField(default=0)
    disputed_minor = models.BigIntegerField(default=0)
    commission_rate_bps = models.PositiveIntegerField(default=0)
    commission_fixed_minor = models.BigIntegerField(default=0)
    commission_rule_id = models.UUIDField(null=True, blank=True)
    commission_minor = models.BigIntegerField(default=0)
    commission_captured_minor = models.BigIntegerField(default=0)
    commission_refunded_minor = models.BigIntegerField(default=0)
    commission_disputed_minor = models.BigIntegerField(default=0)
    # What would have gone back with refunds and disputes, had the merchant not kept it.
    commission_kept_minor = models.BigIntegerField(default=0)

    state = StateField(PAYMENT_TRANSACTION)
    reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    captured_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["payment", "vendor"], name="payments_paymenttransaction_one_per_vendor"
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0), name="payments_paymenttransaction_amount_positive"
            ),
            models.CheckConstraint(
                condition=Q(captured_minor__gte=0, captured_minor__lte=F("amount_minor"))
                & Q(refunding_minor__gte=0, refunded_minor__gte=0, disputed_minor__gte=0)
                & Q(captured_minor__gte=F("refunding_minor") + F("refunded_minor") + F("disputed_minor")),
                name="payments_paymenttransaction_amounts_nest",
            ),
            models.CheckConstraint(
                condition=Q(commission_minor__gte=0, commission_minor__lte=F("amount_minor"))
                & Q(commission_captured_minor__gte=0)
                & Q(commission_captured_minor__lte=F("commission_minor"))
                & Q(commission_captured_minor__lte=F("captured_minor"))
                & Q(commission_refunded_minor__gte=0)
                & Q(commission_disputed_minor__gte=0, commission_kept_minor__gte=0)
                & Q(
                    commission_captured_minor__gte=F("commission_refunded_minor")
                    + F("commission_disputed_minor")
                    + F("commission_kept_minor")
                ),
                name="payments_paymenttransaction_commission_nests",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "id"], name="payments_ptx_by_merchant"),
            models.Index(fields=["vendor", "id"], name="payments_ptx_by_vendor"),
        ]

    def __str__(self) -> str:
        return f"{Money(self.amount_minor, self.currency).display()} of {self.payment_id}"

    def money(self, minor: int) -> Money:
        """Return an amount in this share's currency."""
        return Money(minor, self.currency)

    @property
    def amount(self) -> Money:
        return self.money(self.amount_minor)

    @property
    def commission(self) -> Money:
        return self.money(self.commission_minor)

    @property
    def is_open(self) -> bool:
        """More may still be captured of it."""
        return bool(self.state in PAYMENT_TRANSACTION_STATES_OPEN)

    @property
    def claim_minor(self) -> int:
        """What it takes of the payment: nothing once it ended without money (the merchant has it then)."""
        return self.captured_minor if self.state in (FAILED, CANCELLED) else self.amount_minor

    @property
    def capturable_minor(self) -> int:
        """What may still be captured of this share."""
        return self.claim_minor - self.captured_minor

    @property
    def refundable_minor(self) -> int:
        """What is captured and neither refunded, being refunded, nor withdrawn by a dispute."""
        return self.captured_minor - self.refunded_minor - self.refunding_minor - self.disputed_minor

    @property
    def commission_given_back(self) -> Money:
        """What came back to the vendor of its commission, with refunds and with disputes."""
        return self.money(self.commission_refunded_minor + self.commission_disputed_minor)

    @property
    def net(self) -> Money:
        """What the vendor has of it: captured, less what went back, less the commission that was kept."""
        gone = self.refunded_minor + self.disputed_minor
        kept = self.commission_captured_minor - self.commission_given_back.minor
        return self.money(self.captured_minor - gone - kept)

    def commission_due_back(self, amount: Money) -> Money:
        """Return the commission on `amount` more of this share going back, by the running total.

        At the frozen ratio of what was captured, so that all parts together return exactly all of it; a part
        that was turned back may leave the running total one unit off, and stays within its bounds.
        """
        gone = self.refunded_minor + self.disputed_minor + amount.minor
        after = commission_due(self.captured_minor, self.commission_captured_minor, gone)
        told = self.commission_refunded_minor + self.commission_disputed_minor + self.commission_kept_minor
        return self.money(max(0, min(after - told, amount.minor)))

    @PAYMENT_TRANSACTION.edge("create")
    def create(self) -> None:
        """Begin with its payment."""

    @PAYMENT_TRANSACTION.edge("reject")
    def reject(self, reason: str, at: datetime) -> None:
        """Begin and end with its payment: the screening declined."""
        self.reason, self.closed_at = reason, at

    @PAYMENT_TRANSACTION.edge("capture_part")
    def capture_part(self, amount: Money, commission: Money, at: datetime) -> None:
        """Take a part of the share; more may follow."""
        self._take(amount, commission, at)

    @PAYMENT_TRANSACTION.edge("capture")
    def capture(self, amount: Money, commission: Money, at: datetime) -> None:
        """Take the last part of the share that will be taken; it may be nothing."""
        self._take(amount, commission, at)

    @PAYMENT_TRANSACTION.edge("complete")
    def complete(self, at: datetime) -> None:
        """Nothing more is expected of this share."""
        self.closed_at = at

    @PAYMENT_TRANSACTION.edge("fail")
    def fail(self, reason: str, at: datetime) -> None:
        """End without money."""
        self.reason, self.closed_at = reason, at

    @PAYMENT_TRANSACTION.edge("cancel")
    def cancel(self, reason: str, at: datetime) -> None:
        """End with its payment, before any of it was captured."""
        self.reason, self.closed_at = reason, at

    @PAYMENT_TRANSACTION.edge("set_refund_aside")
    def set_refund_aside(self, amount: Money) -> None:
        """Speak for what a refund will take of this share."""
        self.refunding_minor += amount.minor

    @PAYMENT_TRANSACTION.edge("free_refund")
    def free_refund(self, amount: Money) -> None:
        """Free what a refund that will not happen had spoken for."""
        self.refunding_minor -= amount.minor

    @PAYMENT_TRANSACTION.edge("refund")
    def refund(self, amount: Money, commission: Money, kept: Money) -> None:
        """Give back a part of what was captured, and of its commission, unless that is `kept`."""
        self.refunding_minor -= amount.minor
        self.refunded_minor += amount.minor
        self.commission_refunded_minor += commission.minor
        self.commission_kept_minor += kept.minor

    @PAYMENT_TRANSACTION.edge("undo_refund")
    def undo_refund(self, amount: Money, commission: Money, kept: Money) -> None:
        """Take again what a refund that failed late had given back."""
        self.refunded_minor -= amount.minor
        self.commission_refunded_minor -= commission.minor
        self.commission_kept_minor -= kept.minor

    @PAYMENT_TRANSACTION.edge("dispute")
    def dispute(self, amount: Money, commission: Money, kept: Money) -> None:
        """Bear a part of what a dispute took, less its commission."""
        self.disputed_minor += amount.minor
        self.commission_disputed_minor += commission.minor
        self.commission_kept_minor += kept.minor

    @PAYMENT_TRANSACTION.edge("undo_dispute")
    def undo_dispute(self, amount: Money, commission: Money, kept: Money) -> None:
        """Have again a part of what a dispute took."""
        self.disputed_minor -= amount.minor
        self.commission_disputed_minor -= commission.minor
        self.commission_kept_minor -= kept.minor

    def _take(self, amount: Money, commission: Money, at: datetime) -> None:
        self.captured_minor += amount.minor
        self.commission_captured_minor += commission.minor
        self.captured_at = at
