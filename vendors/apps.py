"""The floor of merchants and vendors; its invariants and tasks register themselves when it is ready."""

from django.apps import AppConfig


class VendorsConfig(AppConfig):
    """Who is who, and the front desk of the API."""

    name = "vendors"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from vendors import explanations, invariants, tasks  # noqa: F401  (they register themselves)
