"""The read queries of the bank files."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Max, Q, QuerySet

from ledger.money import Money
from payments.models import BankFile, BankFileEntry, BankNotice, BankWord, PaymentMethod, ProviderOperation
from payments.models.operations import Kind, OutcomeKind

IN_FILES = Q(kind__in=(Kind.CAPTURE, Kind.REFUND)) | Q(kind=Kind.AUTHORIZE, request__capture=True)


def waiting_for_file(rail: str, limit: int) -> list[ProviderOperation]:
    """Return the accepted operations of a rail that are in no file yet, the oldest first."""
    rows = ProviderOperation.objects.filter(
        IN_FILES,
        provider=rail,
        concluded_at=None,
        ask_at__isnull=False,
        outcome=OutcomeKind.PENDING,
        bank_entry=None,
    )
    return list(rows.select_related("payment", "merchant").order_by("created_at", "pk")[:limit])


def last_numbers(rail: str) -> tuple[int, int]:
    """Return the last number of a file of a rail, and how many entries it has had."""
    files = BankFile.objects.filter(rail=rail).aggregate(last=Max("number"))
    return files["last"] or 0, BankFileEntry.objects.filter(file__rail=rail).count()


def modifiers_used(rail: str, made_at: datetime) -> set[str]:
    """Return the modifiers of the files of a rail that were made in a minute."""
    return set(BankFile.objects.filter(rail=rail, made_at=made_at).values_list("modifier", flat=True))


def entries_of(file_id: UUID) -> "QuerySet[BankFileEntry]":
    """Return a file's entries with their operations, in order."""
    rows = BankFileEntry.objects.filter(file_id=file_id).select_related("operation__payment")
    return rows.order_by("position")


def method_of(merchant_id: UUID, vault_token: str) -> PaymentMethod | None:
    """Return the stored method whose account a token stands for, while it is stored."""
    return PaymentMethod.objects.filter(merchant_id=merchant_id, vault_token=vault_token).first()


def was_drawn_before(entry: BankFileEntry) -> bool:
    """Say whether an account was in an earlier debit file that its bank took."""
    earlier = BankFileEntry.objects.filter(
        vault_token=entry.vault_token, pk__lt=entry.pk, file__direction="debit", is_left_out=False
    )
    return earlier.exclude(file__state="refused").exists()


def entry_named(rail: str, end_to_end: str, trace: str) -> BankFileEntry | None:
    """Return the entry that a bank names; of those with the same trace, the newest."""
    rows = BankFileEntry.objects.filter(file__rail=rail).select_related("operation__payment", "file")
    wanted = Q(end_to_end=end_to_end) if end_to_end else Q(trace=trace)
    return rows.filter(wanted).order_by("-pk").first()


def last_heard(rail: str) -> int:
    """Return the place in the bank's list of the last file that was received from it."""
    return BankNotice.objects.filter(rail=rail).aggregate(last=Max("seq"))["last"] or 0


def unapplied(rail: str) -> list[BankNotice]:
    """Return the received files of a rail that are not applied whole, in the bank's order."""
    return list(BankNotice.objects.filter(rail=rail, applied_at=None).order_by("seq"))


def words_left(notice: BankNotice) -> list[BankWord]:
    """Return the words of a file that nothing was made of yet, in order."""
    return list(BankWord.objects.filter(notice=notice, applied_at=None).order_by("position"))


def words_about(file_id: UUID) -> "QuerySet[BankWord]":
    """Return what banks said of a file's entries, the first first."""
    return BankWord.objects.filter(entry__file_id=file_id).order_by(
        "notice__received_at", "notice_id", "position"
    )


def has_applied(entry: BankFileEntry, kind: str, reference: str) -> bool:
    """Say whether the same word was applied to an entry before, from whatever file."""
    return BankWord.objects.filter(entry=entry, kind=kind, reference=reference, verdict="applied").exists()


def fees_of_returns(rail: str, references: Sequence[str]) -> dict[str, Money]:
    """Return what returns cost altogether, by the key of the movement with which the bank names each."""
    if not references:
        return {}
    fees = ProviderOperation.objects.filter(
        provider=rail, idempotency_key__in=references, kind=Kind.RETURN_FEE
    ).values_list("idempotency_key", "fee_minor", "currency")
    return {key: Money(minor, currency) for key, minor, currency in fees}
