"""Stripe's events: verified over the raw bytes by the official library, then read.

Two secrets are accepted, so that one can be changed without a gap. The library refuses only what is too old
by the system's clock; here the timestamp may differ 300 s either way from the moment of receipt, so that a
kept message can be read again later. What is not about an operation of ours has an empty key. An event of the
other mode than our API key's (`livemode`) is nobody's word about our money, however well it is signed.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import stripe

from payments.providers.errors import BadSignature
from payments.providers.notices import DisputeNotice, ProviderNotice
from payments.providers.outcomes import Approved, Outcome, Pending, Unknown
from payments.providers.stripe import disputes, mapping
from payments.providers.stripe.mapping import Expected

HEADER: Final = "stripe-signature"
TOLERANCE_SECONDS: Final = 300
INTENT: Final = frozenset(
    {
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
        "payment_intent.payment_failed",
        "payment_intent.processing",
        "payment_intent.requires_action",
        "payment_intent.succeeded",
    }
)
REFUND: Final = frozenset({"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"})

_TIMESTAMP = re.compile(r"t=([0-9]{1,12})(?:,|$)")


def parse(
    headers: Mapping[str, str], raw_body: bytes, secrets: Sequence[str], now: datetime, *, is_live: bool
) -> ProviderNotice | DisputeNotice:
    """Verify and read an event.

    :raises BadSignature: unsigned, wrongly signed, too old, too new, not readable, or of the other mode.
    """
    given = {str(name).lower(): str(value) for name, value in headers.items()}.get(HEADER, "")
    if not given:
        raise BadSignature(f"the header {HEADER} is missing", fault="header_missing")
    found = _TIMESTAMP.search(given)
    if found is None or not given.isascii():
        raise BadSignature(f"{HEADER} has no number of seconds in it", fault="timestamp_malformed")
    age = now.timestamp() - int(found[1])
    if abs(age) > TOLERANCE_SECONDS:
        fault = "too_old" if age > 0 else "too_new"
        raise BadSignature(f"the event is {fault.replace('_', ' ')}: over {TOLERANCE_SECONDS} s", fault=fault)
    for secret in secrets:
        if _is_signed(given, raw_body, secret):
            return _read(raw_body, is_live=is_live)
    raise BadSignature("no signature of the event is right")


def notice(event: Mapping[str, Any]) -> ProviderNotice | DisputeNotice | None:
    """Read a verified event; None when it is not shaped like one."""
    data = event.get("data")
    subject = data.get("object") if isinstance(data, dict) else None
    if not isinstance(subject, dict) or not all(isinstance(event.get(name), str) for name in ("id", "type")):
        return None
    event_id, event_type = event["id"], event["type"]
    if event_type.startswith(disputes.EVENTS):
        return disputes.notice(event)
    reference = subject.get("id") if isinstance(subject.get("id"), str) else ""
    key, kind = _operation_of(event_type, subject)
    if not key:
        return ProviderNotice(
            event_id, event_type, "", str(reference), Unknown(f"not_ours:{event_type}"[:100])
        )
    if kind == "refund":
        # One that was made in Stripe's dashboard has no key of ours: its own id stands for it.
        told = mapping.described(subject, Expected(str(_metadata(subject).get("operation", "")), None, kind))
        intent = subject.get("payment_intent")
        refund_of = intent if isinstance(intent, str) else ""
        return ProviderNotice(event_id, event_type, key, str(reference), told, refund_of)
    outcome = _ask(mapping.described(subject, Expected(key, None, kind)))
    return ProviderNotice(event_id, event_type, key, str(reference), outcome)


def _ask(outcome: Outcome) -> Outcome:
    """An event's intent has neither fee nor card nor authentication in it: its yes means "ask"."""
    return Pending(outcome.reference) if isinstance(outcome, Approved) else outcome


def _operation_of(event_type: str, subject: Mapping[str, Any]) -> tuple[str, str]:
    """Our key and the kind of operation that an event is about; empty when it is about none."""
    metadata = _metadata(subject)
    if event_type in REFUND:
        return str(metadata.get("operation") or subject.get("id") or ""), "refund"
    if event_type not in INTENT:
        return "", ""
    if metadata.get("capture") and subject.get("amount_received"):
        return str(metadata["capture"]), "capture"
    return str(metadata.get("operation", "")), "authorize"


def _metadata(subject: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = subject.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _is_signed(header: str, raw_body: bytes, secret: str) -> bool:
    try:
        stripe.Webhook.construct_event(raw_body, header, secret, tolerance=0)
    except (stripe.SignatureVerificationError, ValueError, TypeError, AttributeError, RecursionError):
        return False  # the library raises all of these for what others may send
    return True


def _read(raw_body: bytes, *, is_live: bool) -> ProviderNotice | DisputeNotice:
    event = json.loads(raw_body)
    read = notice(event) if isinstance(event, dict) else None
    if read is None:
        raise BadSignature("the event is signed but not readable", fault="unreadable")
    if event.get("livemode", False) is not is_live:
        raise BadSignature("the event is of the other mode than our key", fault="wrong_mode")
    return read
