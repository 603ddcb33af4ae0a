"""Sealed books in tests: real entries of a merchant, sealed, and ways to tamper with them that are undone."""

import hashlib
import hmac
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from unittest.mock import patch

from django.conf import settings
from django.db import connection, transaction

from config import grants
from ledger import audit, clock, journal, locks
from ledger.actors import Actor, RequestContext, set_request
from ledger.archives.files import Header
from ledger.chart import Code, account
from ledger.journal import EntryDraft, credit, debit
from ledger.models import ArchiveFile, AuditRecord, Event, JournalEntry
from ledger.money import Money
from ledger.proof import sealing, verifying
from tests.kit import books as kit
from tests.kit.owner import OWNERS, unguarded
from tests.kit.polling import eventually

__all__ = ["OWNERS", "Books"]

SEALED = (
    "ledger_entry", "ledger_posting", "ledger_event", "ledger_fact", "ledger_seal", "ledger_seal_records",
    "ledger_account", "ledger_audit",
)  # fmt: skip


@dataclass(frozen=True)
class Books:
    """A merchant's sealed books: three sales in three currencies, a reversal of the first, and its act."""

    merchant: uuid.UUID
    entries: list[uuid.UUID]

    @property
    def reversal(self) -> uuid.UUID:
        return self.entries[-1]

    @property
    def act(self) -> uuid.UUID:
        """The audit record of the reversal, with every column filled."""
        return AuditRecord.objects.get(merchant_id=self.merchant).pk

    def event_of(self, entry_id: uuid.UUID) -> uuid.UUID:
        return Event.objects.get(merchant_id=self.merchant, entry_id=entry_id).pk


def sale(merchant: uuid.UUID, minor: int, currency: str = "USD", **changed) -> EntryDraft:
    """Return a sale of some owner's, of which a tenth is commission.

    Its money is not pending: the nights of other tests would look for the vendor.
    """
    fee = minor // 10
    legs = [
        debit(
            account(Code.PROVIDER_CLEARING, merchant, currency, "velocitypay"), Money(minor, currency), "sale"
        ),
        credit(
            account(Code.VENDOR_AVAILABLE, merchant, currency, 'ada "&" co'),
            Money(minor - fee, currency),
            "sale",
        ),
        credit(account(Code.COMMISSION, merchant, currency), Money(fee, currency), "commission"),
    ]
    fields = {
        "merchant_id": merchant, "kind": "sale", "source_type": "test", "source_id": uuid.uuid4(),
        "step": "capture:1", "occurred_at": clock.now(), "legs": legs,
    }  # fmt: skip
    return EntryDraft(**{**fields, **changed})


def write(merchant: uuid.UUID) -> Books:
    """Write a merchant's books, with real commits."""
    with locks.phase():
        written = kit.post([sale(merchant, 1999), sale(merchant, 5000, "JPY"), sale(merchant, 12_345, "KWD")])
    with locks.phase():
        first = JournalEntry.objects.get(pk=written[0])
        written += kit.post([journal.reversal(first, step="reversal:1", at=clock.now())])
        set_request(RequestContext("req_reversal", "192.0.2.7", "curl/8", "finance"))
        audit.record(
            actor=Actor("staff", "fin-1", "Finn"), action="books.reversed", subject=first, at=clock.now(),
            reason='he said: "take it back"', before={"step": "a"}, after={"step": "b", "none": None},
        )  # fmt: skip
        set_request(RequestContext())
    return Books(merchant, written)


def seal_everything() -> None:
    """Seal until every entry is in: open transactions of other tests hold the horizon back meanwhile."""

    def is_all_sealed() -> bool:
        sealing.seal_all()
        return not verifying.verify().unsealed

    eventually(is_all_sealed, seconds=60, what="every entry to be sealed")


def unseal() -> None:
    """Take all seals off again, as only somebody with the whole database in hands could."""
    with grants.as_owner(), transaction.atomic(), unguarded("ledger_seal", "ledger_seal_records"):
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM ledger_seal; DELETE FROM ledger_seal_records")


def seal_as(scheme: int) -> None:
    """Seal all anew as the house once did, in as many blocks as it takes."""
    unseal()
    settings.SEAL_HEAD_FILE.unlink(missing_ok=True)
    with patch.object(sealing, "SCHEME", scheme):
        seal_everything()


def forget_checks() -> None:
    """Take what verifications of other tests found away: theirs were other seals."""
    with grants.as_owner(), transaction.atomic(), unguarded("ledger_seal_check"):
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM ledger_seal_check")


@contextmanager
def resealed() -> Iterator[None]:
    """Do something to rows whose seals are taken off before, and seal all anew after."""
    unseal()
    settings.SEAL_HEAD_FILE.unlink(missing_ok=True)
    yield
    seal_everything()


def remove(sql: str, *parameters: object) -> None:
    """Remove rows for good that a test wrote wrong and may not leave behind."""
    with grants.as_owner(), transaction.atomic(), unguarded(*SEALED), connection.cursor() as cursor:
        cursor.execute(sql, parameters)


@contextmanager
def tampered(sql: str, *parameters: object) -> Iterator[int]:
    """Change sealed rows as somebody with the whole database in hands could; undone afterwards."""
    with grants.as_owner(), transaction.atomic():
        with unguarded(*SEALED), connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            count = cursor.rowcount
        yield count
        transaction.set_rollback(True)


def say_archived(number: int, table: str, begins: datetime, ends: datetime) -> ArchiveFile:
    """Write the row of an archive as the archiver does, with the key, and without a file."""
    header = Header(
        number=number, table=table, range_from=begins.isoformat(), range_to=ends.isoformat(), columns=("id",),
        rows=1, key_id=settings.EVENT_SIGNING_KEY_ID,
    )  # fmt: skip
    key = settings.EVENT_SIGNING_KEYS[header.key_id].encode()
    mac = hmac.new(key, b"archive|" + header.archive_hash().encode(), hashlib.sha256).digest()
    return ArchiveFile.objects.create(
        number=number, table=table, range_from=begins, range_to=ends, rows=1, file_name=f"{uuid.uuid4()}",
        content_hash=b"", packed_hash=b"", previous_hash=b"", key_id=header.key_id, columns=["id"],
        archive_hash=bytes.fromhex(header.archive_hash()), mac=mac, detached_as=f"{uuid.uuid4()}",
    )  # fmt: skip


def fault_after(sql: str, *parameters: object) -> str:
    """Return what a verification says of books that were changed so."""
    with tampered(sql, *parameters) as count:
        assert count > 0, f"nothing was changed by {sql}"
        return verifying.verify().fault
