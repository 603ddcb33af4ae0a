"""BankStatement and StatementLine: what our bank says, kept as it was said.

I-54: a statement is accepted at most once per account and reference, a line is stored once (content hash).
Lines are written once and refuse change. A statement whose figures do not come out is held: none of its
lines is ever used.
"""

from datetime import date
from typing import Any

from django.db import models
from django.db.models import Q

from ledger.money import Money
from ledger.recording import Recorded
from ledger.states import StateField
from settlements.states import BANK_STATEMENT, StatementState


class BankStatement(Recorded):
    """One account, one period. `account` is the bank's own name for it (an IBAN as a rule)."""

    PREFIX = "bst"
    SUBJECT = "bank_statement"

    merchant = models.ForeignKey("vendors.Merchant", on_delete=models.PROTECT, related_name="+")
    account = models.CharField(max_length=80)
    currency = models.CharField(max_length=3)
    reference = models.CharField(max_length=140)
    sequence = models.BigIntegerField(default=0)
    closed_on = models.DateField(null=True, blank=True)
    opening_minor = models.BigIntegerField(null=True, blank=True)
    closing_minor = models.BigIntegerField(null=True, blank=True)
    line_count = models.PositiveIntegerField()
    content_hash = models.BinaryField(max_length=32)
    state = StateField(BANK_STATEMENT, choices=StatementState.choices)
    problem = models.TextField(blank=True)
    occurred_at = models.DateTimeField(help_text="When it was imported.")

    class Meta:
        verbose_name = "bank statement"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "account", "currency", "reference"],
                condition=Q(state=StatementState.ACCEPTED),
                name="settlements_statement_accepted_once",
            ),
            models.UniqueConstraint(
                fields=["merchant", "content_hash"], name="settlements_statement_content_once"
            ),
            models.CheckConstraint(
                condition=~Q(state=StatementState.ACCEPTED)
                | Q(opening_minor__isnull=False, closing_minor__isnull=False, closed_on__isnull=False),
                name="settlements_statement_accepted_is_whole",
            ),
        ]
        indexes = [
            models.Index(
                fields=["merchant", "account", "currency", "closed_on"], name="settlements_statement_chain"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.currency} {self.reference}"

    @BANK_STATEMENT.edge("accept")
    def accept(self, opening: Money, closing: Money, closed_on: date) -> None:
        """Its figures come out; its lines are to be explained."""
        self.opening_minor, self.closing_minor, self.closed_on = opening.minor, closing.minor, closed_on

    @BANK_STATEMENT.edge("hold")
    def hold(self, problem: str) -> None:
        """It cannot be trusted as it is."""
        self.problem = problem

    def as_event(self) -> dict[str, Any]:
        """Return the payload of this statement's events."""
        return {
            "id": self.public_id,
            "account": self.account,
            "currency": self.currency,
            "reference": self.reference,
            "closed_on": self.closed_on.isoformat() if self.closed_on else None,
            "opening": self.opening_minor,
            "closing": self.closing_minor,
            "lines": self.line_count,
            "status": self.state,
            "problem": self.problem,
        }


class StatementLine(models.Model):
    """One movement on the bank account; money that came in is positive."""

    id = models.BigAutoField(primary_key=True)
    merchant = models.ForeignKey("vendors.Merchant", on_delete=models.PROTECT, related_name="+")
    statement = models.ForeignKey(BankStatement, on_delete=models.PROTECT, related_name="lines")
    line_no = models.PositiveIntegerField()
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    booked_on = models.DateField(null=True, blank=True)
    value_on = models.DateField(null=True, blank=True)
    end_to_end_id = models.CharField(max_length=500, blank=True)
    bank_reference = models.CharField(max_length=500, blank=True)
    remittance = models.CharField(max_length=500, blank=True)
    counterparty = models.CharField(max_length=500, blank=True)
    counterparty_account = models.CharField(max_length=500, blank=True)
    content_hash = models.BinaryField(max_length=32)

    class Meta:
        verbose_name = "statement line"
        constraints = [
            models.UniqueConstraint(fields=["merchant", "content_hash"], name="settlements_line_once"),
            models.UniqueConstraint(fields=["statement", "line_no"], name="settlements_line_no_once"),
        ]

    def __str__(self) -> str:
        return f"{self.amount.display()} {self.end_to_end_id or self.remittance}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
