"""PayPal's webhook events: verified over the raw bytes against the certificate that PayPal names, then read.

What is signed is the transmission's id and time, our webhook's id and a CRC32 of the body: a checksum, so who
holds one genuine transmission could make another body for it. Therefore an event about our own requests only
makes us ask (PayPal's API is the truth). PayPal sends for three days what we do not take, with the time of
the first try: a message may be so old. Two webhook ids are accepted, so that one can be changed.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from payments.providers.errors import BadSignature
from payments.providers.notices import DisputeNotice, ProviderNotice
from payments.providers.outcomes import Approved, Declined, Outcome, Pending, Rejected, Unknown
from payments.providers.paypal import disputes, mapping, orders
from payments.providers.paypal.certificates import Certificates

ALGORITHM: Final = "SHA256withRSA"
AGE_MAX: Final = timedelta(days=4)
AHEAD_MAX: Final = timedelta(seconds=300)
HEADERS: Final = tuple(
    f"paypal-{name}"
    for name in ("auth-algo", "cert-url", "transmission-id", "transmission-sig", "transmission-time")
)
KEY: Final = "op_"
ORDER: Final = frozenset(
    {"CHECKOUT.ORDER.APPROVED", "CHECKOUT.ORDER.COMPLETED", "CHECKOUT.ORDER.VOIDED",
     "CHECKOUT.PAYMENT-APPROVAL.REVERSED"}
)  # fmt: skip
AUTHORIZATION: Final = frozenset(
    {"PAYMENT.AUTHORIZATION.CREATED", "PAYMENT.AUTHORIZATION.DENIED", "PAYMENT.AUTHORIZATION.VOIDED"}
)
CAPTURE: Final = frozenset(
    {"PAYMENT.CAPTURE.COMPLETED", "PAYMENT.CAPTURE.PENDING", "PAYMENT.CAPTURE.DECLINED",
     "PAYMENT.CAPTURE.DENIED"}
)  # fmt: skip
REFUND: Final = frozenset({"PAYMENT.CAPTURE.REFUNDED", "PAYMENT.REFUND.PENDING", "PAYMENT.REFUND.FAILED"})

Event = Mapping[str, Any]


def parse(
    headers: Mapping[str, str],
    raw_body: bytes,
    webhook_ids: Sequence[str],
    certificates: Certificates,
    now: datetime,
) -> ProviderNotice | DisputeNotice:
    """Verify and read an event.

    :raises BadSignature: unsigned, wrongly signed, too old, too new, by a stranger, or not readable.
    :raises ProviderUnavailable: the certificate could not be had now.
    """
    given = {str(name).lower(): str(value) for name, value in headers.items()}
    for name in HEADERS:
        if not given.get(name):
            raise BadSignature(f"the header {name} is missing", fault="header_missing")
    if given["paypal-auth-algo"] != ALGORITHM:
        raise BadSignature(f"events are signed with {ALGORITHM}")
    _check_time(given["paypal-transmission-time"], now)
    last: BadSignature | None = None
    for webhook_id in webhook_ids:
        message = signed_text(
            given["paypal-transmission-id"], given["paypal-transmission-time"], webhook_id, raw_body
        )
        try:
            certificates.check(given["paypal-cert-url"], message, given["paypal-transmission-sig"], now)
        except BadSignature as error:
            last = error
        else:
            return _read(raw_body)
    raise last or BadSignature("no webhook of ours is set up")


def signed_text(transmission_id: str, sent_at: str, webhook_id: str, raw_body: bytes) -> bytes:
    """What PayPal signs."""
    signed = f"{transmission_id}|{sent_at}|{webhook_id}|{zlib.crc32(raw_body)}"
    return signed.encode("utf-8", "surrogatepass")


def notice(event: Event) -> ProviderNotice | DisputeNotice | None:
    """Read a verified event; None when it is not shaped like one."""
    resource = event.get("resource")
    if not isinstance(resource, dict) or not all(
        isinstance(event.get(name), str) for name in ("id", "event_type")
    ):
        return None
    event_id, event_type = event["id"], event["event_type"]
    if event_type.startswith(disputes.EVENTS):
        return disputes.notice(event)
    reference = orders.text(resource, "id")[:64]
    if event_type in REFUND:
        return _refund(event_id, event_type, resource)
    key = _key_of(event_type, resource)
    if not key:
        outcome: Outcome = Unknown(f"not_ours:{event_type}"[:100])
    elif event_type in CAPTURE and orders.text(resource, "invoice_id") == key:
        outcome = Pending(reference)
    else:
        # What is waited for goes by the order's id: without it the one that is known stays.
        outcome = Pending(reference if event_type in ORDER else _order_of(resource))
    return ProviderNotice(event_id, event_type, key, reference, outcome)


def _refund(event_id: str, event_type: str, resource: Mapping[str, Any]) -> ProviderNotice | None:
    """A refund of ours is asked about, unless it failed; one that was made at PayPal is told as it stands."""
    refund = orders.part(resource)
    if refund is None:
        return None
    outcome = mapping.refund_outcome(refund)
    if not refund.custom_id.startswith(f"{orders.REFUND_MARK}{KEY}"):
        capture = orders.capture_of(resource)
        return ProviderNotice(event_id, event_type, refund.id, refund.id, outcome, capture)
    key, _, number = refund.custom_id.removeprefix(orders.REFUND_MARK).partition(".")
    if isinstance(outcome, Approved):
        outcome = Pending(refund.id)
    elif isinstance(outcome, Declined) and number:
        outcome = Rejected("refund_part_failed", f"part {number} of the refund failed at PayPal")
    return ProviderNotice(event_id, event_type, key, refund.id, outcome)


def _key_of(event_type: str, resource: Mapping[str, Any]) -> str:
    """Our key of the operation that an event is about; empty when it is about none of ours."""
    if event_type in ORDER:
        units = resource.get("purchase_units")
        unit = units[0] if isinstance(units, list) and units and isinstance(units[0], dict) else {}
        found = orders.text(unit, "custom_id")
    elif event_type in CAPTURE and orders.text(resource, "invoice_id").startswith(KEY):
        found = orders.text(resource, "invoice_id")
    elif event_type in CAPTURE | AUTHORIZATION:
        found = orders.text(resource, "custom_id")
    else:
        found = ""
    return found if found.startswith(KEY) else ""


def _order_of(resource: Mapping[str, Any]) -> str:
    """The order that an authorization or a capture belongs to; empty when it is not told."""
    found = orders.text(orders.mapping(resource, "supplementary_data", "related_ids"), "order_id")
    return found if orders.is_reference(found) else ""


def _check_time(text: str, now: datetime) -> None:
    try:
        sent = datetime.fromisoformat(text)
        sent = sent.replace(tzinfo=UTC) if sent.tzinfo is None else sent
        age = now - sent
    except (ValueError, OverflowError) as error:
        raise BadSignature("paypal-transmission-time is no time", fault="timestamp_malformed") from error
    if age > AGE_MAX or age < -AHEAD_MAX:
        fault = "too_old" if age > AGE_MAX else "too_new"
        raise BadSignature(f"the event is {fault.replace('_', ' ')}", fault=fault)


def _read(raw_body: bytes) -> ProviderNotice | DisputeNotice:
    try:
        event = json.loads(raw_body)
    except (ValueError, RecursionError):
        event = None
    read = notice(event) if isinstance(event, dict) else None
    if read is None:
        raise BadSignature("the event is signed but not readable", fault="unreadable")
    return read
