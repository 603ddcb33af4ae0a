"""Disputes in PayPal's words (Customer Disputes v1): its messages read, our answers written; pure and total.

A case is about captures; it is known to us by the first. Its money is told as movements without names, so
they are named by the case, reason and direction, and numbered in the order of their time. Our key stands in
the notes of the evidence (or in the message of an inquiry), where `found` looks for it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ledger.money import Money
from payments.providers.notices import (
    DisputeMovement,
    DisputeNotice,
    DisputeStage,
    DisputeStanding,
    MovementKind,
)
from payments.providers.outcomes import Approved, Found, NotFound, Outcome, Rejected
from payments.providers.paypal import orders
from payments.providers.paypal.amounts import from_paypal
from payments.providers.paypal.orders import Body
from payments.providers.requests import AcceptRequest, ChallengeRequest, EvidenceItem

EVENTS: Final = "CUSTOMER.DISPUTE."
PATH: Final = "/v1/customer/disputes"
STAGES: Final = {
    "INQUIRY": DisputeStage.INQUIRY,
    "CHARGEBACK": DisputeStage.CHARGEBACK,
    "PRE_ARBITRATION": DisputeStage.PRE_ARBITRATION,
    "ARBITRATION": DisputeStage.PRE_ARBITRATION,
}
OPEN: Final = frozenset(
    {"OPEN", "WAITING_FOR_BUYER_RESPONSE", "WAITING_FOR_SELLER_RESPONSE", "UNDER_REVIEW", "OTHER"}
)
OUTCOMES: Final = {
    "RESOLVED_BUYER_FAVOUR": DisputeStanding.LOST,
    "RESOLVED_SELLER_FAVOUR": DisputeStanding.WON,
    "RESOLVED_WITH_PAYOUT": DisputeStanding.WON,  # PayPal bears it
    "DENIED": DisputeStanding.WON,
    "ACCEPTED": DisputeStanding.ACCEPTED,
    "CANCELED_BY_BUYER": DisputeStanding.CLOSED,
    "NONE": DisputeStanding.CLOSED,
}
CATEGORIES: Final = {
    "MERCHANDISE_OR_SERVICE_NOT_RECEIVED": "product_not_received",
    "MERCHANDISE_OR_SERVICE_NOT_AS_DESCRIBED": "product_unacceptable",
    "UNAUTHORISED": "fraudulent",
    "CREDIT_NOT_PROCESSED": "credit_not_processed",
    "DUPLICATE_TRANSACTION": "duplicate",
    "PAYMENT_BY_OTHER_MEANS": "duplicate",
    "CANCELED_RECURRING_BILLING": "subscription_cancelled",
}
MONEY: Final = frozenset({"DISPUTE_SETTLEMENT"})
FEES: Final = frozenset({"DISPUTE_FEE", "CHARGEBACK_FEE", "DISPUTE_SETTLEMENT_FEE"})
EVIDENCE: Final = {
    "delivery_proof": "PROOF_OF_DELIVERY_SIGNATURE",
    "duplicate_documentation": "DETAILS_OF_PURCHASE",
    "explanation": "MERCHANT_RESPONSE",
    "prior_payments": "LAST_VALID_TRANSACTION_DETAILS",
    "product_description": "ITEM_DESCRIPTION",
    "receipt": "PROOF_OF_RECEIPT_COPY",
    "refund_policy": "RETURN_POLICY",
    "refund_proof": "PROOF_OF_REFUND_OUTSIDE_PAYPAL",
    "refund_refusal": "MERCHANT_RESPONSE",
    "service_documentation": "PROOF_FOR_SOFTWARE_OR_SERVICE_DELIVERED",
    "shipping_documentation": "PROOF_OF_SHIPMENT_POSTAGE",
}
OTHER_EVIDENCE: Final = "OTHER"
NOTES_MAX: Final = 1_900  # of 2,000: our key stands behind
ENDINGS: Final = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A request that answers a dispute."""

    action: str
    content: bytes
    content_type: str


def notice(event: Body) -> DisputeNotice | None:
    """Read a verified event about a dispute; None when it is not shaped like one."""
    body = orders.mapping(event, "resource")
    amount = from_paypal(body.get("dispute_amount"))
    stage, standing = STAGES.get(orders.text(body, "dispute_life_cycle_stage")), _standing(body)
    opened, changed = instant(body.get("create_time")), instant(body.get("update_time"))
    movements = moved(body)
    reference, capture = orders.text(body, "dispute_id"), _capture(body)
    if amount is None or stage is None or standing is None or opened is None or movements is None:
        return None
    if not orders.is_reference(reference) or not capture:
        return None
    reason_code = orders.text(body, "external_reason_code")[:32]
    return DisputeNotice(
        event_id=str(event["id"]),
        type=str(event["event_type"]),
        dispute=reference,
        authorization=capture,
        version=_milliseconds(changed or opened),
        stage=stage,
        standing=standing,
        amount=amount,
        movements=tuple(one for _, one in movements),
        opened_at=opened,
        reason_code=reason_code,
        category=CATEGORIES.get(orders.text(body, "reason"), "general"),
        due_at=instant(body.get("seller_response_due_date")),
    )


def moved(body: Body) -> list[tuple[datetime, DisputeMovement]] | None:
    """What moved on our account, and when, named by reason, direction and number; None when unreadable."""
    rows = [row for row in _rows(body, "money_movements") if row.get("affected_party") == "SELLER"]
    counted: Counter[str] = Counter()
    made = []
    for row in sorted(rows, key=lambda row: (orders.text(row, "initiated_time"), orders.text(row, "type"))):
        reason, direction = orders.text(row, "reason"), orders.text(row, "type")
        amount, at = from_paypal(row.get("amount")), instant(row.get("initiated_time"))
        if amount is None or at is None or direction not in ("DEBIT", "CREDIT") or reason not in MONEY | FEES:
            return None
        name = f"{reason}.{direction}"
        counted[name] += 1
        reference = f"{orders.text(body, 'dispute_id')}.{name}.{counted[name]}"[:64]
        made.append((at, _movement(reference, direction, amount, is_fee=reason in FEES)))
    return made


def instant(told: object) -> datetime | None:
    """A moment as PayPal writes it; None when it is none."""
    if not isinstance(told, str):
        return None
    try:
        found_instant = datetime.fromisoformat(told)
        found_instant = found_instant if found_instant.tzinfo else found_instant.replace(tzinfo=UTC)
        return found_instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def found(dispute: Body, key: str, kind: str, amount: Money) -> Found:
    """What a dispute, read by its id, says of our answer: was it taken?"""
    if kind == "accept":
        is_taken = _standing(dispute) in (DisputeStanding.ACCEPTED, DisputeStanding.LOST)
    else:
        rows = [*_rows(dispute, "evidences"), *_rows(dispute, "messages")]
        is_taken = any(key in orders.text(row, name) for row in rows for name in ("notes", "content"))
    if not is_taken:
        return NotFound()
    return answered(orders.text(dispute, "dispute_id"), key, amount)


def answered(dispute: str, key: str, amount: Money) -> Approved:
    """Our answer was taken; a dispute may be answered in each of its stages, so the key is in the name."""
    return Approved(f"{dispute}:{key}"[:100], amount, Money.zero(amount.currency))


def evidence_request(dispute: Body, request: ChallengeRequest) -> Answer | Outcome:
    """The request that puts up a defence: evidence where PayPal asks for it, a message in an inquiry."""
    key, files = request.idempotency_key, _files(request.evidence)
    texts = [item for item in request.evidence if not item.content]
    if orders.link(dispute, "provide_evidence"):
        documents: dict[str, str] = {item.kind: name for name, item in files}
        made = [_piece(item.kind, part) for item in texts for part in _cut(item.text)]
        made += [_piece(kind, "", name) for kind, name in documents.items()] or []
        if not made:
            return Rejected("evidence_missing", "There is no evidence to send")
        made[0]["notes"] = f"{made[0].get('notes', '')} [{key}]".strip()
        return _multipart("provide-evidence", {"evidences": made}, files)
    if orders.link(dispute, "send_message"):
        message = "\n\n".join(item.text for item in texts)
        if len(message) > NOTES_MAX:
            return Rejected("message_too_long", f"PayPal takes messages of {NOTES_MAX} characters")
        return _multipart("send-message", {"message": f"{message} [{key}]".strip()}, files)
    return Rejected("not_answerable", "PayPal takes no answer to this dispute now")


def accept_request(dispute: Body, request: AcceptRequest) -> Answer | Outcome:
    """The request that gives in to a claim."""
    if not orders.link(dispute, "accept_claim"):
        return Rejected("not_acceptable", "PayPal lets nobody give in to this dispute now")
    told = {"note": f"Accepted [{request.idempotency_key}]", "accept_claim_type": "REFUND"}
    return Answer("accept-claim", json.dumps(told).encode(), "application/json")


def _piece(kind: str, notes: str, document: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"evidence_type": EVIDENCE.get(kind, OTHER_EVIDENCE)}
    if notes:
        made["notes"] = notes
    if document:
        made["documents"] = [{"name": document}]
    return made


def _cut(words: str) -> list[str]:
    return [words[start : start + NOTES_MAX] for start in range(0, len(words), NOTES_MAX)]


def _files(items: tuple[EvidenceItem, ...]) -> list[tuple[str, EvidenceItem]]:
    """Files with names that PayPal takes."""
    found_files = [item for item in items if item.content]
    return [
        (f"{item.kind.replace('_', '-')}-{number}.{ENDINGS.get(item.media_type, 'pdf')}", item)
        for number, item in enumerate(found_files, start=1)
    ]


def _multipart(action: str, told: Mapping[str, Any], files: list[tuple[str, EvidenceItem]]) -> Answer:
    words = json.dumps(told).encode()
    digest = hashlib.sha256(words + b"".join(item.content for _, item in files)).hexdigest()
    boundary = f"everycent-{digest[:40]}"
    parts = [_part(boundary, "input", "", "application/json", words)]
    parts += [
        _part(boundary, f"file{number}", name, item.media_type, item.content)
        for number, (name, item) in enumerate(files, start=1)
    ]
    content = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return Answer(action, content, f"multipart/form-data; boundary={boundary}")


def _part(boundary: str, name: str, filename: str, media_type: str, content: bytes) -> bytes:
    named = f'; filename="{filename}"' if filename else ""
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )
    return head.encode() + content + b"\r\n"


def _standing(body: Body) -> DisputeStanding | None:
    status = orders.text(body, "status")
    if status in OPEN:
        return DisputeStanding.OPEN
    if status != "RESOLVED":
        return None
    return OUTCOMES.get(orders.text(orders.mapping(body, "dispute_outcome"), "outcome_code"))


def _movement(reference: str, direction: str, amount: Money, *, is_fee: bool) -> DisputeMovement:
    zero = Money.zero(amount.currency)
    is_debit = direction == "DEBIT"
    kind = MovementKind.WITHDRAWAL if is_debit else MovementKind.REINSTATEMENT
    if is_fee:
        return DisputeMovement(reference, kind, zero, amount if is_debit else -amount)
    return DisputeMovement(reference, kind, amount, zero)


def _capture(body: Body) -> str:
    transactions = _rows(body, "disputed_transactions")
    reference = orders.text(transactions[0], "seller_transaction_id") if transactions else ""
    return reference if orders.is_reference(reference) else ""


def _rows(body: Body, name: str) -> list[Body]:
    rows = body.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _milliseconds(instant: datetime) -> int:
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000
