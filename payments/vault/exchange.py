"""Details encrypted in the customer's browser (or a merchant's SDK) for the vault alone.

One envelope, in one text: `ev1.<key id>.<client's public key>.<nonce>.<ciphertext>`, the last three in
base64url. ECDH on P-256 between a fresh key pair of the client and a published one of ours; HKDF-SHA-256 with
both public keys as salt; AES-256-GCM, bound to key and merchant, so that an envelope stolen from one
merchant's page is worth nothing to another. Our key pairs rotate; an old one opens for a time of grace, then
its private half is erased, and what was recorded on the way can never be opened. docs/encrypting-cards.md is
the same for people.
"""

import base64
import binascii
import json
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from ledger import ids
from ledger.errors import NotFound as IdNotFound
from ledger.locks import phased
from payments.models import ExchangeKey
from payments.vault import envelope, locks
from payments.vault.envelope import Envelope
from payments.vault.errors import ExchangeKeyOver, NotSealed

SCHEME: Final = "ev1"
ALGORITHM: Final = "ECDH-P256+HKDF-SHA256+A256GCM"
TEXT_MAX: Final = 4_096
POINT_BYTES: Final = 65  # uncompressed: 4, x, y (SEC 1, 2.3.3)
NONCE_BYTES: Final = 12
_SHAPE: Final = re.compile(r"ev1\.(vek_[0-9a-z]{26})\.([\w-]{87})\.([\w-]{16})\.([\w-]{22,4000})", re.ASCII)


def published(at: datetime) -> ExchangeKey:
    """Return the key pair whose public half is to be used now; the first asker of its time makes it.

    :raises KeyStoreAway: the key store cannot be used.
    """
    newest = ExchangeKey.objects.filter(expires_at__gt=at, erased_at=None).order_by("-expires_at").first()
    return newest or _make(at)


def rotate(at: datetime) -> int:
    """Make the next key pair when the published one is in its last quarter; erase what is past its grace.

    Returns how many private halves were erased.
    """
    published(at)
    last_quarter = at + timedelta(hours=settings.VAULT_EXCHANGE_KEY_HOURS) / 4
    if not ExchangeKey.objects.filter(expires_at__gt=last_quarter, erased_at=None).exists():
        _make(at, beyond=last_quarter)
    past = ExchangeKey.objects.filter(usable_until__lte=at, erased_at=None)
    return past.update(wrapped_key=None, nonce=None, ciphertext=None, erased_at=at)


@sensitive_variables()
def open_details(text: str, merchant_id: UUID, at: datetime) -> Mapping[str, Any]:
    """Return the JSON object that a client encrypted for one merchant.

    :raises NotSealed: it does not open, or holds no object. :raises ExchangeKeyOver: its key's time is over.
    :raises KeyStoreAway: the key store cannot be used.
    """
    key_id, point, nonce, ciphertext = _parts(text)
    pair = _pair(key_id, at)
    try:
        client = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        shared = _private(pair).exchange(ec.ECDH(), client)
        opened = AESGCM(_derived(shared, point, bytes(pair.public_key))).decrypt(
            nonce, ciphertext, bound_to(key_id, merchant_id)
        )
        values = json.loads(opened)
    except (InvalidTag, ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        # Without a cause: what failed may stand in its message.
        raise NotSealed("the encrypted details do not open", param="encrypted") from None
    return values


@sensitive_variables()
def encrypt_for(point: bytes, plaintext: bytes, about: bytes) -> tuple[bytes, bytes, bytes]:
    """Encrypt bytes for the holder of a public key: a fresh public key, the nonce, the ciphertext.

    :raises ValueError: the point is not on P-256.
    """
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    fresh = ec.generate_private_key(ec.SECP256R1())
    own = _point(fresh)
    nonce = secrets.token_bytes(NONCE_BYTES)
    key = _derived(fresh.exchange(ec.ECDH(), theirs), own, point)
    return own, nonce, AESGCM(key).encrypt(nonce, plaintext, about)


def bound_to(key_id: str, merchant_id: UUID) -> bytes:
    """Return what an envelope is bound to."""
    return f"{SCHEME}|{key_id}|{ids.show('mer', merchant_id)}".encode()


def encoded(value: bytes) -> str:
    """Return bytes as base64url without padding (RFC 4648, 5)."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Return the bytes of a base64url text. :raises ValueError: it is none."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error


# --- inside -----------------------------------------------------------------------------------------------
def _parts(text: str) -> tuple[str, bytes, bytes, bytes]:
    match = _SHAPE.fullmatch(text) if len(text) <= TEXT_MAX else None
    if match is None:
        raise NotSealed("the encrypted details have an odd form", param="encrypted")
    try:
        point, nonce, ciphertext = (decoded(part) for part in match.groups()[1:])
    except ValueError as error:
        raise NotSealed("the encrypted details are not base64url", param="encrypted") from error
    return match.group(1), point, nonce, ciphertext


def _pair(key_id: str, at: datetime) -> ExchangeKey:
    try:
        pair = ExchangeKey.objects.filter(pk=ids.parse(ExchangeKey.PREFIX, key_id)).first()
    except IdNotFound:
        pair = None
    if pair is None:
        raise NotSealed("there is no such encryption key", param="encrypted")
    if pair.erased_at is not None or pair.usable_until <= at:
        raise ExchangeKeyOver(f"the time of {key_id} is over", param="encrypted")
    return pair


@sensitive_variables()
def _private(pair: ExchangeKey) -> ec.EllipticCurvePrivateKey:
    sealed = Envelope(pair.key_id, bytes(pair.wrapped_key or b""), bytes(pair.nonce or b""),
                      bytes(pair.ciphertext or b""))  # fmt: skip
    private = load_der_private_key(envelope.unseal(sealed, pair.about), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise NotSealed("the key pair is of another kind", param="encrypted")
    return private


@sensitive_variables()
def _derived(shared: bytes, client: bytes, server: bytes) -> bytes:
    return HKDF(
        algorithm=hashes.SHA256(), length=32, salt=client + server, info=b"everycent ev1 details"
    ).derive(shared)


def _point(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@phased
def _make(at: datetime, beyond: datetime | None = None) -> ExchangeKey:
    """Make a key pair, one at a time; return the one that another process was quicker to make."""
    locks.exchange_keys()
    standing = ExchangeKey.objects.filter(expires_at__gt=beyond or at, erased_at=None)
    newest = standing.order_by("-expires_at").first()
    if newest is not None:
        return newest
    private = ec.generate_private_key(ec.SECP256R1())
    expires_at = at + timedelta(hours=settings.VAULT_EXCHANGE_KEY_HOURS)
    pair = ExchangeKey(
        id=ids.uuid7(),
        public_key=_point(private),
        created_at=at,
        expires_at=expires_at,
        usable_until=expires_at + timedelta(hours=settings.VAULT_EXCHANGE_GRACE_HOURS),
    )
    secret = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    sealed = envelope.seal(secret, pair.about)
    pair.key_id, pair.wrapped_key = sealed.key_id, sealed.wrapped_key
    pair.nonce, pair.ciphertext = sealed.nonce, sealed.ciphertext
    pair.save(force_insert=True)
    return pair
