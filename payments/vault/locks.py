"""The vault's locks: one maker of key pairs at a time, and rows to be sealed anew."""

from typing import Final

from django.db import connection

from ledger import locks
from payments.models.vault import Sealed

_EXCHANGE_KEYS: Final = "SELECT pg_advisory_xact_lock(hashtext('payments_exchangekey'))"


def exchange_keys() -> None:
    """Let nobody else make a key pair of the vault until this phase ends."""
    locks.require_phase()
    with connection.cursor() as cursor:
        cursor.execute(_EXCHANGE_KEYS)


def sealed_under_others(model: type[Sealed], key_id: str, after: object, limit: int) -> list[Sealed]:
    """Lock up to `limit` rows of the vault that another KEK wraps, past a row, skipping those in use."""
    unit = locks.require_phase()
    rows = model._default_manager.filter(erased_at=None).exclude(key_id=key_id)
    if after is not None:
        rows = rows.filter(pk__gt=after)
    found = list(rows.select_for_update(skip_locked=True, of=("self",), no_key=True).order_by("pk")[:limit])
    for row in found:
        locks.stamp(row, unit)
    return found
