"""Adyen's standard webhooks: one signed item in a body."""

import base64
import hashlib
import hmac
from typing import Any

from payments.simulator.callbacks import Headers


def signature(item: dict[str, Any], key: str) -> str:
    """HMAC-SHA256 over eight fields, joined by colons (escaped), with a key in hex; base64."""
    fields = [
        item["pspReference"], item.get("originalReference", ""), item["merchantAccountCode"],
        item["merchantReference"], str(item["amount"]["value"]), item["amount"]["currency"],
        item["eventCode"], item["success"],
    ]  # fmt: skip
    escaped = (str(field).replace("\\", "\\\\").replace(":", "\\:") for field in fields)
    mac = hmac.new(bytes.fromhex(key), ":".join(escaped).encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def signed(item: dict[str, Any], key: str) -> dict[str, Any]:
    """The body of a webhook with one item, signed when there is a key."""
    if key:
        item["additionalData"] = {**item["additionalData"], "hmacSignature": signature(item, key)}
    return {"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}


def plain_headers() -> Headers:
    """No headers of its own: the signature stands in the body."""

    def headers(_event_id: str, _timestamp: int, _body: bytes) -> dict[str, str]:
        return {}

    return headers
