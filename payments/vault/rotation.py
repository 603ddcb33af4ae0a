"""New keys for old records: each is opened and sealed again under a fresh data key and the current KEK.

The row says which KEK it needs, so the work needs no memory of its own: whoever runs it, however often it
was killed, goes on with the rows that still name another KEK. A batch is one short transaction and skips rows
that somebody else works on. An old KEK is destroyed only when no row needs it and its successor has stood for
an hour, so that no transaction that began before can still be writing under it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import models
from django.views.decorators.debug import sensitive_variables

from ledger import audit, ids
from ledger.actors import Actor
from ledger.crashpoints import crashpoint, register
from ledger.errors import Conflict, DomainError
from ledger.locks import phased
from payments.models import BankFileContent, ExchangeKey, VaultRecord
from payments.models.vault import Sealed
from payments.vault import envelope, key_store, locks, stores
from payments.vault.tokens import envelope_of, write

BATCH: Final = 200
SETTLED_AFTER: Final = timedelta(hours=1)
SEALED: Final[tuple[type[Sealed], ...]] = (VaultRecord, ExchangeKey, BankFileContent)
register("vault.rotate_before_commit", "vault.rotate_after_commit")


class KeyInUse(Conflict):
    """Records still need the key, or may come to need it."""

    code = "vault_key_in_use"


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a run did: rows sealed anew, and rows that did not open (left as they are, and told)."""

    sealed: int
    unreadable: int


def rotate(*, actor: Actor, at: datetime, batch: int = BATCH) -> Rotated:
    """Seal every record anew that is not under the current KEK; safe to stop and to run again.

    :raises KeyStoreAway: the key store cannot be used.
    """
    current = stores.store().current()
    sealed = unreadable = 0
    for model in SEALED:
        after = None
        while True:
            last, done, failed = _rotate_batch(model, current, after, batch, actor, at)
            crashpoint("vault.rotate_after_commit")
            sealed, unreadable = sealed + done, unreadable + failed
            if last is None:
                break
            after = last
    return Rotated(sealed, unreadable)


def waiting() -> dict[str, int]:
    """Return how many records each KEK still holds."""
    found: dict[str, int] = {}
    for model in SEALED:
        rows = model._default_manager.filter(erased_at=None).values_list("key_id")
        for key_id, count in rows.annotate(count=models.Count("pk")):
            found[key_id] = found.get(key_id, 0) + count
    return found


@phased
def destroy(key_id: str, *, actor: Actor, at: datetime) -> None:
    """Destroy an old KEK that nothing needs any more.

    :raises KeyInUse: records need it, it is the current one, or its successor is younger than an hour.
    """
    keys = stores.store()
    current = keys.current()
    if key_id == current:
        raise KeyInUse(f"{key_id} is the current key")
    if waiting().get(key_id):
        raise KeyInUse(f"{waiting()[key_id]} records are under {key_id}; rotate first")
    if ids.moment(ids.parse(key_store.PREFIX, current)) > at - SETTLED_AFTER:
        raise KeyInUse("the current key is younger than an hour: somebody may still write under the old one")
    audit.record_one(audit.Act(actor, "vault.key_destroyed", "payments.vaultkey", key_id, at))
    keys.destroy(key_id)


@phased
def _rotate_batch(
    model: type[Sealed], current: str, after: object, batch: int, actor: Actor, at: datetime
) -> tuple[object, int, int]:
    """Seal up to `batch` rows anew; return the last one's key (None at the end), how many, how many not."""
    rows = locks.sealed_under_others(model, current, after, batch)
    done = failed = 0
    for row in rows:
        if _reseal(row, actor, at):
            done += 1
        else:
            failed += 1
    crashpoint("vault.rotate_before_commit")
    return (rows[-1].pk if len(rows) == batch else None), done, failed


@sensitive_variables()
def _reseal(row: Sealed, actor: Actor, at: datetime) -> bool:
    try:
        write(row, envelope.seal(envelope.unseal(envelope_of(row), row.about), row.about))
    except DomainError as error:
        if error.retryable:
            raise  # the store is away: nothing is wrong with the row
        audit.record(
            actor=actor, action="vault.rotated", subject=row, reason=error.code, outcome="failed", at=at,
            before={}, after={},
        )  # fmt: skip
        return False
    row.rotated_at = at
    row.save(update_fields=["key_id", "wrapped_key", "nonce", "ciphertext", "rotated_at"])
    return True
