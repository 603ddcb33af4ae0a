"""Keys in one file, readable by its owner alone (0600), made on first use: the embedded default.

Whoever has the file and the database can open everything, so it lies apart from the database and is backed up
apart from it; for more, use PKCS#11. A file that others may read is refused. Processes share it: each looks
at its time before it trusts what it remembers, and a change replaces the file whole.
"""

import base64
import binascii
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from payments.vault.errors import KeyGone, KeyStoreAway, SealBroken
from payments.vault.key_store import DATA_KEY_BYTES, new_key_id

_MODE = 0o600
_TOO_OPEN = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, repr=False)
class _Keys:
    """What the file holds, and the file it was read from."""

    keks: dict[str, bytes]
    fingerprint: bytes
    stamp: tuple[int, int]


class FileStore:
    """A `KeyStore` in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: _Keys | None = None
        self._lock = threading.Lock()

    def current(self) -> str:
        """Return the id of the newest KEK."""
        return max(self._keys().keks)

    def key_ids(self) -> list[str]:
        """Return the ids of all KEKs, the oldest first."""
        return sorted(self._keys().keks)

    def wrap(self, key_id: str, data_key: bytes) -> bytes:
        """Wrap a data key."""
        return aes_key_wrap(self._kek(key_id), data_key)

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Return the data key."""
        try:
            return aes_key_unwrap(self._kek(key_id), wrapped)
        except (InvalidUnwrap, ValueError) as error:
            raise SealBroken("a wrapped key does not unwrap") from error

    def mac(self, message: bytes) -> bytes:
        """Return the HMAC-SHA-256 under the key of the fingerprints."""
        return hmac.new(self._keys().fingerprint, message, hashlib.sha256).digest()

    def make(self) -> str:
        """Make a new KEK."""
        self._keys()
        with self._exclusively():
            keys = self._read()
            key_id = new_key_id()
            self._write({**keys.keks, key_id: secrets.token_bytes(32)}, keys.fingerprint)
        return key_id

    def destroy(self, key_id: str) -> None:
        """Destroy a KEK."""
        with self._exclusively():
            keys = self._read()
            self._write({name: key for name, key in keys.keks.items() if name != key_id}, keys.fingerprint)

    # --- inside -------------------------------------------------------------------------------------------
    def _kek(self, key_id: str) -> bytes:
        kek = self._keys().keks.get(key_id)
        if kek is None:
            raise KeyGone(f"there is no key {key_id}")
        return kek

    def _keys(self) -> _Keys:
        """Return the keys, read again when the file was replaced; the first asker makes the file."""
        with self._lock:
            try:
                known = self._known
                if known is None or known.stamp != _stamp(os.stat(self._path)):
                    self._known = known = self._read()
                return known
            except FileNotFoundError:
                self._make_first()
                self._known = known = self._read()
                return known

    def _read(self) -> _Keys:
        try:
            with self._path.open("rb") as file:
                about = os.fstat(file.fileno())
                if about.st_mode & _TOO_OPEN:
                    raise KeyStoreAway(f"{self._path} may be read by others; its mode must be 0600")
                found: dict[str, Any] = json.loads(file.read())
            keks = {name: _key(text) for name, text in found["keks"].items()}
            fingerprint = _key(found["fingerprint"])
        except FileNotFoundError:
            raise
        except OSError as error:
            raise KeyStoreAway(f"the key file cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KeyStoreAway("the key file is damaged") from error
        if not keks:
            raise KeyStoreAway("the key file holds no key")
        return _Keys(keks, fingerprint, _stamp(about))

    def _make_first(self) -> None:
        """Make the file with its first keys; when another process was quicker, its file stays."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._exclusively():
            if not self._path.exists():
                self._write({new_key_id(): secrets.token_bytes(32)}, secrets.token_bytes(32))

    def _write(self, keks: dict[str, bytes], fingerprint: bytes) -> None:
        """Replace the file whole: readers see the old one or the new one, also after a crash."""
        text = json.dumps(
            {
                "keks": {name: base64.b64encode(key).decode() for name, key in keks.items()},
                "fingerprint": base64.b64encode(fingerprint).decode(),
            },
            indent=1,
        )
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        beside.unlink(missing_ok=True)  # of a process that was killed here
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        lock = os.open(self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT, _MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _stamp(about: os.stat_result) -> tuple[int, int]:
    return about.st_mtime_ns, about.st_ino


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if len(key) != DATA_KEY_BYTES:
        raise ValueError("a key has 32 bytes")
    return key
