"""API keys: issue, rotate with overlap, revoke, find.

The plaintext `sk_test_<lookup>_<secret>` leaves this file once, as the answer of `issue` or `rotate`; what
is stored finds it by its lookup part and checks it by a hash.
"""

import hashlib
import hmac
import secrets
import string
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Q

from ledger import audit
from ledger.actors import Actor
from ledger.errors import Invalid
from ledger.locks import changes_in_phase, phased, require_phase
from vendors import locks, selectors
from vendors.models import ApiKey, Merchant, Mode
from vendors.scopes import ORDINARY, check_scopes
from vendors.services.idempotency import KeyRevoked

LOOKUP_LENGTH: Final = 12
SECRET_BYTES: Final = 32
USE_NOTED_EVERY: Final = timedelta(minutes=1)
_LOOKUP_LETTERS: Final = string.ascii_lowercase + string.digits
_WORD_OF_MODE: Final = {Mode.SANDBOX.value: "test", Mode.LIVE.value: "live"}


class KeyModeMismatch(Invalid):
    """A key of one mode for a merchant of the other."""

    code = "api_key_mode"


@phased
def issue(
    merchant: Merchant,
    scopes: list[str] | None = None,
    mode: str | None = None,
    *,
    actor: Actor,
    at: datetime,
    label: str = "",
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its plaintext, which is not kept; without `scopes` it has all ordinary.

    :raises UnknownScope: a scope that does not exist.
    :raises KeyModeMismatch: a live key for a sandbox merchant.
    """
    return _issue(merchant, scopes, mode, actor=actor, at=at, label=label, expires_at=expires_at)


@phased
def rotate(
    *, merchant_id: UUID, api_key_id: UUID, overlap: timedelta, actor: Actor, at: datetime
) -> tuple[ApiKey, str]:
    """Make a key like an old one, which holds for `overlap` longer; return the new key and its plaintext.

    :raises ApiKeyNotFound: the merchant has no such key.
    """
    merchant = locks.merchant(merchant_id)
    old = locks.api_key(merchant_id, api_key_id)
    end = at + overlap
    old.expires_at = min(old.expires_at, end) if old.expires_at else end
    old.save(update_fields=["expires_at"])
    new, plaintext = _issue(merchant, old.scopes, old.mode, actor=actor, at=at, label=old.label)
    before, after = changes_in_phase(old)
    audit.record(
        actor=actor, action="api_key.rotated", subject=old, at=at, before=before,
        after={**after, "replaced_by": new.public_id},
    )  # fmt: skip
    return new, plaintext


@phased
def revoke(*, merchant_id: UUID, api_key_id: UUID, reason: str, actor: Actor, at: datetime) -> ApiKey:
    """End a key at once; a key that is revoked already keeps its first time.

    Waits for what it has begun without a claim of its own; once this is done, it begins nothing more.

    :raises ApiKeyNotFound: the merchant has no such key.
    """
    key = locks.api_key(merchant_id, api_key_id)
    if key.revoked_at is None:
        locks.key_alone(api_key_id)
        key.revoked_at = at
        key.save(update_fields=["revoked_at"])
        audit.record(actor=actor, action="api_key.revoked", subject=key, reason=reason, at=at)
    return key


def find(plaintext: str, along: selectors.Along | None = None) -> ApiKey | None:
    """Return the key that a plaintext proves, with its merchant, in one query; also one that has ended.

    `along` may be read by that query, before anything is proven: look at it only with the key in hand.
    """
    kind, _, rest = plaintext.partition("_")
    word, _, rest = rest.partition("_")
    lookup, _, secret = rest.partition("_")
    if kind != "sk" or not secret or len(lookup) != LOOKUP_LENGTH or not lookup.isascii():
        return None
    key = selectors.api_key_by_lookup(lookup, along)
    if key is None or _WORD_OF_MODE[key.mode] != word:
        return None
    return key if hmac.compare_digest(_digest(secret), bytes(key.secret_sha256)) else None


def require_standing(api_key_id: UUID) -> None:
    """Let a key act in the open phase, unless it was revoked since the door; one statement.

    :raises KeyRevoked: it was; nothing is begun.
    """
    require_phase()
    with connection.cursor() as cursor:
        cursor.execute("SELECT vendors_key_stands(%s)", [api_key_id])
        (stands,) = cursor.fetchone()
    if not stands:
        raise KeyRevoked("the API key is revoked")


def note_use(key: ApiKey, at: datetime) -> None:
    """Remember that a key was used, at most once a minute, so that the hot path stays free of it."""
    stale = at - USE_NOTED_EVERY
    if key.last_used_at is None or key.last_used_at <= stale:
        unnoted = Q(last_used_at__isnull=True) | Q(last_used_at__lte=stale)
        ApiKey.objects.filter(unnoted, pk=key.pk).update(last_used_at=at)


def _issue(
    merchant: Merchant,
    scopes: list[str] | None,
    mode: str | None,
    *,
    actor: Actor,
    at: datetime,
    label: str,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    mode = mode or merchant.mode
    if mode != merchant.mode:
        raise KeyModeMismatch(f"a {merchant.mode} merchant has {merchant.mode} keys only", param="mode")
    lookup = "".join(secrets.choice(_LOOKUP_LETTERS) for _ in range(LOOKUP_LENGTH))
    secret = secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey.objects.create(
        merchant=merchant,
        mode=mode,
        label=label,
        lookup=lookup,
        secret_sha256=_digest(secret),
        scopes=check_scopes(sorted(ORDINARY) if scopes is None else scopes),
        expires_at=expires_at,
    )
    audit.record(
        actor=actor,
        action="api_key.issued",
        subject=key,
        after={"scopes": key.scopes, "mode": mode, "label": label},
        at=at,
    )
    return key, f"sk_{_WORD_OF_MODE[mode]}_{lookup}_{secret}"


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
