"""A subject of the benchmark's own, with the smallest machine that posts: what `record` costs by itself.

Imported by the benchmark only; its table exists in the benchmark's database only.
"""

from datetime import datetime
from typing import ClassVar

from django.db import DEFAULT_DB_ALIAS, connection, models

from config import grants
from ledger import states
from ledger.recorded import Recorded
from ledger.states import NEW, Edge, Machine, StateField

MACHINE = Machine("bench_subject", [Edge("post", {NEW}, "posted", "bench_subject.posted", posts=True)])


class BenchSubject(Recorded):
    """A row that is posted once, when it is made."""

    SUBJECT: ClassVar[str] = "bench_subject"
    PREFIX: ClassVar[str] = "bsu"

    merchant_id = models.UUIDField()
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    occurred_at = models.DateTimeField()
    state = StateField(MACHINE)

    class Meta:
        app_label = "config"
        managed = False
        db_table = "bench_subject"

    def __str__(self) -> str:
        return self.public_id

    @MACHINE.edge("post")
    def post(self, at: datetime) -> None:
        """Note when it was posted."""
        self.occurred_at = at


def make_table() -> None:
    """Make the table, under its machine, as the owner; the application may use it as any other."""
    with grants.as_owner():
        with connection.schema_editor() as editor:
            editor.create_model(BenchSubject)
            editor.execute(states.guard_sql("bench_subject", "bench_subject"))
        states.write_edges()
        grants.grant(DEFAULT_DB_ALIAS)
