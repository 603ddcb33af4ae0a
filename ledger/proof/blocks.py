"""What a block says of itself: its hash, its MAC, and the key that it needs."""

import hashlib
import hmac
from typing import Final

from django.conf import settings

from ledger.models import SealBlock

HASH_OVER_HASHES: Final = 1
MERKLE: Final = 2
WITH_AUDIT: Final = 3
ROW_IMAGES: Final = 4


class UnknownKey(LookupError):
    """The key that signed something is not configured here."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"key {key_id!r} is not configured here")


def block_hash(block: SealBlock) -> bytes:
    """Return the SHA-256 over what the block says, the hash of the block before it included."""
    counts = f"{block.entries}|{block.events}"
    if block.scheme != HASH_OVER_HASHES:
        counts = f"{block.entries}|{block.postings}|{block.events}"
    if block.scheme >= WITH_AUDIT:
        counts = f"{counts}|{block.audits_from}|{block.audits}"
    text = (
        f"{block.number}|{block.transaction_from}|{block.transaction_to}|{counts}"
        f"|{bytes(block.root).hex()}|{bytes(block.previous_hash).hex()}|{block.key_id}"
    )
    if block.scheme != HASH_OVER_HASHES:
        at = int(block.sealed_at.timestamp()) * 1_000_000 + block.sealed_at.microsecond
        text = f"{block.scheme}|{at}|{text}"
    return hashlib.sha256(text.encode()).digest()


def mac(block: SealBlock) -> bytes:
    """Return the HMAC-SHA-256 (RFC 2104) of the block's hash.

    :raises UnknownKey: its key is not configured.
    """
    key = settings.EVENT_SIGNING_KEYS.get(block.key_id)
    if key is None:
        raise UnknownKey(block.key_id)
    return hmac.new(key.encode(), bytes(block.block_hash), hashlib.sha256).digest()
