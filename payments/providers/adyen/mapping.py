"""Between our words and Adyen's: pure and total. MAPPING.md is the same table for people.

Every result code has a row; what is not listed becomes Unknown, which never becomes success or failure. An
answer whose amount, reference or account is not what we asked for becomes Mismatch. Our key is Adyen's
`reference`, with the kind before it where it is a sale or modifies a payment (an increment with what was
authorized before it): webhooks bring it back, signed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ledger.money import Money
from payments.providers import outcomes, plans
from payments.providers.adyen import declines
from payments.providers.adyen.amounts import from_adyen, to_adyen
from payments.providers.declines import decline
from payments.providers.outcomes import (
    ADVICE_CODE,
    AUTHENTICATION,
    EXEMPTION,
    LIABILITY_SHIFT,
    Approved,
    Declined,
    Mismatch,
    NotSent,
    Outcome,
    Pending,
    Rejected,
    RequiresAction,
    Taken,
    Unknown,
)

Body = Mapping[str, Any]

RESULTS: Final = {
    "Authorised": Approved,
    "Success": Approved,
    "PartiallyAuthorised": Approved,  # its amount is not the one asked for, so it ends as a mismatch
    "Pending": Pending,
    "Received": Pending,
    "RedirectShopper": RequiresAction,
    "Refused": Declined,
    "Error": Declined,
    "Cancelled": Declined,
}
ENDPOINTS: Final = {
    "capture": "captures",
    "void": "cancels",
    "refund": "refunds",
    "increment": "amountUpdates",
}
CREDENTIAL_STATUSES: Final = frozenset({401, 403})
REJECTED_STATUSES: Final = frozenset({400, 404, 405, 413, 415, 422})
SUCCESSES: Final = frozenset({200, 201})
IN_PROGRESS: Final = "704"  # the first request with this key is not done, or its answer is not kept
ADVICE: Final = re.compile(r"([0-9]{2})\b")  # the number, with or without words after it
BRANDS: Final = {"mc": "mastercard", "cup": "unionpay"}
WALLETS: Final = ("_applepay", "_googlepay")  # behind the brand of a card that came out of one
# How a payer pays later: Adyen's names of Klarna's plans, as its answers and webhooks tell them.
PLANS: Final = {
    "klarna": plans.PAY_LATER,
    "klarna_account": plans.INSTALMENTS,
    "klarna_paynow": plans.PAY_NOW,
}
AUTHENTICATIONS: Final = {
    "Y": "authenticated",
    "A": "attempted",
    "N": "failed",
    "R": "failed",
    "U": "not_supported",
}
EXEMPTIONS: Final = {
    "lowValue": "low_value",
    "transactionRiskAnalysis": "low_risk",
    "trustedBeneficiary": "trusted_beneficiary",
    "secureCorporate": "corporate",
}
URL_MAX: Final = 2_000

_PSP_REFERENCE = re.compile(r"[A-Z0-9]{16}")
_KEY = re.compile(r"(?:sale\.)?[A-Za-z0-9_-]{1,60}")
_REFERENCE = re.compile(
    r"(?:(?:(capture|void|refund|sale)|(increment)\.([0-9]{1,15}))\.)?([A-Za-z0-9_-]{1,60})"
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer must be about. `authorization` is Adyen's reference of the payment that is modified,
    `before` what an increment finds authorized: Adyen is told the new total.
    """

    kind: str
    idempotency_key: str
    amount: Money
    authorization: str = ""
    before: Money | None = None

    @property
    def reference(self) -> str:
        """What stands as `reference` in the request and comes back."""
        return reference_of(self.kind, self.idempotency_key, self.before)

    @property
    def told(self) -> Money:
        """The amount that stands in the request: an increment's is the new total."""
        return self.amount if self.before is None else self.before + self.amount


def reference_of(kind: str, idempotency_key: str, before: Money | None = None) -> str:
    """The reference under which Adyen knows an operation of ours."""
    if before is not None:
        return f"{kind}.{before.minor}.{idempotency_key}"
    return f"{kind}.{idempotency_key}" if kind in ENDPOINTS or kind == "sale" else idempotency_key


def operation_of(reference: str) -> tuple[str, str]:
    """The kind and the key of a reference; empty when it is none that we make."""
    found = _REFERENCE.fullmatch(reference)
    return (found[1] or found[2] or "authorize", found[4]) if found else ("", "")


def raised_from(reference: str, currency: str) -> Money | None:
    """What was authorized before an increment, by its reference; None when that tells none."""
    found = _REFERENCE.fullmatch(reference)
    return Money(int(found[3]), currency) if found and found[2] else None


def is_psp_reference(text: object) -> bool:
    """Say whether this is a reference of Adyen's, fit for a path."""
    return isinstance(text, str) and _PSP_REFERENCE.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Say whether this can stand for a payment of which Adyen has told no reference yet."""
    return _KEY.fullmatch(text) is not None


def modification_body(expected: Expected, account: str) -> dict[str, object]:
    """The JSON of POST /payments/{psp}/captures, /cancels, /refunds or /amountUpdates.

    Lenders want to be told what is captured or given back in part; for cards it says nothing.

    :raises NotCarried: Adyen cannot be asked for this amount.
    """
    body: dict[str, object] = {"merchantAccount": account, "reference": expected.reference}
    if expected.kind == "void":
        return body
    body["amount"] = to_adyen(expected.told)
    if expected.kind in ("capture", "refund"):
        body["lineItems"] = line_items(expected.amount, expected.reference)
    return body


def line_items(amount: Money, words: str) -> list[dict[str, object]]:
    """What is sold, as one line: the house knows no goods.

    :raises NotCarried: Adyen cannot be asked for this amount.
    """
    value = to_adyen(amount)["value"]
    line = {"id": "1", "description": words, "quantity": 1, "taxPercentage": 0, "taxAmount": 0}
    return [{**line, "amountExcludingTax": value, "amountIncludingTax": value}]


def outcome(
    status: int, body: Body | None, expected: Expected, *, retry_after_seconds: float | None = None
) -> Outcome:
    """What the answer to a request that may move money means."""
    if status in SUCCESSES:
        return _received(body, expected) if expected.kind in ENDPOINTS else described(body, expected)
    return refusal(status, body or {}, retry_after_seconds)


def refusal(status: int, body: Body, retry_after_seconds: float | None) -> Outcome:
    """What an answer with another status than success means."""
    code = _text(body, "errorCode")
    if status == 429:
        return NotSent("rate_limited", retry_after_seconds)
    if status in CREDENTIAL_STATUSES:
        return NotSent("credentials_refused", retry_after_seconds)
    if status in REJECTED_STATUSES and code and code != IN_PROGRESS:
        return Rejected(f"adyen_{code}"[:64], _text(body, "message")[:200])
    return Unknown("_".join(filter(None, (f"http_{status}", code)))[:100])


def described(body: Body | None, expected: Expected) -> Outcome:
    """What an answer to POST /payments or /payments/details means."""
    if body is None or not isinstance(body.get("resultCode"), str):
        return Unknown("bad_body")
    meaning = RESULTS.get(body["resultCode"])
    if expected.kind == "finish":  # the answer says whether it was a sale
        is_sale = operation_of(_text(body, "merchantReference"))[0] == "sale"
        expected = replace(expected, kind="sale" if is_sale else "authorize")
    held = _mismatch(body, expected)
    if held:
        return held
    reference = _text(body, "pspReference")
    if meaning is Approved:
        amount = from_adyen(body.get("amount"))
        if amount is None or not is_psp_reference(reference) or not _text(body, "merchantReference"):
            return Unknown("bad_body")
        return approved(reference, amount, details_of(body), is_sale=expected.kind == "sale")
    if meaning is Declined:
        words = _text(body, "refusalReason") or body["resultCode"]
        return refused(_text(body, "refusalReasonCode"), words, reference or None, details_of(body))
    if meaning is Pending:
        return Pending(reference or expected.reference)
    if meaning is RequiresAction:
        return _action(body, reference or expected.reference)
    return Unknown(f"unlisted_result:{body['resultCode']}"[:100])


def approved(reference: str, amount: Money, details: Mapping[str, str], *, is_sale: bool) -> Approved:
    """A yes; what a sale captured has no reference of its own, and the settlement report tells its fee."""
    zero = Money.zero(amount.currency)
    return Approved(reference, amount, zero, details, Taken(reference, amount, zero) if is_sale else None)


def refused(code: str, words: str, reference: str | None, details: Mapping[str, str]) -> Declined:
    """A no, with the canonical reason and Adyen's own beside it."""
    row = decline(declines.canonical(code, words))
    return Declined(
        row.code, row.advice, reference, row.is_hard, {**details, "provider_code": (code or words)[:64]}
    )


def details_of(body: Body) -> dict[str, str]:
    """What is told of the method and its authentication, in an answer or a webhook's item."""
    more = body.get("additionalData")
    data = more if isinstance(more, dict) else {}
    method = body.get("paymentMethod")
    named = _text(method, "brand") or _text(method, "type") if isinstance(method, dict) else method
    brand = _text(data, "paymentMethod") or (named if isinstance(named, str) else "")
    for wallet in WALLETS:
        brand = brand.removesuffix(wallet)
    told = {
        "brand": BRANDS.get(brand, brand)[:64],
        "last4": _text(data, "cardSummary")[:4],
        "fingerprint": _text(data, "alias")[:64],
        "country": (_text(data, "issuerCountry") or _text(data, "cardIssuingCountry"))[:2],
        **_authentication(data),
    }
    advice = ADVICE.match(_text(data, "merchantAdviceCode"))
    if advice and told["brand"] == "mastercard":  # other schemes number theirs otherwise
        told[ADVICE_CODE] = advice[1]
    if brand in PLANS:
        instalments = _text(data, "installments.value")
        told |= {"brand": plans.KLARNA, outcomes.PLAN: PLANS[brand], "type": "bnpl"}
        told |= {outcomes.INSTALMENT_COUNT: instalments} if instalments.isdigit() else {}
    kept = {name: value for name, value in told.items() if value}
    return {"type": "card"} | kept if told["last4"] else kept


def _authentication(data: Body) -> dict[str, str]:
    """How the payer was authenticated; `liabilityShift` says who bears a fraud dispute."""
    told = {}
    result = _text(data, "threeDAuthenticatedResponse")
    exemption = EXEMPTIONS.get(_text(data, "scaExemptionRequested"), "")
    if result:
        told[AUTHENTICATION] = AUTHENTICATIONS.get(result, "")
    elif exemption:
        told |= {AUTHENTICATION: "exempted", EXEMPTION: exemption}
    if _text(data, "liabilityShift"):
        told[LIABILITY_SHIFT] = "issuer" if data["liabilityShift"] == "true" else "merchant"
    return told


def _received(body: Body | None, expected: Expected) -> Outcome:
    """What the answer to a modification means: never more than that it is looked at."""
    reference = _text(body or {}, "pspReference")
    if body is None or not is_psp_reference(reference):
        return Unknown("bad_body")
    if body.get("status") != "received":
        return Unknown(f"unlisted_status:{body.get('status')}"[:100])
    return _mismatch(body, expected) or Pending(reference)


def _mismatch(body: Body, expected: Expected) -> Mismatch | None:
    """Compare what the answer names with what was asked; what it leaves out is not compared."""
    modifies = expected.kind in ENDPOINTS
    wanted = {"reference": expected.reference}
    got = {"reference": _text(body, "reference" if modifies else "merchantReference") or expected.reference}
    if modifies and is_psp_reference(expected.authorization):
        wanted["payment"] = expected.authorization
        got["payment"] = _text(body, "paymentPspReference") or expected.authorization
    if body.get("amount") is not None and expected.kind != "void":
        told = from_adyen(body["amount"])
        wanted["amount"] = expected.told.display()
        got["amount"] = told.display() if told else "unreadable"
    if wanted == got:
        return None
    differing = [name for name in wanted if wanted[name] != got[name]]
    return Mismatch(
        " ".join(f"{name}={wanted[name]}" for name in differing),
        " ".join(f"{name}={got[name]}"[:120] for name in differing),
        _text(body, "pspReference") or expected.reference,
    )


def _action(body: Body, reference: str) -> Outcome:
    """Read what the payer must do; only a page that opens by its address can be shown."""
    action = body.get("action")
    if not isinstance(action, dict) or action.get("type") != "redirect":
        return Unknown("action_without_a_page")
    url = action.get("url")
    if not isinstance(url, str) or len(url) > URL_MAX or not url.startswith(("https://", "http://")):
        return Unknown("action_without_a_page")
    if str(action.get("method", "GET")).upper() != "GET":
        return Unknown("action_by_post")
    return RequiresAction(url, reference)


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value[:500] if isinstance(value, str) else ""
