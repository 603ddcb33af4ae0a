"""PostedFact, JournalEntry and Posting: what is written once. The law is in `0004_posting.sql`, attacked in
the tests.

A fact (source and step) is registered once, so a business fact posts exactly once. Rows are inserted only by
the SQL function `ledger_post`; UPDATE, DELETE and TRUNCATE are refused. The tables are partitioned by month,
and their keys in the database hold the merchant besides what Django calls the primary key.
"""

from django.db import models
from django.db.models.functions import Now

from ledger.ids import uuid7
from ledger.models.accounts import Account


class PostedFact(models.Model):
    """A business fact that was posted, and its entry; a reversal is the fact `reversal` of the entry taken
    back."""

    REVERSAL = "reversal"

    pk = models.CompositePrimaryKey("source_id", "source_type", "step", "merchant_id")
    source_id = models.UUIDField()
    source_type = models.CharField(max_length=40)
    step = models.CharField(max_length=60)
    merchant_id = models.UUIDField()
    entry_id = models.UUIDField()

    class Meta:
        db_table = "ledger_fact"

    def __str__(self) -> str:
        return f"{self.source_type} {self.step}"


class JournalEntry(models.Model):
    """One balanced record of one business fact."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    merchant_id = models.UUIDField()
    kind = models.CharField(max_length=40)
    source_type = models.CharField(max_length=40)
    source_id = models.UUIDField()
    step = models.CharField(max_length=60)
    reverses = models.ForeignKey(
        "self",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        blank=True,
        related_name="reversals",
    )
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    content_hash = models.BinaryField()

    class Meta:
        db_table = "ledger_entry"
        verbose_name = "journal entry"
        verbose_name_plural = "journal entries"
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
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "ledger_posting"
        indexes = [
            models.Index(
                fields=["account", "recorded_at"], include=["amount"], name="ledger_posting_by_account"
            )
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"
