"""Files with account numbers in them, sealed between their writing and their handing over to a bank.

The file is written once and sealed, so that whoever hands it over after a crash hands over the same bytes.
"""

from datetime import datetime

from django.views.decorators.debug import sensitive_variables

from ledger.locks import require_phase
from payments.models import BankFile, BankFileContent
from payments.vault import envelope
from payments.vault.tokens import envelope_of, write


@sensitive_variables()
def keep(file: BankFile, content: bytes, at: datetime) -> BankFileContent:
    """Seal what was written for a file, in the caller's phase; what stands there already stays.

    :raises KeyStoreAway: the key store cannot be used.
    """
    require_phase()
    standing = BankFileContent.objects.filter(file=file).first()
    if standing is not None:
        return standing
    row = BankFileContent(file=file, created_at=at)
    write(row, envelope.seal(content, row.about))
    row.save(force_insert=True)
    return row


@sensitive_variables()
def opened(row: BankFileContent) -> bytes:
    """Return the file.

    :raises RecordErased: it was handed over. :raises SealBroken: :raises KeyGone: it does not open.
    :raises KeyStoreAway: not now.
    """
    return envelope.unseal(envelope_of(row), row.about)


def erase(file: BankFile, at: datetime) -> None:
    """Erase what was written, with the key it was sealed under, in the caller's phase."""
    require_phase()
    BankFileContent.objects.filter(file=file, erased_at=None).update(
        wrapped_key=None, nonce=None, ciphertext=None, erased_at=at
    )
