"""The certificates with which PayPal signs its events: fetched from the configured address only, and believed
only when they lead to a trusted root and are PayPal's own by name.

A certificate is kept by its address; what could not be had is not asked for again for a minute, and a process
asks for few in a minute, so that forged messages cannot make us ask.
"""

import threading
import time
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import certifi
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from payments.providers.errors import BadSignature, ProviderUnavailable
from payments.providers.transport import Transport

KEPT_MAX: Final = 32
FETCHES_A_MINUTE: Final = 12
AGAIN_SECONDS: Final = 60.0
CERTIFICATE_MAX_BYTES: Final = 64_000
CHAIN_MAX: Final = 8
URL_MAX: Final = 500
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificates are believed: where they lie, whose name they bear, and the file of their roots."""

    address: str
    name: str
    roots_file: Path | None = None


class Certificates:
    """Certificates by address; thread-safe."""

    def __init__(
        self, transport: Transport, trust: Trust, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._transport = transport
        self._trust = trust
        self._clock = clock
        self._lock = threading.Lock()
        self._chains: dict[str, list[x509.Certificate]] = {}
        self._failed: dict[str, float] = {}
        self._fetched: list[float] = []

    def check(self, address: str, message: bytes, signature: str, at: datetime) -> None:
        """Check that a message was signed (SHA256withRSA) with the certificate at an address.

        :raises BadSignature: it was not, or the certificate is not to be believed at that moment.
        :raises ProviderUnavailable: the certificate could not be had now.
        """
        self._check_address(address)
        chain = self._chain(address)
        key = self._believed(chain, at).public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise BadSignature("the certificate's key is not RSA")
        try:
            given = b64decode(signature.encode("ascii"), validate=True)
            key.verify(given, message, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, NotBase64, UnicodeEncodeError) as error:
            raise BadSignature("the signature of the event is not right") from error

    def _check_address(self, address: str) -> None:
        """Refuse any address but one right under the configured one: never ask a stranger's server."""
        wanted, given = urlsplit(self._trust.address), urlsplit(address[:URL_MAX])
        is_plain = address.isascii() and address.isprintable() and len(address) <= URL_MAX
        name = given.path.removeprefix(wanted.path)
        if (
            not is_plain
            or (given.scheme, given.netloc) != (wanted.scheme, wanted.netloc)
            or not given.path.startswith(wanted.path)
            or not name.replace("-", "").replace("_", "").isalnum()
            or given.query
            or given.fragment
        ):
            raise BadSignature("the certificate's address is not the provider's", fault="certificate_strange")

    def _chain(self, address: str) -> list[x509.Certificate]:
        with self._lock:
            if address in self._chains:
                return self._chains[address]
            now = self._clock()
            if now - self._failed.get(address, -AGAIN_SECONDS) < AGAIN_SECONDS:
                raise ProviderUnavailable("certificate_not_had")
            self._fetched = [then for then in self._fetched if now - then < AGAIN_SECONDS]
            if len(self._fetched) >= FETCHES_A_MINUTE:
                raise ProviderUnavailable("too_many_certificates")
            self._fetched.append(now)
        chain = self._fetch(address)
        with self._lock:
            if not chain:
                _keep(self._failed, address, now)
                raise ProviderUnavailable("certificate_not_had")
            _keep(self._chains, address, chain)
        return chain

    def _fetch(self, address: str) -> list[x509.Certificate]:
        """Return what lies at an address; nothing when it is no certificate, or could not be had."""
        try:
            reply = self._transport.send(
                "certificate", "GET", address, headers={"authorization": "", "accept": "*/*"},
                body_max_bytes=CERTIFICATE_MAX_BYTES,
            )  # fmt: skip
            chain = x509.load_pem_x509_certificates(reply.raw) if reply.status == 200 else []
        except (ProviderUnavailable, ValueError):
            return []
        return chain[:CHAIN_MAX]

    def _believed(self, chain: list[x509.Certificate], at: datetime) -> x509.Certificate:
        """Return the first certificate when it bears the name and leads to a root of ours."""
        policy = PolicyBuilder().store(self._roots).time(at.astimezone(UTC).replace(tzinfo=None))
        try:
            policy.build_server_verifier(x509.DNSName(self._trust.name)).verify(chain[0], chain[1:])
        except (VerificationError, ValueError) as error:
            raise BadSignature(
                "the certificate is not one of the provider's", fault="certificate_strange"
            ) from error
        return chain[0]

    @cached_property
    def _roots(self) -> Store:
        file = self._trust.roots_file or Path(certifi.where())
        try:
            return Store(x509.load_pem_x509_certificates(file.read_bytes()))
        except (OSError, ValueError) as error:
            raise ProviderUnavailable("roots_not_readable") from error


def _keep(kept: dict[str, Value], address: str, value: Value) -> None:
    if len(kept) >= KEPT_MAX:
        kept.pop(next(iter(kept)))
    kept[address] = value
