"""Keys in a PKCS#11 token (an HSM; SoftHSM in tests): made there, never extractable, wrapping done inside.

Keys are found by their labels: `everycent:kek_…` for KEKs, `everycent:fingerprint` for the key of the
fingerprints. One session serves a process, one call at a time: the library is not asked for locks of its own,
and a call takes a tenth of a millisecond. After a fork, library and session begin again.
"""

import functools
import os
import threading
from collections.abc import Callable
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import (
    GeneralError,
    MultipleObjectsReturned,
    NoSuchKey,
    PKCS11Error,
    UserAlreadyLoggedIn,
)

from payments.vault.errors import KeyGone, KeyStoreAway, SealBroken
from payments.vault.key_store import PREFIX, new_key_id

_LABELS: Final = "everycent:"
_FINGERPRINT: Final = f"{_LABELS}fingerprint"
_HIDDEN: Final = {Attribute.EXTRACTABLE: False, Attribute.SENSITIVE: True}
_PASSING: Final = {Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: False, Attribute.TOKEN: False}

P = ParamSpec("P")
R = TypeVar("R")


def _in_token(
    method: "Callable[Concatenate[Pkcs11Store, P], R]",
) -> "Callable[Concatenate[Pkcs11Store, P], R]":
    """Turn whatever the token or its library refuses into our own word for it."""

    @functools.wraps(method)
    def run(self: "Pkcs11Store", /, *args: P.args, **kwargs: P.kwargs) -> R:
        with _turn():
            try:
                return method(self, *args, **kwargs)
            except PKCS11Error as error:
                self.forget_session()
                raise KeyStoreAway(f"the PKCS#11 token refuses: {type(error).__name__}") from error

    return run


class Pkcs11Store:
    """A `KeyStore` in a token."""

    def __init__(self, module: str, token: str, pin: str) -> None:
        self._module, self._token, self._pin = module, token, pin
        self._open_session: Any = None
        self._session_of = 0

    @_in_token
    def current(self) -> str:
        """Return the id of the newest KEK."""
        known = self.key_ids()
        if known:
            return known[-1]
        return self.make()

    @_in_token
    def key_ids(self) -> list[str]:
        """Return the ids of all KEKs, the oldest first."""
        wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES}
        labels = [key.label for key in self._session().get_objects({**wanted, Attribute.TOKEN: True})]
        start = f"{_LABELS}{PREFIX}_"
        return sorted(label.removeprefix(_LABELS) for label in labels if label.startswith(start))

    @_in_token
    def wrap(self, key_id: str, data_key: bytes) -> bytes:
        """Wrap a data key."""
        kek = self._kek(key_id)
        passing = self._session().create_object(
            {
                Attribute.CLASS: ObjectClass.SECRET_KEY,
                Attribute.KEY_TYPE: KeyType.AES,
                Attribute.VALUE: data_key,
                **_PASSING,
            }
        )
        try:
            return bytes(kek.wrap_key(passing, mechanism=Mechanism.AES_KEY_WRAP))
        finally:
            passing.destroy()

    @_in_token
    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Return the data key."""
        kek = self._kek(key_id)
        try:
            passing = kek.unwrap_key(
                ObjectClass.SECRET_KEY,
                KeyType.AES,
                wrapped,
                mechanism=Mechanism.AES_KEY_WRAP,
                store=False,
                template={Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: False},
            )
        except GeneralError as error:  # SoftHSM's word for a wrapped key that is not one
            raise SealBroken("a wrapped key does not unwrap") from error
        except pkcs11.exceptions.WrappedKeyInvalid as error:
            raise SealBroken("a wrapped key does not unwrap") from error
        except pkcs11.exceptions.WrappedKeyLenRange as error:
            raise SealBroken("a wrapped key does not unwrap") from error
        try:
            return bytes(passing[Attribute.VALUE])
        finally:
            passing.destroy()

    @_in_token
    def mac(self, message: bytes) -> bytes:
        """Return the HMAC-SHA-256 under the key of the fingerprints."""
        return bytes(self._fingerprint_key().sign(message, mechanism=Mechanism.SHA256_HMAC))

    @_in_token
    def make(self) -> str:
        """Make a new KEK."""
        key_id = new_key_id()
        self._session().generate_key(
            KeyType.AES,
            256,
            label=f"{_LABELS}{key_id}",
            store=True,
            capabilities=MechanismFlag.WRAP | MechanismFlag.UNWRAP,
            template=_HIDDEN,
        )
        return key_id

    @_in_token
    def destroy(self, key_id: str) -> None:
        """Destroy a KEK."""
        try:
            self._kek(key_id).destroy()
        except KeyGone:
            return

    def forget_session(self) -> None:
        """Open a new session the next time: this one may be broken."""
        self._open_session = None

    # --- inside -------------------------------------------------------------------------------------------
    def _session(self) -> Any:
        # After a fork the parent's session is not ours, and the library must begin again (PKCS#11 2.40, 2.5).
        if self._open_session is None or self._session_of != os.getpid():
            library = pkcs11.lib(self._module)
            if _initialised_in.setdefault(self._module, os.getpid()) != os.getpid():
                library.reinitialize()
                _initialised_in[self._module] = os.getpid()
            self._open_session = self._opened(library.get_token(token_label=self._token))
            self._session_of = os.getpid()
        return self._open_session

    def _opened(self, token: Any) -> Any:
        try:
            return token.open(rw=True, user_pin=self._pin)
        except UserAlreadyLoggedIn:  # by a session before: a login is the process's (PKCS#11 2.40, 2.6)
            return token.open(rw=True)

    def _kek(self, key_id: str) -> Any:
        try:
            return self._session().get_key(label=f"{_LABELS}{key_id}", object_class=ObjectClass.SECRET_KEY)
        except NoSuchKey as error:
            raise KeyGone(f"there is no key {key_id}") from error

    def _fingerprint_key(self) -> Any:
        try:
            return self._session().get_key(label=_FINGERPRINT, object_class=ObjectClass.SECRET_KEY)
        except NoSuchKey:
            return self._session().generate_key(
                KeyType.GENERIC_SECRET,
                256,
                label=_FINGERPRINT,
                store=True,
                capabilities=MechanismFlag.SIGN,
                template=_HIDDEN,
            )
        except MultipleObjectsReturned as error:
            raise KeyStoreAway("the token holds two keys of fingerprints; keep the one in use") from error


def _turn() -> Any:
    """Return the lock of this process: one that a fork took over may be held by a thread that is not here."""
    if _turns[0] != os.getpid():
        _turns[:] = [os.getpid(), threading.RLock()]
    return _turns[1]


_initialised_in: Final[dict[str, int]] = {}
_turns: Final[list[Any]] = [os.getpid(), threading.RLock()]
