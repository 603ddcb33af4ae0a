"""The payments floor: registers what it hears, its jobs, its invariants and what it explains."""

from importlib import import_module

from django.apps import AppConfig

INVARIANTS = ("payments", "machine", "disputes", "methods", "sagas", "bank_files", "routing")
EXPLANATIONS = ("payments", "shares", "disputes", "sagas")


class PaymentsConfig(AppConfig):
    """Money in."""

    name = "payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # They register themselves; the services among them conclude their kinds of operation.
        for module in (
            "handlers", "method_memory", "tasks",
            *(f"invariants.{subject}" for subject in INVARIANTS),
            *(f"explanations.{subject}" for subject in EXPLANATIONS),
            "services.refunds.refunding", "services.payments.increasing",
            "services.disputes.answering_disputes", "services.methods.verifying_methods",
        ):  # fmt: skip
            import_module(f"{self.name}.{module}")
