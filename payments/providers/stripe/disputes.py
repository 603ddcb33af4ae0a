"""Disputes in Stripe's words: its events read, our evidence put where Stripe wants it; pure and total.

Stripe has one field for each kind of text and of file; what has none, or finds its field taken, goes into the
uncategorized ones. A dispute lost in time without a submission is one that was closed: accepted.
"""

from collections.abc import Mapping
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
from payments.providers.outcomes import Approved, Found, NotFound, Outcome, Rejected, Unknown
from payments.providers.requests import ChallengeRequest, EvidenceItem
from payments.providers.stripe.amounts import from_stripe

EVENTS: Final = "charge.dispute."
STANDINGS: Final = {
    "needs_response": DisputeStanding.OPEN,
    "under_review": DisputeStanding.OPEN,
    "warning_needs_response": DisputeStanding.OPEN,
    "warning_under_review": DisputeStanding.OPEN,
    "warning_closed": DisputeStanding.CLOSED,
    "prevented": DisputeStanding.CLOSED,
    "won": DisputeStanding.WON,
    "lost": DisputeStanding.LOST,
}
CATEGORIES: Final = {
    "fraudulent": "fraudulent",
    "unrecognized": "unrecognised",
    "product_not_received": "product_not_received",
    "product_unacceptable": "product_unacceptable",
    "duplicate": "duplicate",
    "credit_not_processed": "credit_not_processed",
    "subscription_canceled": "subscription_cancelled",
    # of debits
    "debit_not_authorized": "fraudulent",
    "customer_initiated": "unrecognised",
}
SCHEMES: Final = frozenset({"visa", "mastercard", "amex", "discover"})
TEXTS: Final = {
    "access_log": "access_activity_log",
    "cancellation_policy": "cancellation_policy_disclosure",
    "cancellation_rebuttal": "cancellation_rebuttal",
    "duplicate_explanation": "duplicate_charge_explanation",
    "product_description": "product_description",
    "refund_policy": "refund_policy_disclosure",
    "refund_refusal": "refund_refusal_explanation",
}
FILES: Final = {
    "cancellation_policy": "cancellation_policy",
    "customer_communication": "customer_communication",
    "customer_signature": "customer_signature",
    "delivery_proof": "shipping_documentation",
    "duplicate_documentation": "duplicate_charge_documentation",
    "receipt": "receipt",
    "refund_policy": "refund_policy",
    "service_documentation": "service_documentation",
    "shipping_documentation": "shipping_documentation",
}
OTHER_TEXT: Final = "uncategorized_text"
OTHER_FILE: Final = "uncategorized_file"
CHALLENGED: Final = "challenge"  # where our key stands in the dispute's metadata

Body = Mapping[str, Any]


def texts(items: tuple[EvidenceItem, ...]) -> dict[str, str]:
    """Stripe's text fields for our pieces of evidence; several in one field stand below each other."""
    found: dict[str, list[str]] = {}
    for item in items:
        if not item.content:
            found.setdefault(TEXTS.get(item.kind, OTHER_TEXT), []).append(item.text)
    return {name: "\n\n".join(parts) for name, parts in found.items()}


def files(items: tuple[EvidenceItem, ...]) -> dict[str, EvidenceItem] | None:
    """Stripe's file field for each of our files; None when there are more than Stripe has a place for."""
    found: dict[str, EvidenceItem] = {}
    for item in items:
        if item.content:
            field = FILES.get(item.kind, OTHER_FILE)
            field = OTHER_FILE if field in found else field
            if field in found:
                return None
            found[field] = item
    return found


def challenge_params(request: ChallengeRequest, uploaded: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of POST /v1/disputes/{id}; `uploaded` are the ids of the files by field."""
    return {
        "evidence": {**texts(request.evidence), **uploaded},
        "submit": True,
        "metadata": {CHALLENGED: request.idempotency_key},
    }


def outcome(body: Body, key: str, kind: str, amount: Money) -> Outcome:
    """What Stripe's description of a dispute means after we answered it."""
    found_there = found(body, key, kind, amount)
    return Unknown("not_answered") if isinstance(found_there, NotFound) else found_there


def found(body: Body, key: str, kind: str, amount: Money) -> Found:
    """What a dispute, read by its id, says of our answer: was it taken?"""
    if not _is_described(body) or body["status"] not in STANDINGS:
        return Unknown(f"unlisted_status:dispute.{body.get('status')}"[:100])
    metadata = body.get("metadata")
    if kind == "challenge":
        is_taken = isinstance(metadata, dict) and metadata.get(CHALLENGED) == key
    else:
        is_taken = _standing(body) in (DisputeStanding.ACCEPTED, DisputeStanding.CLOSED)
    if not is_taken:
        return NotFound()
    # One dispute may be answered in each of its stages: the key makes the reference one of its own.
    return Approved(f"{body['id']}:{key}"[:100], amount, Money.zero(amount.currency))


def too_many_files() -> Rejected:
    """What becomes of evidence that Stripe has no place for."""
    return Rejected("too_many_files", "Stripe takes one file of each kind and one other")


def notice(event: Body) -> DisputeNotice | None:
    """Read a verified event about a dispute; None when it is not shaped like one."""
    body = event["data"]["object"]
    intent, created = body.get("payment_intent"), event.get("created")
    if not _is_described(body) or body["status"] not in STANDINGS or not isinstance(intent, str):
        return None
    amount = from_stripe(body["amount"], body["currency"])
    movements = [_movement(row) for row in body["balance_transactions"]]
    opened = _instant(body.get("created"))
    if amount is None or type(created) is not int or opened is None or None in movements:
        return None
    card = _card(body)
    reason_code = _text(card, "network_reason_code")
    return DisputeNotice(
        event_id=event["id"],
        type=event["type"],
        dispute=body["id"],
        authorization=intent,
        version=created * 1000,
        stage=_stage(body, card),
        standing=_standing(body),
        amount=amount,
        movements=tuple(one for one in movements if one is not None),
        opened_at=opened,
        scheme=brand if (brand := _text(card, "brand")) in SCHEMES else "",
        reason_code=reason_code[:32],
        category="" if reason_code else CATEGORIES.get(_text(body, "reason"), "general"),
        due_at=_instant(body["evidence_details"].get("due_by")),
    )


def _stage(body: Body, card: Body) -> DisputeStage:
    is_inquiry = body["status"].startswith("warning") or _text(card, "case_type") == "inquiry"
    return DisputeStage.INQUIRY if is_inquiry else DisputeStage.CHARGEBACK


def _standing(body: Body) -> DisputeStanding:
    if not isinstance(body.get("payment_method_details"), dict):
        return STANDINGS[body["status"]]  # of a debit: the bank took it back, and nobody was asked
    details = body["evidence_details"]
    was_closed = not details.get("submission_count") and not details.get("past_due")
    if body["status"] == "lost" and was_closed:
        return DisputeStanding.ACCEPTED
    return STANDINGS[body["status"]]


def _movement(row: object) -> DisputeMovement | None:
    """One balance transaction; the fee is charged when positive and given back when negative."""
    if not isinstance(row, dict) or type(row.get("amount")) is not int or type(row.get("fee")) is not int:
        return None
    amount = from_stripe(abs(row["amount"]), row.get("currency"))
    fee = from_stripe(abs(row["fee"]), row.get("currency"))
    reference = row.get("id")
    if amount is None or fee is None or not isinstance(reference, str):
        return None
    kind = MovementKind.WITHDRAWAL if row["amount"] <= 0 else MovementKind.REINSTATEMENT
    return DisputeMovement(reference, kind, amount, fee if row["fee"] >= 0 else -fee)


def _is_described(body: Body) -> bool:
    names = ("id", "status", "currency")
    return (
        all(isinstance(body.get(name), str) for name in names)
        and body.get("object") == "dispute"
        and isinstance(body.get("evidence_details"), dict)
        and isinstance(body.get("balance_transactions"), list)
    )


def _card(body: Body) -> Body:
    method = body.get("payment_method_details")
    card = method.get("card") if isinstance(method, dict) else None
    return card if isinstance(card, dict) else {}


def _instant(seconds: object) -> datetime | None:
    if type(seconds) is not int or not 0 < seconds < 1 << 40:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""
