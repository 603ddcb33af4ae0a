"""Who is calling: an API key in `Authorization: Bearer sk_…`, found and proven in one query.

A key that is unknown, wrong, expired or revoked is 401; a merchant who may not act is 403. When the key was
used is noted at most once a minute.
"""

from dataclasses import dataclass
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from ledger import clock
from ledger.actors import Actor
from vendors import selectors
from vendors.models import ApiKey, Merchant
from vendors.services import keys, refusals

CHALLENGE = 'Bearer realm="everycent"'


@dataclass(frozen=True, slots=True)
class Principal:
    """The proven caller: a key, its merchant, and the actor that events will name."""

    key: ApiKey
    merchant: Merchant
    actor: Actor

    is_authenticated = True

    def has_scope(self, scope: str) -> bool:
        """Say whether the key was issued with a scope."""
        return scope in self.key.scopes


class ApiKeyAuthentication(BaseAuthentication):
    """Prove the key of a request; a request that is driven on by us has its principal already."""

    def authenticate(self, request: Request) -> tuple[Principal, ApiKey] | None:
        """Return the principal, or None without an Authorization header.

        :raises AuthenticationFailed: the key proves nothing.
        :raises PermissionDenied: the merchant may not act.
        """
        claim = getattr(request._request, "resumed_claim", None)
        if claim is not None:
            return _principal(selectors.api_key(claim.merchant_id, claim.api_key_id))
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        scheme, _, plaintext = header.partition(" ")
        if scheme.lower() != "bearer":
            raise AuthenticationFailed("the Authorization header must be of the kind Bearer")
        at = clock.now()
        key = keys.find(plaintext.strip(), getattr(request._request, "along", None))
        if key is None:
            refusals.note(None, "unknown", at)
            raise AuthenticationFailed("the API key is not known")
        if key.revoked_at is not None:
            refusals.note(key, "revoked", at)
            raise AuthenticationFailed("the API key is revoked", code="api_key_revoked")
        if key.expires_at is not None and key.expires_at <= at:
            refusals.note(key, "expired", at)
            raise AuthenticationFailed("the API key has expired", code="api_key_expired")
        if not key.merchant.is_active:
            refusals.note(key, "merchant inactive", at)
            raise PermissionDenied("the merchant may not act", code="merchant_inactive")
        keys.note_use(key, at)
        return _principal(key)

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def _principal(key: ApiKey) -> tuple[Principal, ApiKey]:
    actor = Actor("api_key", key.public_id, key.label, role=f"{key.mode} key")
    return Principal(key, key.merchant, actor), key


def principal_of(request: Request) -> Principal:
    """Return the proven caller of a request that passed authentication."""
    principal: Any = request.user
    if not isinstance(principal, Principal):
        raise TypeError("the request is not authenticated: the front desk did not run")
    return principal
