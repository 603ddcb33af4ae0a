"""The payments floor: registers what it hears, its jobs, its invariants and what it explains."""

from importlib import import_module

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """Money in."""

    name = "payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # They register themselves; the services among them conclude their kinds of operation.
        for module in (
            "handlers", "invariants", "machine_invariants", "dispute_invariants", "method_invariants",
            "saga_invariants", "bank_file_invariants", "routing_invariants", "method_memory",
            "tasks", "services.refunding", "services.increasing", "services.answering_disputes",
            "services.verifying_methods",
            "explanations", "share_explanations", "dispute_explanations", "saga_explanations",
        ):  # fmt: skip
            import_module(f"{self.name}.{module}")
