"""Pure: how long an authorization and a challenge stand.

What the provider says of the authorization itself goes first; then the brand's own time, as far as one is
listed; then the house's (`PAYMENT_AUTHORIZATION_DAYS`). None may be longer than what the house allows.
"""

from datetime import UTC, datetime, timedelta

from django.conf import settings

from payments.models import Payment
from payments.providers.outcomes import AUTHORIZED_UNTIL, Approved


def authorized_until(payment: Payment, outcome: Approved, at: datetime) -> datetime:
    """Return when an authorization given at `at` lapses."""
    told = _told(outcome)
    if told is not None and told > at:
        return told
    days = settings.PAYMENT_AUTHORIZATION_DAYS_OF_BRAND.get(
        payment.method_brand, settings.PAYMENT_AUTHORIZATION_DAYS
    )
    return at + timedelta(days=days)


def challenge_until(at: datetime) -> datetime:
    """Return until when the customer may act, where the provider sets no time."""
    return at + timedelta(minutes=settings.PAYMENT_ACTION_MINUTES)


def _told(outcome: Approved) -> datetime | None:
    text = outcome.details.get(AUTHORIZED_UNTIL) or ""
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        return None
    return told if told.tzinfo is not None else told.replace(tzinfo=UTC)
