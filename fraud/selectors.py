"""The read queries of this app. Every one takes the merchant, or `ALL` for staff, except by key."""

import uuid
from typing import Final

from django.db.models import Q

from fraud.models import FraudCheck, RiskRule

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
