"""What is kept how long, what must not go, and where the archived months lie."""

from django.db import models
from django.db.models.functions import Now

from ledger.ids import show, uuid7
from ledger.models.accounts import Account


class RetentionPolicy(models.Model):
    """How long records of a class are kept, from an instant on; a change is a new row."""

    id = models.BigAutoField(primary_key=True)
    record_class = models.CharField(max_length=40)
    days = models.PositiveIntegerField()
    legal_basis = models.CharField(max_length=300)
    valid_from = models.DateTimeField()
    set_by = models.CharField(max_length=150)
    reason = models.TextField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "ledger_retention"
        verbose_name_plural = "retention policies"
        constraints = [
            models.UniqueConstraint(fields=["record_class", "valid_from"], name="ledger_retention_once"),
            models.CheckConstraint(condition=models.Q(days__gte=1), name="ledger_retention_days"),
        ]

    def __str__(self) -> str:
        return f"{self.record_class} {self.days} days"


class LegalHold(models.Model):
    """What may be neither archived nor erased until the hold is lifted; empty fields mean all.

    `subject` is a public id or key as it stands in the records; `covers_from` and `covers_to` bound the
    records' own time.
    """

    PREFIX = "hld"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    record_class = models.CharField(max_length=40, blank=True)
    merchant_id = models.UUIDField(null=True, blank=True)
    subject = models.CharField(max_length=80, blank=True)
    covers_from = models.DateTimeField(null=True, blank=True)
    covers_to = models.DateTimeField(null=True, blank=True)
    reason = models.TextField()
    placed_by = models.CharField(max_length=150)
    placed_at = models.DateTimeField()
    lifted_by = models.CharField(max_length=150, blank=True)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lift_reason = models.TextField(blank=True)

    class Meta:
        db_table = "ledger_legal_hold"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(covers_from=None)
                | models.Q(covers_to=None)
                | models.Q(covers_from__lt=models.F("covers_to")),
                name="ledger_legal_hold_period",
            ),
        ]

    def __str__(self) -> str:
        return f"hold on {self.record_class or 'everything'}"

    @property
    def public_id(self) -> str:
        return show(self.PREFIX, self.id)


class ArchiveFile(models.Model):
    """One month of one table in a file outside the database; written in the transaction that detached it."""

    number = models.BigIntegerField(primary_key=True)
    table = models.CharField(max_length=63)
    range_from = models.DateTimeField()
    range_to = models.DateTimeField()
    rows = models.BigIntegerField()
    file_name = models.CharField(max_length=200, unique=True)
    content_hash = models.BinaryField()
    packed_hash = models.BinaryField()
    previous_hash = models.BinaryField()
    archive_hash = models.BinaryField()
    key_id = models.CharField(max_length=40)
    mac = models.BinaryField()
    detached_as = models.CharField(max_length=63, unique=True)
    # As the file's header names them; null in rows older than the column, proven by the header of their file.
    columns = models.JSONField(null=True, blank=True)
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "ledger_archive"

    def __str__(self) -> str:
        return self.file_name


class ArchivedStream(models.Model):
    """What stays of a subject's events when they are archived: where they are, the last number and hash."""

    pk = models.CompositePrimaryKey("subject_id", "subject_type", "archive", "merchant_id")
    subject_id = models.UUIDField()
    subject_type = models.CharField(max_length=40)
    merchant_id = models.UUIDField()
    archive = models.BigIntegerField()
    first_sequence = models.PositiveIntegerField()
    last_sequence = models.PositiveIntegerField()
    last_hash = models.BinaryField()
    # Null in what was archived before the column.
    first_event = models.UUIDField(null=True)

    class Meta:
        db_table = "ledger_archived_stream"
        indexes = [models.Index(fields=["archive"], name="ledger_archived_stream_of")]

    def __str__(self) -> str:
        return f"{self.subject_type} to {self.last_sequence}"


class ArchivedHour(models.Model):
    """How many events of an hour an archive holds: by its id, an event is sought in few files."""

    pk = models.CompositePrimaryKey("archive", "hour")
    archive = models.BigIntegerField()
    hour = models.BigIntegerField(help_text="Whole hours since 1970, as the events' ids tell.")
    events = models.BigIntegerField()

    class Meta:
        db_table = "ledger_archived_hour"
        indexes = [models.Index(fields=["hour"], name="ledger_archived_hour_of")]

    def __str__(self) -> str:
        return f"{self.events} events in archive {self.archive}"


class CarriedBalance(models.Model):
    """What an account's postings of an archived month came to; written as the month was detached."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    merchant_id = models.UUIDField()
    account = models.ForeignKey(
        Account, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="carried"
    )
    range_from = models.DateTimeField()
    range_to = models.DateTimeField()
    amount = models.BigIntegerField()
    postings = models.BigIntegerField()

    class Meta:
        db_table = "ledger_carried"
        indexes = [models.Index(fields=["account", "range_to"], name="ledger_carried_by_account")]

    def __str__(self) -> str:
        return f"{self.amount} carried forward"
