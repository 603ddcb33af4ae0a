"""The floor of money out: batches, payouts, bank statements, reconciliation."""

from importlib import import_module

from django.apps import AppConfig


class SettlementsConfig(AppConfig):
    """Registers what other floors call by name: jobs, invariants, and who concludes a transfer."""

    name = "settlements"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        for module in (
            "services.paying_out",
            "explanations",
            "figure_explanations",
            "invariants",
            "handlers",
            "tasks",
        ):
            import_module(f"{self.name}.{module}")
