"""The fraud floor: registers its handlers and jobs, and seeds the house's rules after each migrate."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class FraudConfig(AppConfig):
    """Judges payments; knows nothing of them but their public id."""

    name = "fraud"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from fraud import explanations, handlers, invariants, tasks  # noqa: F401  (they register themselves)

        post_migrate.connect(_seed, sender=self, dispatch_uid="fraud.seed")


def _seed(**_: Any) -> None:
    from fraud.services.configuring import sync_defaults
    from ledger import clock

    sync_defaults(clock.now())
