"""The customer's browser on the marketplace's own page: a card is encrypted for the vault before it leaves.

Does in Python what docs/encrypting-cards.md does in a browser, and shares no code with the vault.
"""

import base64
import json
import os
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from config.day.shapes import Means

SCHEME: Final = "ev1"
SECRET_BYTES: Final = 32
NONCE_BYTES: Final = 12


def encrypted(means: Means, key: dict[str, Any], merchant: str) -> str:
    """Encrypt a card for a merchant (public id) with the key that the house publishes."""
    theirs, own = _bytes(key["public_key"]), ec.generate_private_key(ec.SECP256R1())
    point = own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = own.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
    secret = HKDF(SHA256(), SECRET_BYTES, point + theirs, f"everycent {SCHEME} details".encode()).derive(
        shared
    )
    nonce, about = os.urandom(NONCE_BYTES), f"{SCHEME}|{key['id']}|{merchant}"
    details = json.dumps(means.as_network_body()).encode()
    sealed = AESGCM(secret).encrypt(nonce, details, about.encode())
    return ".".join((SCHEME, key["id"], *map(_text, (point, nonce, sealed))))


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
