"""The subscriptions floor."""

from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    """Recurring money in; knows payments, and nothing of settlements."""

    name = "subscriptions"
    default_auto_field = "django.db.models.BigAutoField"
