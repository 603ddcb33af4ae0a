"""The payments floor: registers what it hears, its jobs and its invariants."""

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """Money in."""

    name = "payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from payments import handlers, invariants, tasks  # noqa: F401  (they register themselves)
        from payments.services import refunding  # noqa: F401  (it concludes refunds)
