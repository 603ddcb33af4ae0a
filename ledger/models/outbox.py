"""OutboxMessage: an event on its way to one handler, written with the event, delivered at least once, in
order."""

from django.db import models

from ledger.models.events import Event


class OutboxMessage(models.Model):
    """One event for one handler."""

    id = models.BigAutoField(primary_key=True)
    event = models.ForeignKey(
        Event,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,  # the unique constraint's begins with it
        related_name="messages",
    )
    handler = models.CharField(max_length=120)
    subject_id = models.UUIDField()
    sequence = models.PositiveIntegerField()
    due_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    dead_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)

    class Meta:
        db_table = "ledger_outbox"
        constraints = [
            models.UniqueConstraint(fields=["event", "handler"], name="ledger_outbox_once_per_handler"),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(sent_at=None, dead_at=None),
                name="ledger_outbox_due",
            ),
            models.Index(
                fields=["handler", "subject_id", "sequence"],
                condition=models.Q(sent_at=None, dead_at=None),
                name="ledger_outbox_in_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.handler} {self.event_id}"
