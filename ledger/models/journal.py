"""JournalEntry and Posting: what is written once. The law is in `0002_journal.sql`, attacked in the tests.

An entry's source and step are unique, so a business fact posts exactly once. Rows are inserted only by the
SQL function `ledger_post`; UPDATE, DELETE and TRUNCATE are refused.
"""

from django.db import models
from django.db.models.functions import Now

from ledger.ids import uuid7
from ledger.models.accounts import Account


class JournalEntry(models.Model):
    """One balanced record of one business fact."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    merchant_id = models.UUIDField()
    kind = models.CharField(max_length=40)
    source_type = models.CharField(max_length=40)
    source_id = models.UUIDField()
    step = models.CharField(max_length=60)
    reverses = models.OneToOneField(
        "self", on_delete=models.DO_NOTHING, null=True, blank=True, related_name="reversed_by"
    )
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    content_hash = models.BinaryField()

    class Meta:
        db_table = "ledger_entry"
        verbose_name = "journal entry"
        verbose_name_plural = "journal entries"
        constraints = [
            models.UniqueConstraint(
                fields=["source_type", "source_id", "step"], name="ledger_entry_posts_once"
            ),
        ]
        indexes = [models.Index(fields=["merchant_id", "id"], name="ledger_entry_by_merchant")]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Posting(models.Model):
    """One line of an entry: a signed amount on an account; debit positive, credit negative."""

    pk = models.CompositePrimaryKey("entry_id", "line")
    entry = models.ForeignKey(
        JournalEntry,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="postings",
    )
    line = models.SmallIntegerField()
    merchant_id = models.UUIDField()
    account = models.ForeignKey(
        Account, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="postings"
    )
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()
    balance_after = models.BigIntegerField(null=True)
    purpose = models.CharField(max_length=24)

    class Meta:
        db_table = "ledger_posting"
        constraints = [
            models.CheckConstraint(condition=~models.Q(amount=0), name="ledger_posting_not_zero"),
        ]
        indexes = [models.Index(fields=["account", "entry"], name="ledger_posting_by_account")]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"
