"""Adyen's standard webhooks: verified item by item (HMAC-SHA256 over eight of its fields), then read.

The signature covers the references, account, amount, event code and success, so nothing else decides about
money; of the rest (reason, card, dates of a dispute) only words are taken. No time is signed: an event is
known by its signed fields and kept once, so a repeated one changes nothing, however old. A body that says it
is of the other mode than our address (`live`) is refused: that word is not signed, but can only take away.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ledger.money import Money
from payments.providers.adyen import disputes, mapping
from payments.providers.adyen.amounts import from_adyen
from payments.providers.errors import BadSignature
from payments.providers.notices import DisputeNotice, ProviderNotice
from payments.providers.outcomes import Approved, Outcome, Unknown
from payments.providers.requests import capture_key

SIGNED: Final = ("pspReference", "originalReference", "merchantAccountCode", "merchantReference")
# event -> the kind of operation that it concludes
EVENTS: Final = {
    "AUTHORISATION": "authorize",
    "AUTHORISATION_ADJUSTMENT": "increment",
    "CAPTURE": "capture",
    "CANCELLATION": "void",
    "TECHNICAL_CANCEL": "void",
    "REFUND": "refund",
}
# events that tell by their name that something failed; their `success` says that it did
FAILURES: Final = {
    "OFFER_CLOSED": "authorize",
    "CAPTURE_FAILED": "capture",
    "REFUND_FAILED": "refund",
    "REFUNDED_REVERSED": "refund",
}
KEY: Final = re.compile(r"(?:[0-9A-Fa-f]{2}){16,64}")
ITEM_KEYS_MAX: Final = 64

Item = Mapping[str, Any]


def parse(
    raw_body: bytes, keys: Sequence[str], account: str, *, is_live: bool
) -> ProviderNotice | DisputeNotice:
    """Verify and read a webhook with its one item.

    :raises BadSignature: unsigned, wrongly signed, not readable, or of the other mode.
    """
    item, said_live = _item(raw_body)
    data = item.get("additionalData")
    given = data.get("hmacSignature") if isinstance(data, dict) else None
    if not isinstance(given, str) or not given:
        raise BadSignature("the webhook's item has no hmacSignature", fault="header_missing")
    fields = signed_fields(item)
    if fields is None:
        raise BadSignature("the webhook's item is not readable", fault="unreadable")
    if not _is_signed(fields, given, keys):
        raise BadSignature("the signature of the webhook's item is not right")
    if (said_live == "true") is not is_live:
        raise BadSignature("the webhook is of the other mode than our address", fault="wrong_mode")
    is_ours = item["merchantAccountCode"] == account and not _is_ambiguous(fields)
    told = notice(item) if is_ours else _not_ours(item)
    if told is None:
        raise BadSignature("the webhook is signed but not readable", fault="unreadable")
    return told


def signed_fields(item: Item) -> tuple[str, ...] | None:
    """The eight fields that are signed, in their order; None when the item is not shaped like one."""
    amount = item.get("amount")
    texts = [item.get(name, "") for name in SIGNED]
    code, success = item.get("eventCode"), item.get("success")
    success = {True: "true", False: "false"}.get(success) if isinstance(success, bool) else success
    if not isinstance(amount, dict) or type(amount.get("value")) is not int:
        return None
    texts += [str(amount["value"]), amount.get("currency"), code, success]
    if not all(isinstance(text, str) for text in texts) or success not in ("true", "false"):
        return None
    return tuple(str(text) for text in texts)


def sign(fields: Sequence[str], key: str, *, escaped: bool = True) -> str:
    """The base64 HMAC-SHA256 of the fields, joined by colons, with a key in hex."""
    parts = [part.replace("\\", "\\\\").replace(":", "\\:") for part in fields] if escaped else fields
    mac = hmac.new(bytes.fromhex(key), ":".join(parts).encode("utf-8", "surrogatepass"), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def notice(item: Item) -> ProviderNotice | DisputeNotice | None:
    """Read a verified item; None when it is not shaped like one."""
    if disputes.is_about_one(item):
        return disputes.notice(item, event_id(item)) or _not_ours(item)
    code, psp_reference = item["eventCode"], item.get("pspReference", "")
    kind = EVENTS.get(code) or FAILURES.get(code, "")
    told_kind, key = mapping.operation_of(item.get("merchantReference", ""))
    is_sale = told_kind == "sale"
    if is_sale and code in ("AUTHORISATION", "OFFER_CLOSED"):
        told_kind = "authorize"
    elif is_sale and code == "CAPTURE_FAILED":
        told_kind, key = "capture", capture_key(key)
    payment = item.get("originalReference", "")
    if kind == "refund" and told_kind != "refund":
        key = f"adyen_{psp_reference}"  # made in Adyen's Customer Area: its own reference stands for it
    elif not kind or told_kind != kind:
        return _not_ours(item)
    refund_of = payment if kind == "refund" else ""
    outcome = _outcome(item, kind, is_sale=is_sale)
    return ProviderNotice(event_id(item), code, key, psp_reference, outcome, refund_of)


def event_id(item: Item) -> str:
    """What makes an event one and the same, of signed fields alone."""
    return f"{item.get('pspReference', '')}:{item['eventCode']}:{item['success']}".lower()[:100]


def _outcome(item: Item, kind: str, *, is_sale: bool) -> Outcome:
    """What an item says of an operation, by its signed fields."""
    code, reference = item["eventCode"], item.get("pspReference", "")
    has_failed = code in FAILURES or str(item["success"]).lower() != "true"
    if code in FAILURES and str(item["success"]).lower() != "true":
        return Unknown(f"unlisted_event:{code}.false"[:100])
    if not mapping.is_psp_reference(reference):
        return Unknown("bad_body")
    if has_failed:
        words = item.get("reason")
        words = words if isinstance(words, str) and words not in ("", "null") else code.replace("_", " ")
        return mapping.refused("", words, reference, {})
    amount = from_adyen(item["amount"])
    if amount is None:
        return Unknown("bad_body")
    if kind == "authorize":
        return mapping.approved(reference, amount, mapping.details_of(item), is_sale=is_sale)
    if kind == "increment":
        before = mapping.raised_from(item["merchantReference"], amount.currency)
        if before is None or before > amount:
            return Unknown("bad_body")
        amount = amount - before  # Adyen tells the new total
    details = {"fee": "not_told"} if kind == "capture" else {}  # the settlement report tells it
    return Approved(reference, amount, Money.zero(amount.currency), details)


def _not_ours(item: Item) -> ProviderNotice:
    code = item["eventCode"]
    return ProviderNotice(
        event_id(item), code, "", item.get("pspReference", ""), Unknown(f"not_ours:{code}"[:100])
    )


def _item(raw_body: bytes) -> tuple[Item, str]:
    """The one item of a body, and what the body says of being live."""
    try:
        body = json.loads(raw_body)
    except (ValueError, RecursionError):
        body = None
    items = body.get("notificationItems") if isinstance(body, dict) else None
    wrapped = items[0] if isinstance(items, list) and len(items) == 1 else None
    item = wrapped.get("NotificationRequestItem") if isinstance(wrapped, dict) else None
    if not isinstance(item, dict) or len(item) > ITEM_KEYS_MAX:
        # In JSON there is always one; of several, one could be wrong: neither to keep nor to refuse.
        raise BadSignature("the body is not a webhook with one item", fault="unreadable")
    return item, str(body.get("live", "false")).lower()


def _is_signed(fields: Sequence[str], given: str, keys: Sequence[str]) -> bool:
    """Compare with each key, in the form of the documentation and in that of Adyen's libraries.

    The libraries escape nothing. Both are the same unless a field has a colon or backslash in it, and such an
    item is never read as ours.
    """
    try:
        candidate = base64.b64decode(given.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return False
    is_right = False
    for key in keys:
        for escaped in (True, False):
            expected = base64.b64decode(sign(fields, key, escaped=escaped))
            is_right |= hmac.compare_digest(expected, candidate)
    return is_right


def _is_ambiguous(fields: Sequence[str]) -> bool:
    """Say whether the unescaped form could have been made of other fields."""
    return any(":" in field or "\\" in field for field in fields)
