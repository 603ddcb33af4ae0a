"""ReconciliationRun, Match and Break: one comparison, what agreed, and what did not.

I-55: a statement line is matched at most once, a payout at most once, a provider operation is funded at
most once (unique keys). A break never moves money: it waits for the missing fact, or for a person.
"""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q

from ledger.errors import NotFound
from ledger.ids import uuid7
from ledger.money import Money
from ledger.recording import Recorded
from ledger.states import StateField
from settlements.models.payouts import Payout
from settlements.models.statements import BankStatement, StatementLine
from settlements.states import BREAK, MATCH, BreakState, MatchState


class BreakNotFound(NotFound):
    """No such break of this merchant."""

    code = "break_not_found"


class BreakReason(models.TextChoices):
    """Why the bank, the provider and our books do not agree."""

    STATEMENT_DOES_NOT_FOOT = "statement_does_not_foot", "The statement's own figures do not come out"
    STATEMENT_CHANGED = "statement_changed", "A statement came again with other content"
    OPENING_DIFFERS = "opening_differs", "The opening balance is not the last closing balance"
    LINE_UNEXPLAINED = "line_unexplained", "No payout and no provider report explains the line"
    AMOUNT_DIFFERS = "amount_differs", "The bank moved another amount than the payout"
    CURRENCY_DIFFERS = "currency_differs", "The bank moved another currency than the payout"
    LINE_DUPLICATE = "line_duplicate", "The bank shows a payout a second time"
    PAYOUT_NOT_PAID = "payout_not_paid", "The bank shows a payout that is not paid in our books"
    PAYOUT_NOT_ON_STATEMENT = "payout_not_on_statement", "A paid payout is not on the statement"
    REPORT_NOT_FOUND = "report_not_found", "The provider knows no such report"
    REPORT_TOTAL_DIFFERS = "report_total_differs", "The report's items do not come to the line's amount"
    OPERATION_UNKNOWN = "operation_unknown", "The report holds an operation that is not ours"
    OPERATION_DIFFERS = "operation_differs", "The report gives an operation another amount or fee"
    OPERATION_FUNDED_TWICE = "operation_funded_twice", "The report holds an operation for a second time"
    OPERATIONS_NOT_FUNDED = "operations_not_funded", "Operations are not in any report of their day"


class ReconciliationRun(models.Model):
    """One comparison of one bank account with the books."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant = models.ForeignKey("vendors.Merchant", on_delete=models.PROTECT, related_name="+")
    account = models.CharField(max_length=80)
    currency = models.CharField(max_length=3)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    lines = models.PositiveIntegerField(default=0)
    matched = models.PositiveIntegerField(default=0)
    breaks_opened = models.PositiveIntegerField(default=0)
    breaks_resolved = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = "reconciliation run"

    def __str__(self) -> str:
        return f"{self.account} {self.started_at:%Y-%m-%d %H:%M}"


class Match(Recorded):
    """A statement line and what explains it."""

    PREFIX = "mat"
    SUBJECT = "match"

    class Kind(models.TextChoices):
        """What explains the line."""

        PAYOUT = "payout", "A payout"
        FUNDING = "funding", "A provider's report"
        OPERATION = "operation", "One operation by itself"

    merchant = models.ForeignKey("vendors.Merchant", on_delete=models.PROTECT, related_name="+")
    run = models.ForeignKey(ReconciliationRun, on_delete=models.PROTECT, related_name="matches")
    line = models.OneToOneField(StatementLine, on_delete=models.PROTECT, related_name="match")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    payout = models.OneToOneField(
        Payout, on_delete=models.PROTECT, related_name="match", null=True, blank=True
    )
    provider = models.CharField(max_length=32, blank=True)
    report = models.CharField(max_length=100, blank=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = StateField(MATCH, choices=MatchState.choices)
    occurred_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "matches"
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="payout", payout__isnull=False, report="")
                | (Q(kind="funding", payout__isnull=True) & ~Q(report=""))
                | Q(kind="operation", payout__isnull=True, report=""),
                name="settlements_match_has_its_other_side",
            ),
            models.UniqueConstraint(
                fields=["merchant", "provider", "report"],
                condition=~Q(report=""),
                name="settlements_match_report_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount.display()}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @MATCH.edge("confirm_payout")
    def confirm_payout(self) -> None:
        """The line is this payout."""

    @MATCH.edge("confirm_funding")
    def confirm_funding(self) -> None:
        """The line is what the provider's report says, item by item."""

    @MATCH.edge("confirm_operation")
    def confirm_operation(self) -> None:
        """The line is one operation of ours."""

    def as_event(self) -> dict[str, Any]:
        """Return the payload of this match's events."""
        return {
            "id": self.public_id,
            "kind": self.kind,
            "amount": self.amount_minor,
            "currency": self.currency,
            "statement_line": self.line_id,
            "payout_id": self.payout.public_id if self.payout else None,
            "provider": self.provider,
            "report": self.report,
        }


class FundedOperation(models.Model):
    """A provider operation whose money reached our bank, and with which funding line."""

    id = models.BigAutoField(primary_key=True)
    match = models.ForeignKey(Match, on_delete=models.PROTECT, related_name="operations")
    operation = models.OneToOneField("payments.ProviderOperation", on_delete=models.PROTECT, related_name="+")
    amount_minor = models.BigIntegerField(help_text="Signed: a capture is positive, a refund negative.")
    fee_minor = models.BigIntegerField()

    class Meta:
        verbose_name = "funded operation"

    def __str__(self) -> str:
        return f"{self.amount_minor} less {self.fee_minor}"


class Break(Recorded):
    """Two records that should agree and do not. `key` names what it is about, so that it is opened once."""

    PREFIX = "brk"
    SUBJECT = "break"

    merchant = models.ForeignKey("vendors.Merchant", on_delete=models.PROTECT, related_name="+")
    run = models.ForeignKey(
        ReconciliationRun, on_delete=models.PROTECT, related_name="breaks", null=True, blank=True
    )
    reason = models.CharField(max_length=32, choices=BreakReason.choices)
    key = models.CharField(max_length=140)
    statement = models.ForeignKey(
        BankStatement, on_delete=models.PROTECT, related_name="breaks", null=True, blank=True
    )
    line = models.ForeignKey(
        StatementLine, on_delete=models.PROTECT, related_name="breaks", null=True, blank=True
    )
    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, related_name="breaks", null=True, blank=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    detail = models.JSONField(default=dict)
    state = StateField(BREAK, choices=BreakState.choices)
    resolution = models.TextField(blank=True)
    resolved_by = models.CharField(max_length=16, blank=True, help_text="The kind of actor who resolved it.")
    occurred_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "reason", "key"],
                condition=Q(state=BreakState.OPEN),
                name="settlements_break_open_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["merchant", "id"],
                condition=Q(state=BreakState.OPEN),
                name="settlements_break_to_resolve",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.amount.display()}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @BREAK.edge("open")
    def open(self) -> None:
        """Say that it does not agree."""

    @BREAK.edge("resolve")
    def resolve(self, resolution: str, by: str, at: datetime) -> None:
        """Say what explained it, and what kind of actor says so."""
        self.resolution, self.resolved_by = resolution, by
        self.resolved_at = at

    def as_event(self) -> dict[str, Any]:
        """Return the payload of this break's events."""
        return {
            "id": self.public_id,
            "reason": self.reason,
            "key": self.key,
            "amount": self.amount_minor,
            "currency": self.currency,
            "status": self.state,
            "resolution": self.resolution,
        }
