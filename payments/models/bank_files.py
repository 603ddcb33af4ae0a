"""Files to and from banks: what was handed over, what each file holds, and what the bank's files said.

An operation is in one file, once (I-150). No account number stands here: `BankFileContent` holds the written
file sealed by the vault, from the moment it is written until the bank has taken it; of the bank's files only
what they say of our entries is kept, and a digest.
"""

from datetime import datetime

from django.db import models
from django.db.models import Q

from ledger.errors import NotFound
from ledger.ids import uuid7
from ledger.money import Money
from ledger.recording import Recorded
from ledger.states import StateField
from payments.models.vault import Sealed, whole_or_erased
from payments.providers.bank_files import Direction, WordKind
from payments.states import BANK_FILE


class BankFileNotFound(NotFound):
    """No such bank file."""

    code = "bank_file_not_found"


class BankFile(Recorded):
    """Entries of one rail and one merchant, in one direction, handed to the bank together."""

    PREFIX = "bf"
    SUBJECT = "bank_file"
    NotFound = BankFileNotFound

    merchant = models.ForeignKey(
        "vendors.Merchant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    rail = models.CharField(max_length=32)
    number = models.PositiveIntegerField()  # of the rail, without gaps
    modifier = models.CharField(max_length=1)  # tells apart the files of one minute
    direction = models.CharField(max_length=6, choices=[(one.value, one.value) for one in Direction])
    currency = models.CharField(max_length=3)
    entry_count = models.PositiveIntegerField()
    total_minor = models.BigIntegerField()
    made_at = models.DateTimeField()
    due_date = models.DateField()
    state = StateField(BANK_FILE)
    handed_at = models.DateTimeField(null=True, blank=True)
    bank_reference = models.CharField(max_length=64, blank=True)
    content_digest = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    fee_count = models.PositiveIntegerField(default=0)  # numbers the steps of charged fees

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rail", "number"], name="payments_bankfile_number"),
            models.UniqueConstraint(
                fields=["rail", "made_at", "modifier"], name="payments_bankfile_told_apart"
            ),
            models.CheckConstraint(
                condition=Q(entry_count__gt=0, total_minor__gt=0), name="payments_bankfile_not_empty"
            ),
        ]
        indexes = [models.Index(fields=["merchant", "id"], name="payments_bankfile_by_merchant")]

    def __str__(self) -> str:
        return f"{self.rail} {self.number}"

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)

    @BANK_FILE.edge("gather")
    def gather(self) -> None:
        """Begin: its entries are chosen."""

    @BANK_FILE.edge("hand_over")
    def hand_over(self, reference: str, digest: str, at: datetime) -> None:
        """Note that the bank has it."""
        self.bank_reference, self.content_digest, self.handed_at = reference, digest, at

    @BANK_FILE.edge("refuse")
    def refuse(self, reason: str) -> None:
        """Note that none of its entries will move."""
        self.reason = reason[:300]

    @BANK_FILE.edge("charge")
    def charge(self) -> None:
        """Note that the bank takes a fee for an entry that it returned."""
        self.fee_count += 1


class BankFileEntry(models.Model):
    """One operation in a file; `vault_token` says whose account, never its number."""

    file = models.ForeignKey(BankFile, on_delete=models.PROTECT, related_name="entries")
    operation = models.OneToOneField(
        "payments.ProviderOperation", on_delete=models.PROTECT, related_name="bank_entry"
    )
    position = models.PositiveIntegerField()
    trace = models.CharField(max_length=15)
    end_to_end = models.CharField(max_length=35)
    vault_token = models.CharField(max_length=40)
    is_left_out = models.BooleanField(default=False)  # its account could not be written

    class Meta:
        verbose_name = "bank file entry"
        verbose_name_plural = "bank file entries"
        constraints = [
            models.UniqueConstraint(fields=["file", "position"], name="payments_bankfileentry_position"),
        ]
        indexes = [
            models.Index(fields=["trace", "id"], name="payments_bankfileentry_trace"),
            models.Index(fields=["vault_token"], name="payments_bankfileentry_account"),
        ]

    def __str__(self) -> str:
        return self.end_to_end


class BankFileContent(Sealed):
    """A written file, sealed; erased when the bank has it."""

    PREFIX = "bfc"

    file = models.OneToOneField(BankFile, on_delete=models.PROTECT, related_name="content")

    class Meta:
        verbose_name = "sealed bank file"
        constraints = [whole_or_erased("payments_bankfilecontent_whole_or_erased")]
        indexes = [
            models.Index(
                fields=["key_id", "id"],
                condition=Q(erased_at__isnull=True),
                name="payments_bankfilecontent_key",
            )
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def about(self) -> bytes:
        return f"payments_bankfilecontent|v1|{self.id.hex}|{self.file_id.hex}".encode()


class BankNotice(models.Model):
    """A file that the bank gave us, in the order of its list; once (I-152)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    rail = models.CharField(max_length=32)
    seq = models.PositiveBigIntegerField()
    reference = models.CharField(max_length=64)
    format = models.CharField(max_length=32)
    digest = models.BinaryField(max_length=32)
    received_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "file from a bank"
        verbose_name_plural = "files from banks"
        constraints = [
            models.UniqueConstraint(fields=["rail", "seq"], name="payments_banknotice_seq"),
            models.UniqueConstraint(fields=["rail", "reference"], name="payments_banknotice_once"),
        ]

    def __str__(self) -> str:
        return f"{self.rail} {self.reference}"


class BankWord(models.Model):
    """What a bank's file says of one entry, and what was made of it."""

    notice = models.ForeignKey(BankNotice, on_delete=models.PROTECT, related_name="words")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=[(one.value, one.value) for one in WordKind])
    end_to_end = models.CharField(max_length=35, blank=True)
    trace = models.CharField(max_length=15, blank=True)
    code = models.CharField(max_length=16, blank=True)
    reference = models.CharField(max_length=40, blank=True)
    amount_minor = models.BigIntegerField(null=True, blank=True)
    entry = models.ForeignKey(
        BankFileEntry, on_delete=models.PROTECT, null=True, blank=True, related_name="words"
    )
    applied_at = models.DateTimeField(null=True, blank=True)
    verdict = models.CharField(max_length=100, blank=True)

    class Meta:
        verbose_name = "bank's word"
        verbose_name_plural = "banks' words"
        constraints = [
            models.UniqueConstraint(fields=["notice", "position"], name="payments_bankword_position"),
            models.UniqueConstraint(
                fields=["entry", "kind", "reference"],
                condition=Q(entry__isnull=False, verdict="applied"),
                name="payments_bankword_applied_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.end_to_end or self.trace}"
