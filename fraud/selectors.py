"""The read queries of this app. Every one takes the merchant, or `ALL` for staff, except by key."""

import uuid
from datetime import datetime
from typing import Final

from django.db.models import Count, Q, QuerySet

from fraud.models import FraudCheck, FraudReview, RiskRule
from fraud.states import ReviewState

ALL: Final = None
"""Staff ask for every merchant by name, never by leaving something out."""


def rule_rows(merchant_id: uuid.UUID) -> list[RiskRule]:
    """Return every version of the house's rules and of one merchant's that has not ended before the last."""
    return list(
        RiskRule.objects.filter(Q(merchant_id=merchant_id) | Q(merchant_id=None)).order_by("code", "version")
    )


def check_of(merchant_id: uuid.UUID, payment_ref: str) -> FraudCheck | None:
    """Return the check of a payment, if it was screened."""
    return FraudCheck.objects.filter(merchant_id=merchant_id, payment_ref=payment_ref).first()


def open_reviews(merchant_id: uuid.UUID | None) -> QuerySet[FraudReview]:
    """Return the reviews that wait for a person, the first to expire first."""
    waiting = FraudReview.objects.filter(state=ReviewState.OPEN)
    if merchant_id is not ALL:
        waiting = waiting.filter(merchant_id=merchant_id)
    return waiting.select_related("fraud_check", "merchant").order_by("expires_at", "id")


def decisions_since(since: datetime) -> dict[str, int]:
    """Return how many checks came to each decision since a time, over all merchants (dashboard)."""
    counted = FraudCheck.objects.filter(occurred_at__gte=since).values("decision").annotate(n=Count("id"))
    return {row["decision"]: row["n"] for row in counted}
