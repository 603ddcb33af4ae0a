"""FraudCheck and FraudReview: what was judged, on what grounds, and what a person made of it.

A check holds the request's amount, the features as they were, every finding with observed figure and
threshold, and how long it took: it can be explained without asking anything else. It names the payment by
public id; fraud knows nothing of payments. Upholds I-F1 to I-F3 (README) by constraints.
"""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from fraud.engine.types import SCORE_MAX, Decision, Finding, Judgement, Level, Verdict
from fraud.states import FRAUD_CHECK, FRAUD_REVIEW, CheckState, ReviewState
from ledger.actors import Actor
from ledger.errors import Invalid
from ledger.ids import show
from ledger.money import Money
from ledger.recording import Recorded
from ledger.states import StateField

REASON_MIN, REASON_MAX = 3, 1_000


class ReasonMissing(Invalid):
    """A verdict of a person without a reason."""

    code = "reason_missing"
    advice = f"Give a reason of {REASON_MIN} to {REASON_MAX} characters."


class FraudCheck(Recorded):
    """The judgement on one payment; one per payment and merchant."""

    PREFIX = "fc"
    SUBJECT = "fraud_check"

    merchant = models.ForeignKey(
        "vendors.Merchant",
        on_delete=models.PROTECT,
        db_index=False,  # two indexes begin with it
        related_name="+",
    )
    payment_ref = models.CharField(max_length=40)
    state = StateField(FRAUD_CHECK)
    decision = models.CharField(max_length=8, choices=[(d.value, d.value) for d in Decision])
    score = models.PositiveSmallIntegerField()
    level = models.CharField(max_length=8, choices=[(level.value, level.value) for level in Level])
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    customer_key = models.CharField(max_length=32, null=True)
    findings = models.JSONField(default=list)
    features = models.JSONField(default=dict)
    rules_token = models.CharField(max_length=80)
    is_degraded = models.BooleanField(default=False)
    duration_us = models.PositiveIntegerField()
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "fraud_check"
        constraints = [
            models.UniqueConstraint(fields=["merchant", "payment_ref"], name="fraud_check_one_per_payment"),
            models.CheckConstraint(
                condition=Q(score__gte=0, score__lte=SCORE_MAX), name="fraud_check_score_in_thousandths"
            ),
            models.CheckConstraint(
                condition=Q(decision=Decision.REVIEW)
                | Q(decision=Decision.APPROVE, state=CheckState.APPROVED)
                | Q(decision=Decision.DECLINE, state=CheckState.DECLINED),
                name="fraud_check_state_follows_decision",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "customer_key", "occurred_at"], name="fraud_check_by_customer"),
        ]

    def __str__(self) -> str:
        return f"check of {self.payment_ref}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    def verdict(self) -> Verdict:
        """Return the answer to the one who asked, the same each time."""
        reasons = tuple(Finding.from_json(stored) for stored in self.findings)
        return Verdict(Decision(self.decision), self.score, Level(self.level), reasons, self.id)

    def keep(self, judgement: Judgement) -> None:
        """Take over a judgement, by the edge that its decision names."""
        move = {
            Decision.APPROVE: self.approve,
            Decision.REVIEW: self.refer,
            Decision.DECLINE: self.decline,
        }[judgement.decision]
        move(judgement)

    @FRAUD_CHECK.edge("approve")
    def approve(self, judgement: Judgement) -> None:
        self._take(judgement)

    @FRAUD_CHECK.edge("refer")
    def refer(self, judgement: Judgement) -> None:
        self._take(judgement)

    @FRAUD_CHECK.edge("decline")
    def decline(self, judgement: Judgement) -> None:
        self._take(judgement)

    @FRAUD_CHECK.edge("clear")
    def clear(self) -> None:
        """A person found nothing wrong; the engine's decision and score stay as they were."""

    @FRAUD_CHECK.edge("refuse")
    def refuse(self) -> None:
        """A person refused, or nobody looked in time."""

    def as_event(self) -> dict[str, Any]:
        """Return what is announced: no key, no figure of the customer's."""
        return {
            "id": self.public_id,
            "payment": self.payment_ref,
            "decision": self.decision,
            "score": self.score,
            "level": self.level,
            "rules": sorted({finding["rule"] for finding in self.findings}),
            "amount": self.amount.as_json(),
        }

    def _take(self, judgement: Judgement) -> None:
        self.decision = judgement.decision
        self.score = judgement.score
        self.level = judgement.level
        self.findings = [finding.as_json() for finding in judgement.findings]


class FraudReview(Recorded):
    """A person's second look at a check, open until decided or until `expires_at`."""

    PREFIX = "fr"
    SUBJECT = "fraud_review"

    merchant = models.ForeignKey("vendors.Merchant", on_delete=models.PROTECT, related_name="+")
    fraud_check = models.OneToOneField(FraudCheck, on_delete=models.PROTECT, related_name="review")
    payment_ref = models.CharField(max_length=40)
    state = StateField(FRAUD_REVIEW)
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=150, blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        db_table = "fraud_review"
        constraints = [
            models.CheckConstraint(
                condition=Q(state=ReviewState.OPEN, decided_at=None)
                | (~Q(state=ReviewState.OPEN) & Q(decided_at__isnull=False)),
                name="fraud_review_decided_has_a_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], condition=Q(state=ReviewState.OPEN), name="fraud_review_open"
            ),
            models.Index(fields=["payment_ref"], name="fraud_review_by_payment"),
        ]

    def __str__(self) -> str:
        return f"review of {self.payment_ref}"

    @FRAUD_REVIEW.edge("open")
    def open(self) -> None:
        """Ask for a person."""

    @FRAUD_REVIEW.edge("approve")
    def approve(self, actor: Actor, reason: str, at: datetime) -> None:
        """Let the payment go on.

        :raises ReasonMissing: no reason was given.
        """
        self._decide(actor, reason, at)

    @FRAUD_REVIEW.edge("decline")
    def decline(self, actor: Actor, reason: str, at: datetime) -> None:
        """Refuse the payment.

        :raises ReasonMissing: no reason was given.
        """
        self._decide(actor, reason, at)

    @FRAUD_REVIEW.edge("expire")
    def expire(self, actor: Actor, at: datetime) -> None:
        """Nobody looked in time: the payment is refused, never let through by silence."""
        self._decide(actor, "not reviewed in time", at)

    def as_event(self) -> dict[str, Any]:
        """Return what is announced; `payment` is the payment's public id."""
        return {
            "id": self.public_id,
            "payment": self.payment_ref,
            "check": show(FraudCheck.PREFIX, self.fraud_check_id),
            "decided_by": self.decided_by,
        }

    def _decide(self, actor: Actor, reason: str, at: datetime) -> None:
        text = reason.strip()
        if not REASON_MIN <= len(text) <= REASON_MAX:
            raise ReasonMissing("a review is decided with a reason", param="reason")
        self.decided_by = actor.label or actor.id
        self.reason = text
        self.decided_at = at
