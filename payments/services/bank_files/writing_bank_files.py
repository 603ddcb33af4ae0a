"""Write a gathered file: open each account in the vault for the moment, write the format, seal the result.

The only service that sees account numbers of entries. What cannot be written (its account was removed, or
does not fit the format) is left out and declined: it certainly was not sent.
"""

from datetime import datetime

from django.views.decorators.debug import sensitive_variables

from ledger.actors import SYSTEM
from ledger.errors import Conflict
from ledger.locks import phased
from payments import bank_locks, bank_selectors
from payments.models import BankFile, BankFileContent, BankFileEntry
from payments.models.payment_choices import MethodType
from payments.providers import registry
from payments.providers.bank_files import (
    Account,
    Direction,
    Mandate,
    OutgoingEntry,
    OutgoingFile,
    SequenceType,
)
from payments.states import GATHERED
from payments.vault import sealed_files, tokens
from payments.vault.errors import RecordErased
from payments.vault.instruments import Instrument, Shown
from payments.vault.tokens import VaultRecordNotFound
from vendors import selectors as vendor_selectors


class FileOver(Conflict):
    """The file was handed over, or refused, meanwhile."""

    code = "bank_file_over"


@sensitive_variables()
def content_of(file: BankFile, at: datetime) -> bytes | None:
    """Return the bytes of a gathered file, written and sealed once; None when nothing of it can be written.

    :raises KeyStoreAway: the key store cannot be used. :raises FileOver: another run was faster.
    """
    standing = BankFileContent.objects.filter(file=file, erased_at=None).first()
    if standing is not None:
        return sealed_files.opened(standing)
    written = []
    for entry in bank_selectors.entries_of(file.pk):
        account = None if entry.is_left_out else _account(file, entry, at)
        if account is None:
            _leave_out(entry)
            continue
        written.append(_outgoing(file, entry, account))
    if not written:
        return None
    return _seal(file, registry.rail(file.rail).write(_file(file, written)), at)


def name_of(file: BankFile) -> str:
    """Return the name under which the bank gets a file: the same at every try."""
    return file.pk.hex.upper()


@sensitive_variables()
def _account(file: BankFile, entry: BankFileEntry, at: datetime) -> Account | None:
    def read(instrument: Instrument) -> Account | None:
        return _of_instrument(instrument, registry.rail(file.rail).account_kind)

    try:
        return tokens.use(
            entry.vault_token, Shown(), read, merchant_id=file.merchant_id,
            purpose=f"file {file.public_id}", actor=SYSTEM, at=at,
        )  # fmt: skip
    except (VaultRecordNotFound, RecordErased):
        return None


@sensitive_variables()
def _of_instrument(instrument: Instrument, kind: str) -> Account | None:
    secret = instrument.secret
    if instrument.kind != kind:
        return None
    if kind == MethodType.SEPA:
        return Account(secret["holder"], secret["iban"])
    if kind == MethodType.WIRE:
        return Account(secret["holder"], secret["account_number"], bic=secret["bic"])
    if len(secret["account_number"]) <= 17:  # as much as the format has room for
        return Account(
            secret["holder"],
            secret["account_number"],
            secret["routing_number"],
            is_savings=secret.get("account_type") == "savings",
            is_company=secret.get("holder_type") == "company",
        )
    return None


@sensitive_variables()
def _outgoing(file: BankFile, entry: BankFileEntry, account: Account) -> OutgoingEntry:
    mandate = None
    if file.rail == MethodType.SEPA and file.direction == Direction.DEBIT:
        mandate = _mandate(file, entry)
    return OutgoingEntry(entry.end_to_end, entry.trace, entry.operation.amount, account, mandate)


def _mandate(file: BankFile, entry: BankFileEntry) -> Mandate:
    """Return the mandate that the merchant told, or the one that storing the method was."""
    method = bank_selectors.method_of(file.merchant_id, entry.vault_token)
    told = str(method.details.get("mandate_reference", "")) if method else ""
    made = method.created_at if method else entry.operation.created_at
    own = method.pk.hex if method else entry.operation_id.hex
    drawn = bank_selectors.was_drawn_before(entry)
    sequence = SequenceType.RECURRENT if drawn else SequenceType.FIRST
    return Mandate(told or f"M{own.upper()}", made.date(), sequence)


def _file(file: BankFile, entries: list[OutgoingEntry]) -> OutgoingFile:
    return OutgoingFile(
        id=name_of(file),
        modifier=file.modifier,
        direction=Direction(file.direction),
        currency=file.currency,
        made_at=file.made_at,
        due_date=file.due_date,
        on_behalf_of=vendor_selectors.merchant(file.merchant_id).name,
        entries=entries,
    )


@phased
def _leave_out(entry: BankFileEntry) -> None:
    BankFileEntry.objects.filter(pk=entry.pk).update(is_left_out=True)


@sensitive_variables()
@phased
def _seal(file: BankFile, content: bytes, at: datetime) -> bytes:
    """Keep what was written; when another run was faster, its content is the file."""
    locked = bank_locks.file(file.pk)
    if locked.state != GATHERED:
        raise FileOver(f"file {file.public_id} is {locked.state}")
    return sealed_files.opened(sealed_files.keep(locked, content, at))


def forget(file: BankFile, at: datetime) -> None:
    """Erase the sealed bytes of a file that is over, in the caller's phase."""
    sealed_files.erase(file, at)
