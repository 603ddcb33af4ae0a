"""AuditRecord: what a person or key did, to what, and why; append only, partitioned by the month of `at`."""

from django.db import models

from ledger.ids import show, uuid7


class AuditRecord(models.Model):
    """One act, in the transaction of its effect; every text, `before` and `after` are masked.

    The table's key is (id, at); Django addresses a row by its id. Queries name a period, so that only its
    months are read.
    """

    PREFIX = "aud"

    id = models.UUIDField(primary_key=True, default=uuid7)
    at = models.DateTimeField()
    merchant_id = models.UUIDField(null=True, blank=True)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=80)
    actor_label = models.CharField(max_length=150, blank=True)
    role = models.CharField(max_length=60, blank=True)
    action = models.CharField(max_length=80)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16, default="done")
    reason = models.TextField(blank=True)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    request_id = models.CharField(max_length=80, blank=True)
    ip = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "ledger_audit"
        indexes = [
            models.Index(fields=["merchant_id", "id"], name="ledger_audit_by_merchant"),
            models.Index(fields=["object_id", "at"], name="ledger_audit_by_object"),
            models.Index(fields=["actor_id", "at"], name="ledger_audit_by_actor"),
            models.Index(
                fields=["request_id", "at"],
                name="ledger_audit_by_request",
                condition=~models.Q(request_id=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}"

    @property
    def public_id(self) -> str:
        return show(self.PREFIX, self.id)
