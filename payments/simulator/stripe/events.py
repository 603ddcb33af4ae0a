"""How Stripe signs its events: `Stripe-Signature: t=…,v1=…`, HMAC-SHA256 over `t.body`, one v1 per secret."""

import hashlib
import hmac
from collections.abc import Sequence

from payments.simulator.callbacks import Headers


def signature(secrets: Sequence[str], timestamp: int, body: bytes) -> str:
    """The value of the header, with each of the secrets (two while a secret is being changed)."""
    signed = f"{timestamp}.".encode() + body
    macs = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets)
    return ",".join([f"t={timestamp}", *(f"v1={mac}" for mac in macs)])


def signed_headers(secrets: Sequence[str]) -> Headers:
    """The headers that sign a callback."""

    def headers(_event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        return {"stripe-signature": signature(secrets, timestamp, body)}

    return headers
