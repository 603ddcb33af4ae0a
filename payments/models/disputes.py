"""Dispute: a payer's bank takes captured money back, and what we answer; one row per dispute of a provider.

The state is the provider's word; money follows its movements (`withheld_minor` is what it took and has not
given back). Of that, `covered_minor` is captured money of the payment that nothing else had given back; what
exceeds it the merchant alone bears. `response` is our own answer, an axis of its own. Evidence is kept as it
was given; what was submitted names its operation.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db import models
from django.db.models import F, Q

from ledger.errors import NotFound
from ledger.ids import show, uuid7
from ledger.money import Money
from ledger.recording import Recorded
from ledger.states import StateField
from payments.states import DISPUTE, DISPUTE_STATES_OPEN

if TYPE_CHECKING:
    from payments.models.operations import ProviderOperation

WARN_DAYS: Final = (14, 7, 3, 1)  # before the evidence is due, the first first


class DisputeNotFound(NotFound):
    """No such dispute for this merchant."""

    code = "dispute_not_found"


class DisputeEvidenceNotFound(NotFound):
    """No such piece of evidence for this merchant."""

    code = "dispute_evidence_not_found"


class Response(models.TextChoices):
    """Our answer to the stage that a dispute is in."""

    NONE = "none", "None yet"
    CHALLENGING = "challenging", "Challenge is being sent"
    CHALLENGED = "challenged", "Challenged"
    ACCEPTING = "accepting", "Acceptance is being sent"
    ACCEPTED = "accepted", "Accepted"


class Dispute(Recorded):
    """One dispute of one payment."""

    PREFIX = "dsp"
    SUBJECT = "dispute"
    NotFound = DisputeNotFound

    # Set by selectors and services, not columns.
    share_rows: list["DisputeShare"]
    evidence_rows: list["DisputeEvidence"]
    last_operation: "ProviderOperation"

    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    payment = models.ForeignKey("payments.Payment", on_delete=models.PROTECT, related_name="disputes")
    number = models.CharField(max_length=24)
    provider = models.CharField(max_length=32)
    provider_reference = models.CharField(max_length=100)
    provider_version = models.BigIntegerField(default=0)  # of the newest word of the provider that was taken
    scheme = models.CharField(max_length=16, blank=True)
    reason_code = models.CharField(max_length=32, blank=True)
    category = models.CharField(max_length=32)

    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    withheld_minor = models.BigIntegerField(default=0)  # withdrawn and not reinstated
    covered_minor = models.BigIntegerField(default=0)  # of it: captured money of the payment
    settled_minor = models.BigIntegerField(default=0)  # of it: given up, the dispute being over
    fee_minor = models.BigIntegerField(default=0)  # what the provider charged for it, less what it returned

    state = StateField(DISPUTE)
    response = models.CharField(max_length=16, choices=Response, default=Response.NONE)
    submissions = models.PositiveSmallIntegerField(default=0)
    warned_days = models.PositiveSmallIntegerField(null=True, blank=True)  # the last warning that was given
    failure_code = models.CharField(max_length=64, blank=True)

    opened_at = models.DateTimeField()  # as the provider tells
    due_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "provider_reference"], name="payments_dispute_once"),
            models.UniqueConstraint(fields=["merchant", "number"], name="payments_dispute_number"),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0) & Q(currency__regex=r"^[A-Z]{3}$"),
                name="payments_dispute_amount_positive",
            ),
            models.CheckConstraint(
                condition=Q(withheld_minor__gte=0, withheld_minor__lte=F("amount_minor"))
                & Q(covered_minor__gte=0, covered_minor__lte=F("withheld_minor"))
                & Q(settled_minor__gte=0, settled_minor__lte=F("withheld_minor")),
                name="payments_dispute_amounts_nest",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "id"], name="payments_dispute_by_merchant"),
            models.Index(fields=["merchant", "state", "id"], name="payments_dispute_by_state"),
            models.Index(
                fields=["due_at"],
                condition=Q(state__in=["inquiry", "chargeback", "pre_arbitration"]),
                name="payments_dispute_due",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    def money(self, minor: int) -> Money:
        """Return an amount in this dispute's currency."""
        return Money(minor, self.currency)

    @property
    def amount(self) -> Money:
        return self.money(self.amount_minor)

    @property
    def withheld(self) -> Money:
        return self.money(self.withheld_minor)

    @property
    def is_open(self) -> bool:
        return bool(self.state in DISPUTE_STATES_OPEN)

    @property
    def awaits_answer(self) -> bool:
        """The provider waits for our answer, and none is given or under way."""
        return self.is_open and self.response == Response.NONE

    def seconds_left(self, at: datetime) -> int | None:
        """Return how long evidence may still be given; negative when it is too late, None without a date."""
        return None if self.due_at is None else int((self.due_at - at).total_seconds())

    def days_left(self, at: datetime) -> int | None:
        """Return the whole days that are left, rounded up; 0 or less: the date has passed."""
        seconds = self.seconds_left(at)
        return None if seconds is None else -(-seconds // 86_400)

    def warning_due(self, at: datetime) -> int | None:
        """Return the warning (in days) that is to be given now, if one is: the nearest not yet given."""
        if self.due_at is None or not self.awaits_answer or at >= self.due_at:
            return None
        reached = [days for days in WARN_DAYS if at >= self.due_at - timedelta(days=days)]
        if not reached or (self.warned_days is not None and self.warned_days <= reached[-1]):
            return None
        return reached[-1]

    # --- the provider's word ------------------------------------------------------------------------------
    @DISPUTE.edge("open_inquiry")
    def open_inquiry(self) -> None:
        """Begin as a question: no money is taken yet."""

    @DISPUTE.edge("open_chargeback")
    def open_chargeback(self) -> None:
        """Begin as a chargeback."""

    @DISPUTE.edge("open_pre_arbitration")
    def open_pre_arbitration(self) -> None:
        """Begin in pre-arbitration: what was before was never told."""

    @DISPUTE.edge("escalate")
    def escalate(self) -> None:
        """The question became a chargeback: a new answer is needed."""
        self._begin_stage()

    @DISPUTE.edge("escalate_again")
    def escalate_again(self) -> None:
        """The payer's bank did not accept our answer: a new one is needed."""
        self._begin_stage()

    @DISPUTE.edge("win")
    def win(self, at: datetime) -> None:
        """Decided for us."""
        self.closed_at = at

    @DISPUTE.edge("lose")
    def lose(self, at: datetime) -> None:
        """Decided against us."""
        self.closed_at = at

    @DISPUTE.edge("accept")
    def accept(self, at: datetime) -> None:
        """We gave in."""
        self.closed_at, self.response = at, Response.ACCEPTED

    @DISPUTE.edge("close")
    def close(self, at: datetime) -> None:
        """Ended without a decision: answered, or taken back."""
        self.closed_at = at

    @DISPUTE.edge("revise")
    def revise(self) -> None:
        """The provider changed a fact: the date, the reason or the amount."""

    def note_facts(self, *, version: int, due_at: datetime | None, reason_code: str, category: str) -> None:
        """Keep what the provider tells besides the stage, as part of a step; a later date warns anew."""
        if due_at is not None and (self.due_at is None or due_at > self.due_at):
            self.warned_days = None
        self.provider_version, self.due_at = version, due_at
        self.reason_code, self.category = reason_code, category

    # --- money --------------------------------------------------------------------------------------------
    @DISPUTE.edge("withdraw")
    def withdraw(self, amount: Money, covered: Money, fee: Money) -> None:
        """The provider took money; `covered` of it was captured and not yet given back."""
        self.withheld_minor += amount.minor
        self.amount_minor = max(self.amount_minor, self.withheld_minor)
        self.covered_minor += covered.minor
        self.fee_minor += fee.minor

    @DISPUTE.edge("reinstate")
    def reinstate(self, amount: Money, covered: Money, fee: Money) -> None:
        """The provider gave money back; what was given up of it is not given up any more."""
        self.withheld_minor -= amount.minor
        self.covered_minor -= covered.minor
        self.settled_minor -= min(self.settled_minor, amount.minor)
        self.fee_minor += fee.minor

    @DISPUTE.edge("settle")
    def settle(self) -> None:
        """What is withheld will not come back."""
        self.settled_minor = self.withheld_minor

    # --- our answer ---------------------------------------------------------------------------------------
    @DISPUTE.edge("add_evidence")
    def add_evidence(self) -> None:
        """A piece of evidence was added."""

    @DISPUTE.edge("ask_answer")
    def ask_answer(self, response: Response) -> None:
        """Our answer goes to the provider."""
        self.response, self.failure_code = response, ""

    @DISPUTE.edge("answer")
    def answer(self, response: Response) -> None:
        """The provider has our answer."""
        self.response = response
        self.submissions += response == Response.CHALLENGED

    @DISPUTE.edge("fail_answer")
    def fail_answer(self, code: str) -> None:
        """The provider did not take our answer."""
        self.response, self.failure_code = Response.NONE, code

    @DISPUTE.edge("warn")
    def warn(self, days: int) -> None:
        """The answer is due soon."""
        self.warned_days = days

    def _begin_stage(self) -> None:
        self.response, self.warned_days, self.closed_at = Response.NONE, None, None


class DisputeShare(models.Model):
    """What one vendor bears of a dispute now, and the commission returned to that vendor for it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="shares", db_index=False)
    transaction = models.ForeignKey(
        "payments.PaymentTransaction", on_delete=models.PROTECT, related_name="dispute_shares"
    )
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField(default=0)
    commission_back_minor = models.BigIntegerField(default=0)
    commission_kept_minor = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["dispute", "transaction"], name="payments_disputeshare_one_per_share"
            ),
            models.CheckConstraint(
                condition=Q(commission_back_minor__gte=0, commission_kept_minor__gte=0)
                & Q(amount_minor__gte=F("commission_back_minor") + F("commission_kept_minor")),
                name="payments_disputeshare_amounts",
            ),
        ]

    def __str__(self) -> str:
        return f"{Money(self.amount_minor, self.currency).display()} of {self.dispute_id}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


class DisputeEvidence(models.Model):
    """One piece of evidence: a text or a file, as it was given."""

    PREFIX = "dev"
    NotFound = DisputeEvidenceNotFound

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="evidence")
    kind = models.CharField(max_length=40)
    text = models.TextField(blank=True)
    filename = models.CharField(max_length=120, blank=True)
    media_type = models.CharField(max_length=64, blank=True)
    content = models.BinaryField(default=b"", editable=False)
    size_bytes = models.PositiveIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    added_by = models.JSONField(default=dict)
    added_at = models.DateTimeField()
    operation = models.ForeignKey(
        "payments.ProviderOperation",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="evidence",
    )

    class Meta:
        verbose_name_plural = "dispute evidence"
        constraints = [
            models.CheckConstraint(
                condition=(Q(text="") & ~Q(sha256="") & Q(size_bytes__gt=0))
                | (~Q(text="") & Q(sha256="", size_bytes=0)),
                name="payments_disputeevidence_file_or_text",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.dispute_id}"

    @property
    def public_id(self) -> str:
        return show(self.PREFIX, self.id)

    @property
    def is_submitted(self) -> bool:
        return self.operation_id is not None
