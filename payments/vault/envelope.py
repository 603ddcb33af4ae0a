"""Envelope encryption: each record is sealed by AES-256-GCM under a data key of its own, wrapped by a KEK.

A data key seals one record once, so no pair of key and nonce can ever repeat (NIST SP 800-38D, 8.2), and
erasing the wrapped key with its record erases what it sealed. What the record is (table, row, merchant,
token) is bound in as associated data: content moved to another row does not open.
"""

import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.views.decorators.debug import sensitive_variables

from payments.vault import key_store, stores
from payments.vault.errors import SealBroken

FORMAT: Final = 1
NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is kept: which KEK wraps the data key, the wrapped key, the nonce, the ciphertext with its tag."""

    key_id: str
    wrapped_key: bytes
    nonce: bytes
    ciphertext: bytes


@sensitive_variables()
def seal(plaintext: bytes, about: bytes) -> Envelope:
    """Seal bytes under a fresh data key; `about` must be given again to open them.

    :raises KeyStoreAway: the key store cannot be used.
    """
    keys = stores.store()
    key_id = keys.current()
    data_key, nonce = secrets.token_bytes(key_store.DATA_KEY_BYTES), secrets.token_bytes(NONCE_BYTES)
    return Envelope(
        key_id, keys.wrap(key_id, data_key), nonce, AESGCM(data_key).encrypt(nonce, plaintext, about)
    )


@sensitive_variables()
def unseal(envelope: Envelope, about: bytes) -> bytes:
    """Return what was sealed.

    :raises SealBroken: something of it was changed, or it was sealed for another row.
    :raises KeyGone: its KEK was destroyed. :raises KeyStoreAway: the key store cannot be used.
    """
    data_key = stores.store().unwrap(envelope.key_id, envelope.wrapped_key)
    try:
        return AESGCM(data_key).decrypt(envelope.nonce, envelope.ciphertext, about)
    except (InvalidTag, ValueError) as error:
        raise SealBroken("the content does not open") from error
