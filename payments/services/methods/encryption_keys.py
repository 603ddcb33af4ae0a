"""The key pairs under which browsers encrypt for the vault: what is published of them, and their rotation."""

from dataclasses import dataclass
from datetime import datetime

from payments.vault import exchange


@dataclass(frozen=True, slots=True)
class Published:
    """The public half of a key pair, in base64url, and its times."""

    id: str
    algorithm: str
    public_key: str
    expires_at: datetime
    usable_until: datetime


def published(at: datetime) -> Published:
    """Return the key to encrypt under now.

    :raises KeyStoreAway: the first one of its time cannot be made now.
    """
    pair = exchange.published(at)
    return Published(
        pair.public_id, exchange.ALGORITHM, exchange.encoded(bytes(pair.public_key)), pair.expires_at,
        pair.usable_until,
    )  # fmt: skip


def rotate(at: datetime) -> int:
    """Make the next key pair in time and erase what is past its grace; return how many were erased.

    :raises KeyStoreAway: the key store cannot be used.
    """
    return exchange.rotate(at)
