"""VelocityPay's callbacks: verified over the raw bytes (Standard Webhooks), then read.

Several signatures and several secrets are accepted, so that a secret can be changed without a gap. The
timestamp may differ from our clock by 300 s either way.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from payments.providers.errors import BadSignature
from payments.providers.notices import DisputeNotice, ProviderNotice
from payments.providers.velocitypay import disputes, mapping

TOLERANCE_SECONDS = 300
SIGNATURES_MAX = 16
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def parse(
    headers: Mapping[str, str], raw_body: bytes, secret: str | Sequence[str], now: datetime
) -> ProviderNotice | DisputeNotice:
    """Verify and read a callback.

    :raises BadSignature: unsigned, wrongly signed, too old, too new, or not readable.
    """
    given = {str(name).lower(): str(value) for name, value in headers.items()}
    event_id = given.get("webhook-id", "")
    timestamp = given.get("webhook-timestamp", "")
    for name in HEADERS:
        if not given.get(name):
            raise BadSignature(f"the header {name} is missing", fault="header_missing")
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise BadSignature("webhook-timestamp is not a number of seconds", fault="timestamp_malformed")
    age = now.timestamp() - int(timestamp)
    if abs(age) > TOLERANCE_SECONDS:
        fault = "too_old" if age > 0 else "too_new"
        raise BadSignature(
            f"the callback is {fault.replace('_', ' ')}: over {TOLERANCE_SECONDS} s", fault=fault
        )
    signed = f"{event_id}.{timestamp}.".encode("utf-8", "surrogatepass") + raw_body
    secrets = [secret] if isinstance(secret, str) else secret
    if not _is_signed(signed, given.get("webhook-signature", ""), secrets):
        raise BadSignature("no signature of the callback is right")
    return _read(event_id, raw_body)


def _is_signed(signed: bytes, signatures: str, secrets: Sequence[str]) -> bool:
    is_right = False
    for text in signatures.split(" ")[:SIGNATURES_MAX]:
        version, _, encoded = text.partition(",")
        if version != "v1":
            continue
        try:
            candidate = base64.b64decode(encoded.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            continue
        for secret in secrets:
            expected = hmac.new(_key(secret), signed, hashlib.sha256).digest()
            is_right |= hmac.compare_digest(expected, candidate)
    return is_right


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


def _read(event_id: str, raw_body: bytes) -> ProviderNotice | DisputeNotice:
    try:
        event = json.loads(raw_body)
    except (ValueError, RecursionError):
        event = None
    notice = _understood(event) if isinstance(event, dict) else None
    if notice is None or notice.event_id != event_id:
        raise BadSignature("the callback is signed but not readable", fault="unreadable")
    return notice


def _understood(event: Mapping[str, object]) -> ProviderNotice | DisputeNotice | None:
    return disputes.notice(event) if disputes.is_about_one(event) else mapping.notice(event)
