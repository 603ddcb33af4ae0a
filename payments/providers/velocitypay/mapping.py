"""Between our words and VelocityPay's: pure and total. MAPPING.md is the same table for people.

Every status and decline code has a row here. What is not listed becomes Unknown, which raises an alarm and
is asked about again; it never becomes success or failure. An answer whose amount, currency, key or
reference is not what we asked for becomes Mismatch.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ledger.errors import Invalid
from ledger.money import Money
from payments.providers.declines import decline
from payments.providers.notices import ProviderNotice
from payments.providers.outcomes import (
    Approved,
    Declined,
    Found,
    Mismatch,
    NotFound,
    NotSent,
    Outcome,
    Pending,
    Rejected,
    RequiresAction,
    Taken,
    Unknown,
)
from payments.providers.requests import (
    AuthorizeRequest,
    CaptureRequest,
    IncrementRequest,
    RefundRequest,
    TransferRequest,
    VoidRequest,
    capture_key,
)

OBJECTS: Final = {
    "authorize": "authorization",
    "increment": "increment",
    "capture": "capture",
    "void": "void",
    "refund": "refund",
    "transfer": "transfer",
    "challenge": "challenge",
    "accept": "accept",
}

STATUSES: Final = {
    ("authorization", "authorized"): Approved,
    ("authorization", "declined"): Declined,
    ("authorization", "pending"): Pending,
    ("authorization", "requires_action"): RequiresAction,
    ("increment", "succeeded"): Approved,
    ("increment", "declined"): Declined,
    ("increment", "pending"): Pending,
    ("capture", "succeeded"): Approved,
    ("capture", "declined"): Declined,
    ("capture", "pending"): Pending,
    ("void", "succeeded"): Approved,
    ("void", "declined"): Declined,
    ("void", "pending"): Pending,
    ("refund", "succeeded"): Approved,
    ("refund", "failed"): Declined,
    ("refund", "pending"): Pending,
    ("transfer", "paid"): Approved,
    ("transfer", "failed"): Declined,
    ("transfer", "pending"): Pending,
    ("challenge", "succeeded"): Approved,
    ("challenge", "declined"): Declined,
    ("challenge", "pending"): Pending,
    ("accept", "succeeded"): Approved,
    ("accept", "declined"): Declined,
    ("accept", "pending"): Pending,
}

DECLINE_CODES: Final = {
    "account_closed": "no_such_account",
    "amount_invalid": "amount_invalid",
    "authentication_failed": "authentication_failed",
    "authentication_required": "authentication_required",
    "authorization_revoked": "authorization_revoked",
    "avs_mismatch": "avs_mismatch",
    "call_issuer": "call_issuer",
    "card_not_supported": "card_not_supported",
    "card_velocity_exceeded": "limit_exceeded",
    "cvc_mismatch": "cvc_mismatch",
    "do_not_honor": "do_not_honor",
    "duplicate_transaction": "duplicate",
    "expired_card": "expired_card",
    "fraudulent": "suspected_fraud_issuer",
    "insufficient_funds": "insufficient_funds",
    "invalid_number": "invalid_number",
    "issuer_unavailable": "issuer_unavailable",
    "limit_exceeded": "limit_exceeded",
    "lost_card": "lost_card",
    "no_such_account": "no_such_account",
    "payment_not_received": "not_paid_in_time",
    "pickup_card": "pickup_card",
    "processing_error": "system_malfunction",
    "restricted_card": "restricted_card",
    "security_violation": "security_violation",
    "stolen_card": "stolen_card",
    "stop_payment": "stop_payment",
    "transaction_not_allowed": "not_permitted_cardholder",
}

REJECTED_STATUSES: Final = frozenset({400, 404, 405, 413, 415, 422})
CREDENTIAL_STATUSES: Final = frozenset({401, 403})
DETAILS: Final = (
    "type", "brand", "last4", "fingerprint", "country", "authentication", "liability_shift", "exemption",
    "authorized_until", "advice_code",
)  # fmt: skip

URL_MAX: Final = 2_000
COIN_TEXTS: Final = ("network", "address", "amount", "confirmations_needed")
COIN_TEXT_MAX: Final = 100

_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer must be about. An empty field is not known here and not compared."""

    idempotency_key: str
    amount: Money | None
    kind: str = ""
    reference: str = ""


def authorize_body(request: AuthorizeRequest) -> dict[str, object]:
    """The JSON of POST /v1/authorizations; what is not asked for is not named."""
    asked = {
        "capture": request.capture,
        "return_url": request.return_url,
        "exemption": request.exemption,
    }
    named = {name: value for name, value in asked.items() if value}
    return _money(request.amount) | {"token": request.token, "reference": request.reference} | named


def part_body(request: IncrementRequest | CaptureRequest | RefundRequest) -> dict[str, object]:
    """The JSON of POST …/increments, …/captures and …/refunds: the currency is the authorization's."""
    return {"amount": request.amount.minor, "reference": request.reference}


def void_body(request: VoidRequest) -> dict[str, object]:
    """The JSON of POST …/void."""
    return {"reference": request.reference}


def transfer_body(request: TransferRequest) -> dict[str, object]:
    """The JSON of POST /v1/transfers."""
    destination = {name: value for name, value in request.destination.items() if value}
    return _money(request.amount) | {"destination": destination, "reference": request.reference}


def is_reference(text: str) -> bool:
    """Say whether a provider reference may be put into a path."""
    return _REFERENCE.fullmatch(text) is not None


def outcome(
    status: int,
    body: Mapping[str, Any] | None,
    expected: Expected,
    *,
    retry_after_seconds: float | None = None,
) -> Outcome:
    """What the answer to a request that may move money means."""
    code, message = error_of(body)
    if status in (200, 201):
        return operation_outcome(body, expected)
    if status == 429 or (status == 503 and code == "not_processed"):
        return NotSent(code or "rate_limited", retry_after_seconds)
    if status in CREDENTIAL_STATUSES:
        return NotSent("credentials_refused", retry_after_seconds)
    if status in REJECTED_STATUSES and code:
        return Rejected(code, message)
    return Unknown(f"http_{status}_{code}" if code else f"http_{status}")


def found(
    status: int,
    body: Mapping[str, Any] | None,
    expected: Expected,
    *,
    retry_after_seconds: float | None = None,
) -> Found:
    """What the answer to GET /v1/operations means; only the network's own 404 says that nothing was done."""
    code, _ = error_of(body)
    if status == 404 and code == "operation_not_found":
        return NotFound()
    answer = outcome(status, body, expected, retry_after_seconds=retry_after_seconds)
    return Unknown(f"find_{answer.code}") if isinstance(answer, Rejected) else answer


def operation_outcome(body: Mapping[str, Any] | None, expected: Expected) -> Outcome:
    """What the network's description of an operation means."""
    if body is None or not _is_described(body):
        return Unknown("bad_body")
    amount = _amount(body["amount"], body["currency"])
    if amount is None:
        return Unknown("bad_body")
    held = _mismatch(body, amount, expected)
    if held:
        return held
    meaning = STATUSES.get((body["object"], body["status"]))
    if meaning is Approved:
        return _approved(body, amount)
    if meaning is Declined:
        return _declined(body)
    if meaning is Pending:
        return Pending(body["id"])
    if meaning is RequiresAction:
        return _action(body)
    return Unknown(f"unlisted_status:{body['object']}.{body['status']}"[:100])


def notice(event: Mapping[str, Any]) -> ProviderNotice | None:
    """Read a verified callback; None when it is not shaped like one."""
    data = event.get("data")
    if not isinstance(data, dict) or not all(isinstance(event.get(name), str) for name in ("id", "type")):
        return None
    operation, key = data.get("operation"), data.get("idempotency_key")
    if (
        not isinstance(operation, dict)
        or not isinstance(key, str)
        or not isinstance(operation.get("id"), str)
    ):
        return None
    described = operation_outcome(operation, Expected(key, None))
    if event["type"] != f"{operation.get('object')}.{operation.get('status')}":
        described = Unknown(f"unlisted_event:{event['type']}"[:100])
    parent = operation.get("authorization") if operation.get("object") == "refund" else ""
    refund_of = parent if isinstance(parent, str) else ""
    return ProviderNotice(event["id"], event["type"], key, operation["id"], described, refund_of)


def _money(amount: Money) -> dict[str, object]:
    return {"amount": amount.minor, "currency": amount.currency}


def error_of(body: Mapping[str, Any] | None) -> tuple[str, str]:
    """The code and message of an error answer; empty texts when it is none."""
    error = body.get("error") if body else None
    if not isinstance(error, dict) or not isinstance(error.get("code"), str):
        return "", ""
    return error["code"][:64], str(error.get("message", ""))[:200]


def _is_described(body: Mapping[str, Any]) -> bool:
    names = ("id", "object", "status", "currency", "idempotency_key", "reference")
    return all(isinstance(body.get(name), str) for name in names) and is_reference(body["id"])


def _amount(minor: object, currency: str) -> Money | None:
    if type(minor) is not int or minor < 0:
        return None
    try:
        return Money(minor, currency)
    except Invalid:
        return None


def _mismatch(body: Mapping[str, Any], amount: Money, expected: Expected) -> Mismatch | None:
    wanted = {"key": expected.idempotency_key}
    got = {"key": body["idempotency_key"]}
    if expected.kind:
        wanted["object"], got["object"] = OBJECTS[expected.kind], body["object"]
    if expected.reference:
        wanted["reference"], got["reference"] = expected.reference, body["reference"]
    if expected.amount is not None:
        wanted["currency"], got["currency"] = expected.amount.currency, amount.currency
        if body["object"] != "void":  # a void releases what is left, which only the network knows
            wanted["amount"], got["amount"] = str(expected.amount.minor), str(amount.minor)
    if wanted == got:
        return None
    differing = [name for name in wanted if wanted[name] != got[name]]
    return Mismatch(
        " ".join(f"{name}={wanted[name]}" for name in differing),
        " ".join(f"{name}={got[name]}"[:120] for name in differing),
        body["id"],
    )


def _approved(body: Mapping[str, Any], amount: Money) -> Outcome:
    fee = Money.zero(amount.currency)
    if body["object"] == "capture":
        told = _amount(body.get("fee"), amount.currency)
        if told is None or told > amount:
            return Unknown("bad_body")
        fee = told
    if body["object"] == "authorization" and isinstance(body.get("capture"), dict):
        taken = _taken(body, body["capture"], amount)
        return Approved(body["id"], amount, fee, _details(body), taken) if taken else Unknown("bad_body")
    return Approved(body["id"], amount, fee, _details(body))


def _taken(body: Mapping[str, Any], capture: Mapping[str, Any], amount: Money) -> Taken | None:
    """Read the capture that a sale made; None when it is not shaped like one of this authorization."""
    told, fee = _amount(capture.get("amount"), amount.currency), _amount(capture.get("fee"), amount.currency)
    is_its = capture.get("idempotency_key") == capture_key(body["idempotency_key"])
    if told is None or fee is None or fee > told or not is_its or capture.get("status") != "succeeded":
        return None
    if not isinstance(capture.get("id"), str) or not is_reference(capture["id"]):
        return None
    return Taken(capture["id"], told, fee)


def _action(body: Mapping[str, Any]) -> Outcome:
    """Read what the customer must do; without a page to go to nobody can do it."""
    url, until = body.get("action_url"), body.get("action_expires")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")) or len(url) > URL_MAX:
        return Unknown("bad_body")
    try:
        expires_at = datetime.fromisoformat(until) if isinstance(until, str) else None
    except ValueError:
        return Unknown("bad_body")
    if expires_at is not None and expires_at.tzinfo is None:
        return Unknown("bad_body")
    return RequiresAction(url, body["id"], expires_at, _coins(body.get("crypto")))


def _coins(told: object) -> dict[str, str]:
    """How to pay in coins; nothing where it is not told in texts."""
    if not isinstance(told, dict):
        return {}
    return {name: told[name][:COIN_TEXT_MAX] for name in COIN_TEXTS if isinstance(told.get(name), str)}


def _declined(body: Mapping[str, Any]) -> Outcome:
    code = DECLINE_CODES.get(str(body.get("decline_code", "")))
    if code is None:
        return Unknown(f"unlisted_decline_code:{body.get('decline_code')}"[:100])
    row = decline(code)
    return Declined(row.code, row.advice, body["id"], row.is_hard, _details(body))


def _details(body: Mapping[str, Any]) -> dict[str, str]:
    return {name: body[name][:64] for name in DETAILS if isinstance(body.get(name), str)}
