"""The read queries of incoming webhooks."""

from datetime import datetime
from uuid import UUID

from django.db.models import Min, QuerySet

from payments import states
from payments.models import ProviderWebhook
from payments.models.webhooks import ProviderWebhookNotFound
from payments.selectors import ALL, Whose, of_merchant, the_one


def webhooks(merchant_id: Whose) -> QuerySet[ProviderWebhook]:
    """Return incoming webhooks with their operation, unordered; a merchant sees those about its own money."""
    return of_merchant(merchant_id, ProviderWebhook.objects.select_related("operation__payment"))


def webhooks_of_payment(merchant_id: Whose, payment_id: UUID) -> QuerySet[ProviderWebhook]:
    """Return what providers said of a payment's operations, unordered."""
    return webhooks(merchant_id).filter(operation__payment_id=payment_id)


def webhook_backlog(at: datetime) -> tuple[float, int]:
    """Return how late the oldest message is that should have been applied, in seconds, and how many of the
    dead letters nobody has decided on."""
    oldest = ProviderWebhook.objects.filter(state=states.RECEIVED).aggregate(oldest=Min("apply_at"))["oldest"]
    late = max(0.0, (at - oldest).total_seconds()) if oldest else 0.0
    return late, dead_webhooks(ALL).count()


def dead_webhooks(merchant_id: Whose, provider: str = "") -> QuerySet[ProviderWebhook]:
    """Return the messages that were given up, of one provider or of all, unordered."""
    rows = of_merchant(merchant_id, ProviderWebhook.objects.filter(state=states.FAILED))
    return rows.filter(provider=provider) if provider else rows


def webhook_of_event(provider: str, event_id: str) -> ProviderWebhook:
    """Return the genuine message with a provider's event id.

    :raises ProviderWebhookNotFound: none was kept.
    """
    return the_one(
        ProviderWebhook.objects.filter(provider=provider, event_id=event_id, is_verified=True),
        ProviderWebhookNotFound,
    )


def webhook(merchant_id: Whose, webhook_id: UUID) -> ProviderWebhook:
    """Return one incoming webhook.

    :raises ProviderWebhookNotFound: the merchant has none with this id.
    """
    return the_one(webhooks(merchant_id).filter(pk=webhook_id), ProviderWebhookNotFound)
