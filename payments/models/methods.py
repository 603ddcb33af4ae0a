"""PaymentMethod: what a customer pays with, as far as it may be shown; its number lies in the vault.

One method of a customer is the default (I-100), kept by a partial unique index. `ProviderToken` is what a
provider calls the method. Neither holds a card number, an account number or a security code.
"""

from datetime import datetime
from typing import Final

from django.db import models
from django.db.models import Q

from ledger.errors import NotFound
from ledger.ids import uuid7
from ledger.recording import Recorded
from ledger.states import StateField
from payments.models.payment_choices import MethodType
from payments.states import PAYMENT_METHOD

ACCOUNT_TYPES: Final = ("checking", "savings")
CRYPTO_NETWORKS: Final = ("bitcoin",)


class PaymentMethodNotFound(NotFound):
    """No such payment method for this merchant."""

    code = "payment_method_not_found"


class Verification(models.TextChoices):
    """How a method was, or is being, verified."""

    NONE = "", "Not"
    ZERO_AMOUNT = "zero_amount", "Authorization of nothing"
    MICRO_DEPOSITS = "micro_deposits", "Two small deposits"
    MERCHANT = "merchant", "The merchant's own checks"


class PaymentMethod(Recorded):
    """One method of one customer of one merchant."""

    PREFIX = "pm"
    SUBJECT = "payment_method"
    LIVES_ON = True
    UNTOLD = frozenset({"holder"})
    NotFound = PaymentMethodNotFound

    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    customer_ref = models.CharField(max_length=100)
    kind = models.CharField(max_length=16, choices=MethodType.choices)
    state = StateField(PAYMENT_METHOD)
    is_default = models.BooleanField(default=False)

    vault_token = models.CharField(max_length=40, blank=True)
    fingerprint = models.CharField(max_length=40, blank=True)
    brand = models.CharField(max_length=32, blank=True)
    last4 = models.CharField(max_length=4, blank=True)
    bin = models.CharField(max_length=8, blank=True)
    exp_month = models.PositiveSmallIntegerField(null=True, blank=True)
    exp_year = models.PositiveSmallIntegerField(null=True, blank=True)
    holder = models.CharField(max_length=150, blank=True)
    country = models.CharField(max_length=2, blank=True)
    institution = models.CharField(max_length=100, blank=True)
    details = models.JSONField(default=dict, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    verification = models.CharField(max_length=16, choices=Verification.choices, blank=True)
    verification_count = models.PositiveSmallIntegerField(default=0)  # numbers the legs of what is asked
    verification_tries = models.PositiveSmallIntegerField(default=0)  # wrong amounts told
    verification_code = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=300, blank=True)  # what the merchant says of a change

    created_at = models.DateTimeField()
    verified_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "customer_ref"],
                condition=Q(is_default=True),
                name="payments_method_one_default",
            ),
            models.CheckConstraint(
                condition=Q(removed_at__isnull=True)
                | Q(state="removed", is_default=False, vault_token="", holder=""),
                name="payments_method_removed_is_bare",
            ),
            models.CheckConstraint(
                condition=(~Q(state="removed")) | Q(removed_at__isnull=False),
                name="payments_method_removed_has_time",
            ),
            models.CheckConstraint(condition=Q(last4__regex=r"^.{0,4}$"), name="payments_method_last4"),
        ]
        indexes = [
            models.Index(fields=["merchant", "customer_ref", "id"], name="payments_method_by_customer"),
            models.Index(
                fields=["merchant", "fingerprint"],
                condition=~Q(fingerprint=""),
                name="payments_method_by_fingerprint",
            ),
        ]

    def __str__(self) -> str:
        what = self.brand or self.institution or self.get_kind_display()
        return f"{what} ···{self.last4}" if self.last4 else what

    def is_expired(self, at: datetime) -> bool:
        """Say whether the card's last month is over."""
        if self.exp_year is None or self.exp_month is None:
            return False
        return (self.exp_year, self.exp_month) < (at.year, at.month)

    # --- birth and end ------------------------------------------------------------------------------------
    @PAYMENT_METHOD.edge("add")
    def add(self, *, is_default: bool) -> None:
        """Begin, not verified."""
        self.is_default = is_default

    @PAYMENT_METHOD.edge("remove")
    def remove(self, reason: str, at: datetime) -> None:
        """End: what may be shown stays, what names the holder and opens the vault goes."""
        self.reason, self.removed_at = reason, at
        self.is_default, self.vault_token, self.holder = False, "", ""

    # --- the customer's default ---------------------------------------------------------------------------
    @PAYMENT_METHOD.edge("make_default")
    def make_default(self) -> None:
        """Become what the customer pays with unless something else is said."""
        self.is_default = True

    @PAYMENT_METHOD.edge("unmake_default")
    def unmake_default(self) -> None:
        """Give way to another default."""
        self.is_default = False

    # --- verification -------------------------------------------------------------------------------------
    @PAYMENT_METHOD.edge("start_verification")
    def start_verification(self, how: str) -> None:
        """Ask somebody whether it is good."""
        self.verification, self.verification_code, self.reason = how, "", ""
        self.verification_count += 1
        self.verification_tries = 0

    @PAYMENT_METHOD.edge("deposit")
    def note_deposit(self) -> None:
        """A small deposit was made to the account."""

    @PAYMENT_METHOD.edge("miss_amounts")
    def miss_amounts(self) -> None:
        """Count a wrong guess of what was deposited."""
        self.verification_tries += 1

    @PAYMENT_METHOD.edge("verify")
    def verify(self, at: datetime, how: str, reason: str = "") -> None:
        """It is good."""
        self.verification, self.verified_at, self.verification_code = how, at, ""
        self.reason = reason

    @PAYMENT_METHOD.edge("fail")
    def fail(self, how: str, code: str, reason: str) -> None:
        """It is not."""
        self.verification, self.verification_code, self.reason = how, code, reason[:300]
        self.verified_at = None


class ProviderToken(models.Model):
    """What one provider calls a payment method; deleted with it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    method = models.ForeignKey(
        PaymentMethod, on_delete=models.PROTECT, related_name="provider_tokens", db_index=False
    )
    provider = models.CharField(max_length=32)
    token = models.CharField(max_length=255)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["method", "provider"], name="payments_providertoken_once"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} of {self.method_id}"
