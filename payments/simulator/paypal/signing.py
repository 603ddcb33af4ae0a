"""How PayPal signs its events: SHA256withRSA with a certificate that leads over an intermediate to a root.

All three are made once and kept in the data folder; the root's file is what the house is told to trust, the
other two are served under /v1/notifications/certs/.
"""

import base64
import uuid
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from payments.simulator.callbacks import Headers

NAME = "messageverificationcerts.paypal.com"
ROOT_FILE = "paypal-root.pem"
CHAIN_FILE = "paypal-chain.pem"
KEY_FILE = "paypal-key.pem"
DAYS = 800


class Signer:
    """The certificate of this sandbox, from its folder or just made."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / KEY_FILE).exists():
            _make(folder)
        self.chain = (folder / CHAIN_FILE).read_bytes()
        key = serialization.load_pem_private_key((folder / KEY_FILE).read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self._key = key
        serial = x509.load_pem_x509_certificates(self.chain)[0].serial_number
        self.name = f"CERT-{serial:x}"
        self._address = f"{url}/v1/notifications/certs/{self.name}"

    def headers(self, webhook_id: str) -> Headers:
        """The headers that sign a callback for a webhook."""

        def signed(_event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
            return self.sign(webhook_id, datetime.fromtimestamp(timestamp, UTC), body)

        return signed

    def sign(self, webhook_id: str, at: datetime, body: bytes) -> dict[str, str]:
        """The five headers of one transmission."""
        transmission = str(uuid.uuid4())
        sent_at = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        message = f"{transmission}|{sent_at}|{webhook_id}|{zlib.crc32(body)}".encode()
        signature = self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return {
            "paypal-auth-algo": "SHA256withRSA",
            "paypal-cert-url": self._address,
            "paypal-transmission-id": transmission,
            "paypal-transmission-sig": base64.b64encode(signature).decode(),
            "paypal-transmission-time": sent_at,
        }


def issue(
    common_name: str,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    issuer: tuple[x509.Certificate, CertificateIssuerPrivateKeyTypes] | None,
    *,
    is_authority: bool,
    days: int = DAYS,
) -> x509.Certificate:
    """A certificate, by an issuer or by itself, as web servers have them (RFC 5280)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer[0].subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_usage(is_authority=is_authority), critical=True)
    )
    signing = issuer[1] if issuer else key
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(
        issuer[0].public_key() if issuer else key.public_key()  # type: ignore[arg-type]
    )
    made = made.add_extension(authority, critical=False)
    if not is_authority:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False)
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return made.sign(signing, hashes.SHA256())


def _make(folder: Path) -> None:
    root_key, middle_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    root = issue("Everycent Sandbox Root", root_key, None, is_authority=True)
    middle = issue("Everycent Sandbox Issuer", middle_key, (root, root_key), is_authority=True)
    leaf = issue(NAME, key, (middle, middle_key), is_authority=False)
    pem = serialization.Encoding.PEM
    (folder / ROOT_FILE).write_bytes(root.public_bytes(pem))
    (folder / CHAIN_FILE).write_bytes(leaf.public_bytes(pem) + middle.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / KEY_FILE).write_bytes(private)  # last: it says that all three are there


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=is_authority, crl_sign=is_authority,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
