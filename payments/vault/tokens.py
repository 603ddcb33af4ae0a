"""The vault's desk: keep an instrument for a token, open it for one use, erase it.

This and the files beside it are the only code that sees a card number. Opening is an act: it is in the audit
log, committed, before anything is opened, with who, which record and what for; a failure is recorded too.
A token has no relation to what it stands for: 160 random bits.
"""

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from ledger import audit
from ledger.actors import Actor
from ledger.errors import DomainError, NotFound
from ledger.ids import uuid7
from ledger.locks import phased, require_phase
from payments.models import VaultRecord
from payments.vault import envelope, exchange, instruments, stores
from payments.vault.envelope import Envelope
from payments.vault.errors import RecordErased
from payments.vault.instruments import Instrument, Shown

NAME_PREFIX: Final = "tok"
FINGERPRINT_PREFIX: Final = "fpr"
NAME_BYTES: Final = 20
_ERASED: Final[dict[str, None]] = {"wrapped_key": None, "nonce": None, "ciphertext": None}

R = TypeVar("R")


class VaultRecordNotFound(NotFound):
    """No such record of the vault."""

    code = "vault_record_not_found"


@dataclass(frozen=True, slots=True)
class Given:
    """The details of a method as they arrived: encrypted for the vault, or in clear (never a card's)."""

    kind: str
    merchant_id: UUID
    is_live: bool
    encrypted: str = ""
    details: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"<details of a {self.kind}>"


@sensitive_variables()
def read(given: Given, at: datetime, where: str = "details") -> Instrument:
    """Return the instrument in what a customer gave; in clear it stood in the field `where`.

    :raises BadDetail: a detail is missing, unknown or wrong. :raises NotSealed: :raises ExchangeKeyOver: what
        is encrypted does not open. :raises KeyStoreAway: the key store cannot be used.
    """
    if given.encrypted:
        values = exchange.open_details(given.encrypted, given.merchant_id, at)
        return instruments.read(given.kind, values, at=at, where="encrypted", is_live=given.is_live)
    return instruments.read(given.kind, given.details or {}, at=at, where=where, is_live=given.is_live)


@sensitive_variables()
def keep(instrument: Instrument, *, merchant_id: UUID, actor: Actor, at: datetime) -> VaultRecord:
    """Seal an instrument in the caller's phase and return its record; the security code is not part of it.

    :raises KeyStoreAway: the key store cannot be used.
    """
    require_phase()
    record = VaultRecord(
        id=uuid7(),
        merchant_id=merchant_id,
        token=_new_token(),
        kind=instrument.kind,
        fingerprint=_mac("fp1", instrument.kind_of_identity, instrument.identity),
        expires_at=instrument.expires_at,
        created_at=at,
    )
    sealed = envelope.seal(json.dumps(instrument.secret).encode(), record.about)
    write(record, sealed)
    record.save(force_insert=True)
    audit.record(
        actor=actor, action="vault.kept", subject=record, at=at, before={}, after={"kind": record.kind}
    )
    return record


@sensitive_variables()
def fingerprint(instrument: Instrument, merchant_id: UUID) -> str:
    """Return what is the same for the same instrument of one merchant, and tells nothing else.

    Keyed over the whole number (PCI DSS 3.5.1.1). A hint that two methods are one, never a key to find by.
    """
    digest = _mac("fpm1", merchant_id.hex, instrument.kind_of_identity, instrument.identity)
    return f"{FINGERPRINT_PREFIX}_{_letters(digest[:16])}"


@sensitive_variables()
def use(
    token: str,
    shown: Shown,
    work: Callable[[Instrument], R],
    *,
    merchant_id: UUID,
    purpose: str,
    actor: Actor,
    at: datetime,
) -> R:
    """Open a token's instrument for one piece of work and return what the work returns.

    Runs outside any transaction, for the work may call a provider. The act is in the audit log before the
    record is opened, and its failure after it.

    :raises VaultRecordNotFound: the merchant has no such token. :raises RecordErased: it was erased.
    :raises SealBroken: :raises KeyGone: it does not open. :raises KeyStoreAway: not now.
    """
    record = _found(token, merchant_id)
    _note(record, "vault.opened", purpose, actor, at)
    try:
        instrument = instruments.restored(record.kind, shown, _open(record))
    except DomainError as error:
        _note(record, "vault.opened", f"{purpose}: {error.code}", actor, at, outcome="failed")
        raise
    return work(instrument)


def erase(token: str, merchant_id: UUID, *, actor: Actor, at: datetime, reason: str) -> None:
    """Erase what a token stands for, with the key it was sealed under, in the caller's phase.

    Nothing of it can be opened again, also not by whoever has all keys; copies in backups open as long as
    their KEK lives.
    """
    require_phase()
    for record in VaultRecord.objects.filter(token=token, merchant_id=merchant_id, erased_at=None):
        erase_rows(VaultRecord.objects.filter(pk=record.pk), at)
        audit.record(
            actor=actor, action="vault.erased", subject=record, reason=reason, at=at, before={}, after={}
        )


def erase_rows(rows: "QuerySet[VaultRecord]", at: datetime) -> int:
    """Empty records; the rows stay and say that they were."""
    return rows.filter(erased_at=None).update(**_ERASED, erased_at=at)


def write(row: Any, sealed: Envelope) -> None:
    """Put an envelope into a row."""
    row.key_id, row.wrapped_key = sealed.key_id, sealed.wrapped_key
    row.nonce, row.ciphertext = sealed.nonce, sealed.ciphertext


def envelope_of(row: Any) -> Envelope:
    """Return the envelope in a row.

    :raises RecordErased: there is none any more.
    """
    if row.erased_at is not None:
        raise RecordErased("the record was erased")
    return Envelope(row.key_id, bytes(row.wrapped_key), bytes(row.nonce), bytes(row.ciphertext))


# --- inside -----------------------------------------------------------------------------------------------
def _found(token: str, merchant_id: UUID) -> VaultRecord:
    record = VaultRecord.objects.filter(token=token, merchant_id=merchant_id).first()
    if record is None:
        raise VaultRecordNotFound("the merchant has no such token")
    return record


@sensitive_variables()
def _open(record: VaultRecord) -> dict[str, str]:
    secret: dict[str, str] = json.loads(envelope.unseal(envelope_of(record), record.about))
    return secret


@phased
def _note(
    record: VaultRecord, action: str, purpose: str, actor: Actor, at: datetime, outcome: str = "done"
) -> None:
    audit.record(
        actor=actor, action=action, subject=record, reason=purpose, at=at, outcome=outcome, before={},
        after={},
    )  # fmt: skip


@sensitive_variables()
def _mac(*parts: str) -> bytes:
    return stores.store().mac("|".join(parts).encode())


def _new_token() -> str:
    return f"{NAME_PREFIX}_{_letters(secrets.token_bytes(NAME_BYTES))}"


def _letters(value: bytes) -> str:
    return base64.b32encode(value).decode().rstrip("=").lower()
