"""Seals: blocks of finished database transactions, the records of their rows, and what checks found."""

from django.db import models
from django.db.models.functions import Now


class SealBlock(models.Model):
    """One block: a root over its rows, chained to the block before, with a MAC under a key that is not
    here.

    `scheme` says what the root is: 1, a hash over the rows' own hashes; 2, a Merkle root over every column;
    3, over audit records besides, those of the transactions from `audits_from` on; 4, the same over binary
    images of the rows.
    """

    number = models.BigIntegerField(primary_key=True)
    scheme = models.PositiveSmallIntegerField(db_default=1)
    transaction_from = models.BigIntegerField()
    transaction_to = models.BigIntegerField()
    entries = models.PositiveIntegerField()
    postings = models.PositiveIntegerField(db_default=0)
    events = models.PositiveIntegerField()
    audits_from = models.BigIntegerField(db_default=0)
    audits = models.PositiveIntegerField(db_default=0)
    root = models.BinaryField()
    previous_hash = models.BinaryField()
    block_hash = models.BinaryField()
    key_id = models.CharField(max_length=40)
    mac = models.BinaryField()
    sealed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "ledger_seal"
        indexes = [models.Index(fields=["transaction_to"], name="ledger_seal_by_transaction")]

    def __str__(self) -> str:
        return f"block {self.number}"


class SealRecords(models.Model):
    """The records of a block's rows (kind, id, hash), so many to a part: what the root is over.

    They name the row that is not as it was sealed, or is gone, and outlive it in an archive.
    """

    pk = models.CompositePrimaryKey("number", "part")
    number = models.BigIntegerField()
    part = models.PositiveIntegerField()
    records = models.BinaryField()

    class Meta:
        db_table = "ledger_seal_records"
        verbose_name_plural = "seal records"

    def __str__(self) -> str:
        return f"block {self.number} part {self.part}"


class SealCheck(models.Model):
    """One verification: which blocks it looked at, what it counted, how long it took, what was wrong."""

    id = models.BigAutoField(primary_key=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    first_block = models.BigIntegerField()
    last_block = models.BigIntegerField()
    is_last = models.BooleanField()
    entries = models.BigIntegerField()
    postings = models.BigIntegerField()
    events = models.BigIntegerField()
    audits = models.BigIntegerField(db_default=0)
    fault = models.TextField(blank=True)

    class Meta:
        db_table = "ledger_seal_check"
        verbose_name = "verification"

    def __str__(self) -> str:
        return f"blocks {self.first_block} to {self.last_block}"
