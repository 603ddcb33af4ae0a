"""Transfer: money moved between two accounts by one of the payment types; Hold: money set aside for that;
AmlAlert: a reason to look at a transfer.

They are changed by `ledger.transfers` only. Accounts are named without a foreign key in the database, as
postings do: the key of an account holds its merchant.
"""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import F, Q

from ledger.errors import Conflict, Invalid, NotFound
from ledger.machines import AML_ALERT, HOLD, HOLD_STATES_OPEN, TRANSFER
from ledger.models.accounts import Account
from ledger.money import Money
from ledger.recorded import Recorded
from ledger.states import StateField


class TransferNotFound(NotFound):
    """No such transfer of this merchant."""

    code = "transfer_not_found"


class HoldNotFound(NotFound):
    """No such hold of this merchant."""

    code = "hold_not_found"


class AmlAlertNotFound(NotFound):
    """No such alert."""

    code = "aml_alert_not_found"


class NotRefundable(Conflict):
    """So much of the payment is not left to be refunded."""

    code = "transfer_not_refundable"
    advice = "Refund at most what was paid and not refunded yet."


class HoldTooSmall(Invalid):
    """The hold does not keep as much as is to be committed."""

    code = "hold_too_small"
    advice = "Commit at most what remains of the hold, or transfer the rest by itself."


def _account(related_name: str = "+") -> Any:
    return models.ForeignKey(
        Account, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name=related_name
    )


class Transfer(Recorded):
    """One movement between two accounts of one merchant in one currency."""

    PREFIX = "tra"
    SUBJECT = "transfer"
    NotFound = TransferNotFound

    merchant_id = models.UUIDField()
    type = models.CharField(max_length=24)
    source = _account()
    target = _account()
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    interest_minor = models.BigIntegerField(default=0)
    refunds = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="refunded_by", db_index=False
    )
    refunded_minor = models.BigIntegerField(default=0)
    hold = models.ForeignKey(
        "ledger.Hold",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="transfers",
        db_index=False,
    )
    description = models.CharField(max_length=300, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    state = StateField(TRANSFER)
    requested_by = models.JSONField(default=dict)
    decided_by = models.JSONField(default=dict, blank=True)
    decision_reason = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "ledger_transfer"
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0) & ~Q(source=F("target")), name="ledger_transfer_moves_money"
            ),
            models.CheckConstraint(
                condition=Q(interest_minor__gte=0) & Q(interest_minor__lte=F("amount_minor")),
                name="ledger_transfer_interest_within_amount",
            ),
            models.CheckConstraint(
                condition=Q(refunded_minor__gte=0) & Q(refunded_minor__lte=F("amount_minor")),
                name="ledger_transfer_refunded_within_amount",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant_id", "id"], name="ledger_transfer_by_merchant"),
            models.Index(fields=["source", "created_at"], name="ledger_transfer_by_source"),
            models.Index(fields=["target", "id"], name="ledger_transfer_by_target"),
            models.Index(fields=["hold"], condition=Q(hold__isnull=False), name="ledger_transfer_by_hold"),
            models.Index(
                fields=["refunds"], condition=Q(refunds__isnull=False), name="ledger_transfer_by_refunded"
            ),
            models.Index(fields=["merchant_id", "state", "id"], name="ledger_transfer_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.type.replace('_', ' ')} {self.public_id}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def interest(self) -> Money:
        return Money(self.interest_minor, self.currency)

    @TRANSFER.edge("complete")
    def complete(self, at: datetime) -> None:
        """Move the money at once."""
        self.closed_at = at

    @TRANSFER.edge("open_review")
    def open_review(self) -> None:
        """Wait for a person, the money being held."""

    @TRANSFER.edge("approve")
    def approve(self, by: dict[str, str], reason: str, at: datetime) -> None:
        """Move the money after a person looked."""
        self._close(by, reason, at)

    @TRANSFER.edge("reject")
    def reject(self, by: dict[str, str], reason: str, at: datetime) -> None:
        """Leave the money where it is."""
        self._close(by, reason, at)

    @TRANSFER.edge("count_refund")
    def count_refund(self, amount: Money) -> None:
        """Speak for a part of what was paid.

        :raises NotRefundable: less is left.
        """
        left = self.amount_minor - self.refunded_minor
        if amount.minor > left:
            raise NotRefundable(
                f"{Money(left, self.currency).display()} is left of payment {self.public_id}", param="amount"
            )
        self.refunded_minor += amount.minor

    @TRANSFER.edge("uncount_refund")
    def uncount_refund(self, amount: Money) -> None:
        """Leave a part to other refunds again."""
        self.refunded_minor -= amount.minor

    def _close(self, by: dict[str, str], reason: str, at: datetime) -> None:
        self.decided_by, self.decision_reason, self.closed_at = by, reason, at


class Hold(Recorded):
    """Money of one account set aside, for a transfer to come or for one that is being reviewed.

    What it keeps (`remaining`) is part of the account's `held` while it is open.
    """

    PREFIX = "hld"
    SUBJECT = "hold"
    NotFound = HoldNotFound

    merchant_id = models.UUIDField()
    type = models.CharField(max_length=24)
    account = _account()
    target = _account()
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    committed_minor = models.BigIntegerField(default=0)
    reviews = models.ForeignKey(
        Transfer, on_delete=models.PROTECT, null=True, blank=True, related_name="review_holds", db_index=False
    )
    description = models.CharField(max_length=300, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    state = StateField(HOLD)
    requested_by = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "ledger_hold"
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0)
                & Q(committed_minor__gte=0)
                & Q(committed_minor__lte=F("amount_minor")),
                name="ledger_hold_committed_within_amount",
            ),
            # A person's look takes the time it takes; whatever else is held ends by itself.
            models.CheckConstraint(
                condition=Q(expires_at__isnull=False, reviews__isnull=True)
                | Q(expires_at__isnull=True, reviews__isnull=False),
                name="ledger_hold_expires_unless_reviewed",
            ),
            models.UniqueConstraint(
                fields=["reviews"], condition=Q(reviews__isnull=False), name="ledger_hold_one_per_review"
            ),
        ]
        indexes = [
            models.Index(fields=["merchant_id", "id"], name="ledger_hold_by_merchant"),
            models.Index(fields=["account", "id"], name="ledger_hold_by_account"),
            models.Index(
                fields=["expires_at"],
                condition=Q(state__in=HOLD_STATES_OPEN, expires_at__isnull=False),
                name="ledger_hold_due",
            ),
        ]

    def __str__(self) -> str:
        return f"hold {self.public_id}"

    @property
    def is_open(self) -> bool:
        return self.state in HOLD_STATES_OPEN

    @property
    def remaining(self) -> Money:
        """What it still keeps: nothing once it is closed."""
        left = self.amount_minor - self.committed_minor if self.is_open else 0
        return Money(left, self.currency)

    @HOLD.edge("place")
    def place(self) -> None:
        """Begin to keep the money."""

    @HOLD.edge("commit_part")
    def commit_part(self, amount: Money) -> None:
        """Give a part away for good."""
        self._take(amount)

    @HOLD.edge("commit")
    def commit(self, amount: Money, at: datetime) -> None:
        """Give the last of it away for good."""
        self._take(amount, at)

    @HOLD.edge("pass_part")
    def pass_part(self, amount: Money) -> None:
        """Leave a part to the hold of a review."""
        self._take(amount)

    @HOLD.edge("pass_on")
    def pass_on(self, amount: Money, at: datetime) -> None:
        """Leave the last of it to the hold of a review."""
        self._take(amount, at)

    @HOLD.edge("void")
    def void(self, at: datetime) -> None:
        """Let go of what remains."""
        self.closed_at = at

    @HOLD.edge("expire")
    def expire(self, at: datetime) -> None:
        """Let go of what remains, because the time is over."""
        self.closed_at = at

    def _take(self, amount: Money, closed_at: datetime | None = None) -> None:
        """:raises HoldTooSmall: it keeps less."""
        if amount > self.remaining:
            raise HoldTooSmall(f"{self.remaining.display()} remains of hold {self.public_id}", param="amount")
        self.committed_minor += amount.minor
        self.closed_at = closed_at


class AmlAlert(Recorded):
    """A reason to look at a transfer, found by a rule against money laundering; a person decides."""

    PREFIX = "aml"
    SUBJECT = "aml_alert"
    NotFound = AmlAlertNotFound

    merchant_id = models.UUIDField()
    rule = models.CharField(max_length=32)
    transfer = models.ForeignKey(Transfer, on_delete=models.PROTECT, related_name="alerts")
    account = _account()
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    observed = models.JSONField()
    holds_transfer = models.BooleanField()

    state = StateField(AML_ALERT)
    decided_by = models.JSONField(default=dict, blank=True)
    decision_reason = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "ledger_amlalert"
        verbose_name = "AML alert"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "rule"],
                condition=Q(state="open", holds_transfer=False),
                name="ledger_amlalert_one_open_per_pattern",
            ),
        ]
        indexes = [models.Index(fields=["state", "id"], name="ledger_amlalert_by_state")]

    def __str__(self) -> str:
        return f"{self.rule.replace('_', ' ')} {self.public_id}"

    @AML_ALERT.edge("raise_alert")
    def raise_alert(self) -> None:
        """Ask for a person's look."""

    @AML_ALERT.edge("clear")
    def clear(self, by: dict[str, str], reason: str, at: datetime) -> None:
        """Find nothing wrong."""
        self._decide(by, reason, at)

    @AML_ALERT.edge("uphold")
    def uphold(self, by: dict[str, str], reason: str, at: datetime) -> None:
        """Find that the suspicion stands."""
        self._decide(by, reason, at)

    def _decide(self, by: dict[str, str], reason: str, at: datetime) -> None:
        self.decided_by, self.decision_reason, self.decided_at = by, reason, at
