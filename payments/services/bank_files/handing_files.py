"""Hand a gathered file to its bank, once, whatever dies on the way.

The file's row is the promise, its job the work: write and seal, hand over under the file's own name (the
bank takes each name once), note it, erase the sealed bytes. Killed anywhere, the next run of the job hands
over the same bytes, and the bank answers as before. What the bank refuses whole did not move: its operations
end.
"""

import hashlib
from datetime import datetime
from uuid import UUID

from ledger import audit
from ledger.actors import SYSTEM, provider_actor
from ledger.crashpoints import crashpoint, register
from ledger.events import Cause
from ledger.locks import phased
from ledger.recording import record
from payments import bank_locks, bank_selectors, news
from payments.models import BankFile
from payments.providers import registry
from payments.providers.bank_files import Receipt
from payments.providers.outcomes import Declined, Rejected
from payments.services.bank_files import writing_bank_files
from payments.services.calls import operations
from payments.states import GATHERED, REFUSED

NOTHING_LEFT = "no entry of it could be written"
register(
    "bank_file.after_seal", "bank_file.after_hand_over", "bank_file.before_commit", "bank_file.after_commit"
)


def hand_over(file_id: UUID, at: datetime) -> None:
    """Write, seal and hand over a gathered file, and end what will not move; safe to repeat.

    :raises ProviderUnavailable: the bank could not be asked, or did not answer: the job tries again.
    :raises KeyStoreAway: the vault cannot be used now.
    """
    file = BankFile.objects.get(pk=file_id)
    if file.state == GATHERED:
        file = _hand_over(file, at)
    crashpoint("bank_file.after_commit")
    _end_what_does_not_move(file, at)


def _hand_over(file: BankFile, at: datetime) -> BankFile:
    content = writing_bank_files.content_of(file, at)
    crashpoint("bank_file.after_seal")
    if content is None:
        return _note(file.pk, Receipt("", "nothing_left", NOTHING_LEFT), "", at)
    receipt = registry.rail(file.rail).hand_over(writing_bank_files.name_of(file), content)
    crashpoint("bank_file.after_hand_over")
    return _note(file.pk, receipt, hashlib.sha256(content).hexdigest(), at)


@phased
def _note(file_id: UUID, receipt: Receipt, digest: str, at: datetime) -> BankFile:
    file = bank_locks.file(file_id)
    if file.state != GATHERED:
        return file
    with record(file, actor=provider_actor(file.rail), cause=Cause("job", str(file_id)), at=at) as entry:
        if receipt.is_taken:
            file.hand_over(receipt.reference, digest, at)
        else:
            file.refuse(f"{receipt.code}: {receipt.message}")
        entry.announce(news.of_bank_file(file))
    if not receipt.is_taken:
        audit.record(
            actor=SYSTEM, action="bank_file.refused", subject=file, at=at, reason=file.reason
        )  # fmt: skip
    writing_bank_files.forget(file, at)
    crashpoint("bank_file.before_commit")
    return file


def _end_what_does_not_move(file: BankFile, at: datetime) -> None:
    """Conclude what was left out of a file, or all of a refused one: it certainly was not sent."""
    for entry in bank_selectors.entries_of(file.pk):
        operation = entry.operation
        if not operation.is_awaited:
            continue
        if entry.is_left_out:
            words = "the account is not stored any more, or does not fit the rail"
            declined = Declined("no_such_account", words, None, is_hard=True)
            operations.conclude(operation, declined, actor=SYSTEM, at=at)
        elif file.state == REFUSED:
            rejected = Rejected("file_refused", file.reason)
            operations.conclude(operation, rejected, actor=provider_actor(file.rail), at=at)
