"""The ground floor; after each migrate it writes the registered state machines' edges to the database."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules

from ledger.states import write_edges


class LedgerConfig(AppConfig):
    """The book of record."""

    name = "ledger"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ledger import partitions, retention
        from ledger.explain import ours  # noqa: F401  (they register themselves)
        from ledger.fx import invariants as of_fx  # noqa: F401  (they register themselves)
        from ledger.history import invariants as of_history  # noqa: F401
        from ledger.transfers import invariants as of_transfers  # noqa: F401

        autodiscover_modules("record_classes")  # every floor says there what it keeps, and how long
        autodiscover_modules("unfinished")  # and there what must not leave with its month
        # Schema hooks, not domain news: these must be in the database before any row is.
        post_migrate.connect(write_edges, sender=self, dispatch_uid="ledger.write_edges")
        post_migrate.connect(partitions.make_ahead, sender=self, dispatch_uid="ledger.make_partitions")
        post_migrate.connect(retention.write_defaults, sender=self, dispatch_uid="ledger.retention")
