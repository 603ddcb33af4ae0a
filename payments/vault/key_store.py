"""Where keys that wrap other keys (KEK) live, behind one interface; `stores.store()` is the configured one.

A KEK wraps data keys by AES-KW (RFC 3394, NIST SP 800-38F): deterministic, authenticated, without a nonce
that could repeat. It never leaves its store; with PKCS#11 not even this process can read it. Ids begin with
`kek_` and sort by age: the newest is the current one.
"""

from typing import Final, Protocol

from ledger import ids

FILE: Final = "file"
PKCS11: Final = "pkcs11"
KINDS: Final = (FILE, PKCS11)
DATA_KEY_BYTES: Final = 32
PREFIX: Final = "kek"


class KeyStore(Protocol):
    """The only things that may be done with a KEK and with the key of the fingerprints."""

    def current(self) -> str:
        """Return the id of the newest KEK, making the first one when there is none.

        :raises KeyStoreAway: the store cannot be used.
        """

    def key_ids(self) -> list[str]:
        """Return the ids of all KEKs, the oldest first. :raises KeyStoreAway: the store cannot be used."""

    def wrap(self, key_id: str, data_key: bytes) -> bytes:
        """Wrap a data key. :raises KeyGone: no such KEK. :raises KeyStoreAway: the store cannot be used."""

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Return the data key.

        :raises KeyGone: no such KEK. :raises SealBroken: it was not wrapped so.
        :raises KeyStoreAway: the store cannot be used.
        """

    def mac(self, message: bytes) -> bytes:
        """Return the HMAC-SHA-256 of a message under the key of the fingerprints, which is never replaced."""

    def make(self) -> str:
        """Make a new KEK, which is the current one from now on; return its id."""

    def destroy(self, key_id: str) -> None:
        """Destroy a KEK for ever: what is still wrapped by it can never be opened again."""


def new_key_id() -> str:
    """Return an id for a new KEK, later in order than all before."""
    return ids.show(PREFIX, ids.uuid7())
