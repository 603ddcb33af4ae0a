"""Between our words and Stripe's: pure and total. MAPPING.md is the same table for people.

Every status has a row; what is not listed becomes Unknown, which is asked about again and never becomes
success or failure. An answer whose amount, currency, key or reference is not what we asked for becomes
Mismatch. Our key stands in Stripe's metadata: `operation` on intents (the authorization's) and refunds; each
capture adds `{its key}: {units}` and `capture: {its key}` to the intent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ledger.money import Money
from payments.providers import plans
from payments.providers.outcomes import (
    AUTHENTICATION,
    AUTHORIZED_UNTIL,
    EXEMPTION,
    LIABILITY_SHIFT,
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
from payments.providers.requests import AuthorizeRequest, CaptureRequest, RefundRequest
from payments.providers.stripe import debits, klarna, refusals
from payments.providers.stripe.amounts import from_stripe, to_stripe

Body = Mapping[str, Any]

STATUSES: Final = {
    ("authorize", "requires_capture"): Approved,
    ("authorize", "succeeded"): Approved,
    ("authorize", "processing"): Pending,
    ("authorize", "requires_action"): RequiresAction,
    ("authorize", "requires_payment_method"): Declined,
    ("authorize", "canceled"): Declined,
    ("capture", "succeeded"): Approved,
    ("capture", "requires_capture"): Approved,  # a part of several
    ("capture", "processing"): Pending,
    ("void", "canceled"): Approved,
    ("void", "succeeded"): Approved,  # the rest after a part was captured
    ("refund", "succeeded"): Approved,
    ("refund", "pending"): Pending,
    ("refund", "requires_action"): Pending,
    ("refund", "failed"): Declined,
    ("refund", "canceled"): Declined,
}
CREDENTIAL_STATUSES: Final = frozenset({401, 403})
REJECTED_STATUSES: Final = frozenset({400, 404, 405, 413, 415, 422})
AUTHENTICATIONS: Final = {
    "authenticated": "authenticated",
    "attempt_acknowledged": "attempted",
    "exempted": "exempted",
    "failed": "failed",
    "processing_error": "failed",
    "not_supported": "not_supported",
}
SHIFTING: Final = frozenset({"authenticated", "attempt_acknowledged"})
MERCHANT_INITIATED: Final = frozenset({"merchant_initiated", "recurring"})
EXPAND: Final = ["latest_charge.balance_transaction"]
URL_MAX: Final = 2_000
NOT_TOLD: Final = "not_told"

_REFERENCE = re.compile(r"[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer must be about. An empty field is not known here and not compared."""

    idempotency_key: str
    amount: Money | None
    kind: str
    reference: str = ""


def authorize_params(request: AuthorizeRequest) -> dict[str, Any]:
    """The parameters of POST /v1/payment_intents.

    Without a page to come back to nobody can finish a challenge: then Stripe is to decline instead.

    :raises NotCarried: Stripe cannot be asked for this amount.
    """
    params: dict[str, Any] = {
        "amount": to_stripe(request.amount),
        "currency": request.amount.currency.lower(),
        "capture_method": "automatic" if request.capture else "manual",
        "confirm": True,
        "metadata": {"operation": request.idempotency_key, "reference": request.reference},
        "expand": EXPAND,
    }
    plan = plans.named(request.token)
    if plan is not None:
        return params | klarna.intent_params(plan, request.return_url)
    params |= payer(request.token)
    if request.method_type in debits.TYPES:
        back = {"return_url": request.return_url} if request.return_url else {}
        return params | debits.intent_params(request.method_type) | back
    params["payment_method_types"] = ["card"]
    if not request.capture:
        params["payment_method_options"] = {"card": {"request_multicapture": "if_available"}}
    if request.exemption in MERCHANT_INITIATED:
        params["off_session"] = True
    elif request.return_url:
        params["return_url"] = request.return_url
    else:
        params["error_on_requires_action"] = True
    return params


def capture_params(request: CaptureRequest) -> dict[str, Any]:
    """The parameters of POST …/capture; `final_capture` only where more is to come.

    :raises NotCarried: Stripe cannot be asked for this amount.
    """
    units = to_stripe(request.amount)
    params: dict[str, Any] = {
        "amount_to_capture": units,
        "metadata": {request.idempotency_key: str(units), "capture": request.idempotency_key},
        "expand": EXPAND,
    }
    if not request.is_last:
        params["final_capture"] = False
    return params


def refund_params(request: RefundRequest) -> dict[str, Any]:
    """The parameters of POST /v1/refunds.

    :raises NotCarried: Stripe cannot be asked for this amount.
    """
    return {
        "payment_intent": request.authorization,
        "amount": to_stripe(request.amount),
        "metadata": {"operation": request.idempotency_key, "reference": request.reference},
    }


def payer(token: str) -> dict[str, Any]:
    """The parameters by which an intent names the method of a token."""
    if token.startswith("tok_"):
        return {"payment_method_data": {"type": "card", "card": {"token": token}}}
    method, _, customer = token.partition(":")
    return {"payment_method": method} | ({"customer": customer} if customer else {})


def is_reference(text: str) -> bool:
    """Say whether a provider reference may be put into a path."""
    return _REFERENCE.fullmatch(text) is not None


def outcome(
    status: int, body: Body | None, expected: Expected, *, retry_after_seconds: float | None = None
) -> Outcome:
    """What the answer to a request that may move money means."""
    if status == 200:
        return described(body, expected)
    error = body.get("error") if body else None
    error = error if isinstance(error, dict) else {}
    kind, code = _text(error, "type"), _text(error, "code")
    if kind == "card_error" and status == 402:
        return _refused_card(error, expected)
    if status == 429:
        return NotSent(code or "rate_limit", retry_after_seconds)
    if status in CREDENTIAL_STATUSES:
        return NotSent("credentials_refused", retry_after_seconds)
    if status in REJECTED_STATUSES and kind in ("invalid_request_error", "card_error"):
        return Rejected(code or "invalid_request", _text(error, "message")[:200])
    return Unknown(
        "_".join(filter(None, (f"http_{status}", kind if kind != "api_error" else "", code)))[:100]
    )


def described(body: Body | None, expected: Expected) -> Outcome:
    """What Stripe's description of an intent (or refund) means for an operation of ours."""
    if body is None or not _is_described(body, expected.kind):
        return Unknown("bad_body")
    held = _mismatch(body, expected)
    if held:
        return held
    meaning = STATUSES.get((expected.kind, body["status"]))
    if meaning is Approved:
        return _approved(body, expected)
    if meaning is Declined:
        return _declined(body)
    if meaning is RequiresAction:
        return _action(body)
    if meaning is Pending:
        return Pending(body["id"])
    return Unknown(f"unlisted_status:{body['object']}.{body['status']}"[:100])


def found(body: Body | None, expected: Expected) -> Found:
    """What an intent, read by its id, says of an operation: was it carried out?"""
    if body is not None and _is_described(body, expected.kind):
        if expected.kind == "capture" and expected.idempotency_key not in body["metadata"]:
            return NotFound()
        if expected.kind == "void" and not _is_released(body):
            return NotFound()
    return described(body, expected)


def _refused_card(error: Body, expected: Expected) -> Outcome:
    intent = error.get("payment_intent")
    if isinstance(intent, dict) and _is_described(intent, "authorize"):
        held = _mismatch(intent, Expected(expected.idempotency_key, None, expected.kind, expected.reference))
        if held and expected.kind == "authorize":
            return held
        return refusals.of_card(error, str(intent["id"]))
    return refusals.of_card(error, None)


def _approved(body: Body, expected: Expected) -> Outcome:
    if expected.kind == "capture":
        return _captured(body, expected)
    amount = from_stripe(body["amount"], body["currency"])
    if amount is None:
        return Unknown("bad_body")
    if expected.kind == "void":
        released = from_stripe(body["amount"] - body["amount_received"], body["currency"])
        if released is None:
            return Unknown("bad_body")
        return Approved(body["id"], released, Money.zero(amount.currency))
    zero = Money.zero(amount.currency)
    if expected.kind == "refund":
        return Approved(body["id"], amount, zero)
    taken = None
    if body["capture_method"] != "manual":
        got = from_stripe(body["amount_received"], body["currency"])
        if body["status"] != "succeeded" or got is None:
            return Unknown("bad_body")
        if got != amount:
            return Mismatch(f"captured {amount.display()}", f"captured {got.display()}", body["id"])
        taken = Taken(charge_id(body), got, _fee(body, got) or zero)
    return Approved(body["id"], amount, zero, details_of(body), taken)


def _captured(body: Body, expected: Expected) -> Outcome:
    """A capture: its own units stand under its key, and all captures together are what was received."""
    units = body["metadata"].get(expected.idempotency_key, "")
    captures = {name: text for name, text in body["metadata"].items() if name.startswith("op_")}
    if not all(re.fullmatch(r"[0-9]{1,12}", text) for text in captures.values()) or not units:
        return Unknown("bad_body")
    amount = from_stripe(int(units), body["currency"])
    if amount is None:
        return Unknown("bad_body")
    total = sum(int(text) for text in captures.values())
    if total != body["amount_received"]:
        return Mismatch(f"received={total}", f"received={body['amount_received']}", body["id"])
    fee = _fee(body, amount)
    told = {} if fee is not None else {"fee": NOT_TOLD}
    # Several captures share a charge: its id alone would not name this one.
    reference = f"{charge_id(body)}:{expected.idempotency_key}"[:100]
    return Approved(reference, amount, fee or Money.zero(amount.currency), told)


def _declined(body: Body) -> Outcome:
    if body["object"] == "refund":
        return refusals.no(_text(body, "failure_reason") or "unknown", body["id"])
    error = body.get("last_payment_error")
    if isinstance(error, dict) and (returned := debits.return_code(body)):
        return refusals.no(returned, body["id"])
    if isinstance(error, dict):
        return refusals.of_card(error, body["id"])
    if body["status"] == "canceled":
        # With a charge it had been authorized, and lapsed or was given up since.
        was_authorized = body.get("latest_charge") is not None
        code = "revocation_of_authorization" if was_authorized else _text(body, "cancellation_reason")
        return refusals.no(code or "abandoned", body["id"])
    return Unknown(f"unlisted_status:payment_intent.{body['status']}"[:100])


def _action(body: Body) -> Outcome:
    asked = debits.verification(body)
    if asked is not None and _is_page(asked.redirect_url):
        return asked
    action = body.get("next_action")
    redirect = action.get("redirect_to_url") if isinstance(action, dict) else None
    url = redirect.get("url") if isinstance(redirect, dict) else None
    if not isinstance(url, str) or not _is_page(url):
        return Unknown("action_without_a_page")
    return RequiresAction(url, body["id"])


def _is_page(url: str) -> bool:
    return len(url) <= URL_MAX and url.startswith(("https://", "http://"))


def _mismatch(body: Body, expected: Expected) -> Mismatch | None:
    wanted: dict[str, str] = {}
    got: dict[str, str] = {}
    metadata = body["metadata"]
    if expected.kind in ("authorize", "refund"):
        wanted["key"], got["key"] = expected.idempotency_key, str(metadata.get("operation", ""))
        if expected.reference:
            wanted["reference"], got["reference"] = expected.reference, str(metadata.get("reference", ""))
    if expected.amount is not None:
        wanted["currency"], got["currency"] = expected.amount.currency, body["currency"].upper()
    amount = _amount_of(body, expected)
    if expected.amount is not None and amount is not None:
        wanted["amount"], got["amount"] = str(to_stripe(expected.amount)), amount
    if wanted == got:
        return None
    differing = [name for name in wanted if wanted[name] != got[name]]
    return Mismatch(
        " ".join(f"{name}={wanted[name]}" for name in differing),
        " ".join(f"{name}={got[name]}"[:120] for name in differing),
        body["id"],
    )


def _amount_of(body: Body, expected: Expected) -> str | None:
    """The units that an answer names for an operation; None for a void, which says how much it released."""
    if expected.kind == "void":
        return None
    if expected.kind == "capture":
        return str(body["metadata"].get(expected.idempotency_key, "none"))
    return str(body["amount"])


def _is_described(body: Body, kind: str) -> bool:
    names = ("id", "object", "status", "currency")
    if not all(isinstance(body.get(name), str) for name in names) or not is_reference(body["id"]):
        return False
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        return False
    if kind == "refund":
        return body["object"] == "refund" and type(body.get("amount")) is int
    numbers = all(type(body.get(name)) is int for name in ("amount", "amount_received", "amount_capturable"))
    return body["object"] == "payment_intent" and numbers and isinstance(body.get("capture_method"), str)


def _is_released(body: Body) -> bool:
    ended = body["status"] in ("canceled", "succeeded")
    return ended and body["amount_received"] < body["amount"]


def charge_id(body: Body) -> str:
    """The charge of an intent, expanded or not; the intent's own id when there is none."""
    charge = body.get("latest_charge")
    named = charge.get("id") if isinstance(charge, dict) else charge
    return named if isinstance(named, str) and is_reference(named) else str(body["id"])


def _fee(body: Body, amount: Money) -> Money | None:
    """What Stripe keeps of a captured amount, when it says so in the currency of the payment."""
    charge = body.get("latest_charge")
    balance = charge.get("balance_transaction") if isinstance(charge, dict) else None
    return fee_in(balance, amount) if isinstance(balance, dict) else None


def fee_in(balance: Body, amount: Money) -> Money | None:
    """The fee of a balance transaction, when it is that of a charge of this amount."""
    whole = from_stripe(balance.get("amount"), balance.get("currency"))
    fee = from_stripe(balance.get("fee"), balance.get("currency"))
    if whole != amount or fee is None or fee > amount or balance.get("type") not in ("charge", "payment"):
        return None
    return fee


def details_of(body: Body) -> dict[str, str]:
    """What an expanded charge tells of the account, or of the card and its authentication."""
    told_of = body.get("latest_charge")
    charge = told_of if isinstance(told_of, dict) else {}
    method = charge.get("payment_method_details")
    card = method.get("card") if isinstance(method, dict) else None
    if not isinstance(card, dict):
        return debits.details(charge) or klarna.details(charge)
    told = {name: _text(card, name)[:64] for name in ("brand", "last4", "fingerprint", "country")}
    secure = card.get("three_d_secure")
    if isinstance(secure, dict):
        result = _text(secure, "result")
        told[AUTHENTICATION] = AUTHENTICATIONS.get(result, "")
        told[LIABILITY_SHIFT] = "issuer" if result in SHIFTING else "merchant"
        told[EXEMPTION] = _text(secure, "exemption_indicator")
    until = card.get("capture_before")
    if type(until) is int and 0 < until < 1 << 40:
        told[AUTHORIZED_UNTIL] = datetime.fromtimestamp(until, UTC).isoformat()
    return {"type": "card"} | {name: value for name, value in told.items() if value}


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    return value[:500] if isinstance(value, str) else ""
