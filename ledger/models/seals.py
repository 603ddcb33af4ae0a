"""SealBlock: a range of database transactions whose entries and events can no longer change unseen."""

from django.db import models
from django.db.models.functions import Now


class SealBlock(models.Model):
    """One block: a root over its rows, chained to the block before, with a MAC under a key that is not
    here."""

    number = models.BigIntegerField(primary_key=True)
    transaction_from = models.BigIntegerField()
    transaction_to = models.BigIntegerField()
    entries = models.PositiveIntegerField()
    events = models.PositiveIntegerField()
    root = models.BinaryField()
    previous_hash = models.BinaryField()
    block_hash = models.BinaryField()
    key_id = models.CharField(max_length=40)
    mac = models.BinaryField()
    sealed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "ledger_seal"

    def __str__(self) -> str:
        return f"block {self.number}"
