"""A customer's browser for tests: card numbers of no issuer, and details encrypted for the vault.

`encrypt` does in Python what docs/encrypting-cards.md does in the browser, and shares no code with the vault.
"""

import base64
import json
import os
import secrets
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client

CVC = "737"


def number(start: str = "400000", length: int = 16) -> str:
    """A fresh number with a right check digit, which stands nowhere yet."""
    body = start + "".join(secrets.choice("0123456789") for _ in range(length - len(start) - 1))
    doubled = (int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(body + "0")))
    return body + str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)


def card(**changes: Any) -> dict[str, Any]:
    """What a customer types."""
    return {
        "number": number(),
        "exp_month": 12,
        "exp_year": 2040,
        "cvc": CVC,
        "holder": "Carla Jung",
        **changes,
    }


def published() -> dict[str, Any]:
    """The key that the house publishes."""
    answer = Client().get("/api/v1/encryption-key")
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def encrypt(details: Any, merchant_id: str, key: dict[str, Any] | None = None) -> str:
    """Encrypt details for the vault, as a browser on a merchant's page does."""
    key = key or published()
    server = decoded(key["public_key"])
    own = ec.generate_private_key(ec.SECP256R1())
    point = own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = own.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), server))
    secret = derived(shared, point + server)
    nonce = os.urandom(12)
    about = f"ev1|{key['id']}|{merchant_id}".encode()
    sealed = AESGCM(secret).encrypt(nonce, json.dumps(details).encode(), about)
    return ".".join(("ev1", key["id"], *map(encoded, (point, nonce, sealed))))


def derived(shared: bytes, salt: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, b"everycent ev1 details").derive(shared)


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
