"""Machines of FraudCheck and FraudReview.

A check is born with its verdict; only one that waits for a person moves again, together with its review.
"""

from typing import Final

from django.db.models import TextChoices

from ledger.states import NEW, Edge, Machine


class CheckState(TextChoices):
    """What a check has come to."""

    APPROVED = "approved"
    IN_REVIEW = "in_review"
    DECLINED = "declined"


class ReviewState(TextChoices):
    """Where a manual review stands."""

    OPEN = "open"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"


class Outcome(TextChoices):
    """What became of an attempt, as far as fraud has heard."""

    ASKED = "asked"
    CAPTURED = "captured"
    FAILED = "failed"
    CANCELLED = "cancelled"


FRAUD_CHECK: Final = Machine(
    "fraud_check",
    edges=[
        Edge("approve", {NEW}, CheckState.APPROVED, "fraud.check_approved"),
        Edge("refer", {NEW}, CheckState.IN_REVIEW, "fraud.check_referred"),
        Edge("decline", {NEW}, CheckState.DECLINED, "fraud.check_declined"),
        Edge("clear", {CheckState.IN_REVIEW}, CheckState.APPROVED, "fraud.check_cleared"),
        Edge("refuse", {CheckState.IN_REVIEW}, CheckState.DECLINED, "fraud.check_refused"),
    ],
)

FRAUD_REVIEW: Final = Machine(
    "fraud_review",
    edges=[
        Edge("open", {NEW}, ReviewState.OPEN, "fraud.review_opened"),
        Edge("approve", {ReviewState.OPEN}, ReviewState.APPROVED, "fraud.review_approved", by="staff"),
        Edge("decline", {ReviewState.OPEN}, ReviewState.DECLINED, "fraud.review_declined", by="staff"),
        Edge("expire", {ReviewState.OPEN}, ReviewState.EXPIRED, "fraud.review_expired", by="system"),
    ],
)
