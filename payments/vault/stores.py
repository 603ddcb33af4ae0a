"""The key store that the settings name, one per process: a file (the default) or a PKCS#11 token."""

import threading
from typing import Final

from django.conf import settings

from payments.vault.file_store import FileStore
from payments.vault.key_store import PKCS11, KeyStore


def store() -> KeyStore:
    """Return the key store that the settings name.

    :raises KeyStoreAway: its library or its token is not there.
    """
    with _lock:
        if not _built:
            _built.append(_build())
        return _built[0]


def reset() -> None:
    """Forget the store, so that changed settings are read again (tests)."""
    with _lock:
        _built.clear()


def _build() -> KeyStore:
    if settings.VAULT_KEY_STORE == PKCS11:
        from payments.vault.pkcs11_store import Pkcs11Store  # its library is loaded only where it is wanted

        return Pkcs11Store(
            settings.VAULT_PKCS11_MODULE, settings.VAULT_PKCS11_TOKEN, settings.VAULT_PKCS11_PIN
        )
    return FileStore(settings.VAULT_KEY_FILE)


_built: Final[list[KeyStore]] = []
_lock: Final = threading.Lock()
