"""Between our words and PayPal's: pure and total. MAPPING.md is the same table for people.

Every status has a row; what is not listed becomes Unknown, which is asked about again and never becomes
success or failure. An answer whose amount, currency, key or reference is not what we asked for becomes
Mismatch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.money import Money
from payments.providers.declines import decline
from payments.providers.outcomes import (
    AUTHORIZED_UNTIL,
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
from payments.providers.paypal import declines, orders
from payments.providers.paypal.amounts import from_paypal, to_paypal
from payments.providers.paypal.orders import Body, Order, Part
from payments.providers.requests import AuthorizeRequest, CaptureRequest

STATUSES: Final = {
    ("authorization", "CREATED"): Approved,
    ("authorization", "CAPTURED"): Approved,
    ("authorization", "PARTIALLY_CAPTURED"): Approved,
    ("authorization", "PENDING"): Pending,
    ("authorization", "DENIED"): Declined,
    ("authorization", "EXPIRED"): Declined,
    ("authorization", "VOIDED"): Declined,
    ("capture", "COMPLETED"): Approved,
    ("capture", "PARTIALLY_REFUNDED"): Approved,
    ("capture", "REFUNDED"): Approved,
    ("capture", "PENDING"): Pending,
    ("capture", "DECLINED"): Declined,
    ("capture", "FAILED"): Declined,
    ("refund", "COMPLETED"): Approved,
    ("refund", "PENDING"): Pending,
    ("refund", "CANCELLED"): Declined,
    ("refund", "FAILED"): Declined,
}
WAITING: Final = frozenset({"CREATED", "SAVED", "PAYER_ACTION_REQUIRED"})  # orders before the approval
APPROVED: Final = "APPROVED"
CREDENTIAL_STATUSES: Final = frozenset({401, 403})
REJECTED_STATUSES: Final = frozenset({400, 404, 405, 406, 413, 415, 422})
URL_MAX: Final = 2_000
NOT_TOLD: Final = "not_told"
WALLET: Final = "digital_wallet"
BRAND: Final = "paypal"


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer must be about. An empty field is not known here and not compared."""

    idempotency_key: str
    amount: Money | None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """PayPal's error: its name, the first issue in it, and its words."""

    name: str = ""
    issue: str = ""
    words: str = ""

    @property
    def code(self) -> str:
        """The most exact of its names."""
        return self.issue or self.name


def order_body(request: AuthorizeRequest, back: str = "") -> dict[str, Any]:
    """The JSON of POST /v2/checkout/orders; the payer comes `back` to us, or else to the merchant.

    :raises NotCarried: PayPal cannot be asked for this amount.
    """
    intent = orders.CAPTURE if request.capture else orders.AUTHORIZE
    context = {
        "payment_method_preference": "IMMEDIATE_PAYMENT_REQUIRED",
        "shipping_preference": "NO_SHIPPING",
        "user_action": "PAY_NOW",
    }
    if page := back or request.return_url:
        context |= {"return_url": page, "cancel_url": page}
    unit = {
        "reference_id": intent,
        "custom_id": request.idempotency_key,
        "invoice_id": request.reference,
        "amount": to_paypal(request.amount),
    }
    return {
        "intent": intent,
        "purchase_units": [unit],
        "payment_source": {"paypal": {"experience_context": context}},
    }


def capture_body(request: CaptureRequest) -> dict[str, Any]:
    """The JSON of POST /v2/payments/authorizations/{id}/capture.

    :raises NotCarried: PayPal cannot be asked for this amount.
    """
    return {
        "amount": to_paypal(request.amount),
        "invoice_id": request.idempotency_key,
        "final_capture": request.is_last,
    }


def refund_body(amount: Money, key: str, number: int = 0) -> dict[str, Any]:
    """The JSON of POST /v2/payments/captures/{id}/refund; `number` where a refund has several parts.

    :raises NotCarried: PayPal cannot be asked for this amount.
    """
    mark = f"{orders.REFUND_MARK}{key}"
    return {"amount": to_paypal(amount), "custom_id": f"{mark}.{number}" if number else mark}


def turned_intent(order: Order) -> list[dict[str, str]]:
    """The JSON of PATCH /v2/checkout/orders/{id} that gives an order up."""
    return [{"op": "replace", "path": "/intent", "value": orders.OTHER_INTENT[order.made_as]}]


def problem(body: Body | None) -> Problem:
    """Read an error; empty when the body is none of PayPal's."""
    if body is None or not isinstance(body.get("name"), str):
        return Problem()
    details = body.get("details")
    first = details[0] if isinstance(details, list) and details and isinstance(details[0], dict) else {}
    words = orders.text(first, "description") or orders.text(body, "message")
    return Problem(body["name"][:64], orders.text(first, "issue")[:64], words[:200])


def refused(status: int, body: Body | None, *, retry_after_seconds: float | None = None) -> Outcome:
    """What an answer that is no success means for a request that may move money."""
    told = problem(body)
    if status == 429:
        return NotSent(told.code or "rate_limited", retry_after_seconds)
    if status in CREDENTIAL_STATUSES and told.issue not in declines.ISSUES:
        return NotSent("credentials_refused", retry_after_seconds)
    if told.issue in declines.ISSUES:
        return no(told.issue, None)
    if status in REJECTED_STATUSES and told.code and told.issue not in declines.LOOK:
        return Rejected(told.code, told.words)
    return Unknown(f"http_{status}_{told.code}"[:100] if told.code else f"http_{status}")


def no(issue: str, reference: str | None) -> Declined:
    """A clear no, in canonical words; PayPal's own stand in the details."""
    row = decline(declines.canonical(issue))
    return Declined(row.code, row.advice, reference, row.is_hard, {"provider_code": issue[:64]})


def order_outcome(body: Body | None, expected: Expected) -> Outcome:
    """What an order means for the authorization (or sale) that made it."""
    order = orders.read(body)
    if order is None:
        return Unknown("bad_body")
    held = _order_mismatch(order, expected)
    if held:
        return held
    if order.is_sale and order.captures:
        return _sold(order, order.captures[0])
    if order.authorizations:
        return _authorized(order, order.authorizations[0])
    if order.status == "VOIDED" or order.is_given_up:
        return no("ORDER_GIVEN_UP", order.id)
    if order.status in WAITING:
        return action(order.body, order.id)
    if order.status == APPROVED:
        return Pending(order.id)
    return Unknown(f"unlisted_status:order.{order.status}"[:100])


def action(body: Body, order_id: str) -> Outcome:
    """The payer must go to a page of PayPal's."""
    url = orders.link(body, "payer-action", "approve")
    if not url or len(url) > URL_MAX or not url.startswith(("https://", "http://")):
        return Unknown("action_without_a_page")
    return RequiresAction(url, order_id)


def capture_outcome(body: Body | None, expected: Expected) -> Outcome:
    """What a capture of an authorization means."""
    capture = orders.part(body)
    if capture is None:
        return Unknown("bad_body")
    held = _part_mismatch(capture, expected, capture.invoice_id)
    if held:
        return held
    meaning = STATUSES.get(("capture", capture.status))
    if meaning is Approved:
        fee = _fee(capture)
        told = {} if fee is not None else {"fee": NOT_TOLD}
        return Approved(capture.id, capture.amount, fee or Money.zero(capture.amount.currency), told)
    return _not_approved("capture", capture, meaning, capture.id)


def refund_outcome(refund: Part) -> Outcome:
    """What one refund means by itself."""
    meaning = STATUSES.get(("refund", refund.status))
    if meaning is Approved:
        return Approved(refund.id, refund.amount, Money.zero(refund.amount.currency))
    return _not_approved("refund", refund, meaning, refund.id)


def refund_part_outcome(body: Body | None, amount: Money, mark: str) -> Outcome:
    """What the answer to a request for (a part of) a refund means."""
    refund = orders.part(body)
    if refund is None:
        return Unknown("bad_body")
    held = _part_mismatch(refund, Expected(mark, amount), refund.custom_id)
    return held or refund_outcome(refund)


def found_capture(order: Order, expected: Expected) -> Found:
    """What an order says of a capture of ours: was it carried out?"""
    for capture in order.captures:
        if capture.invoice_id == expected.idempotency_key:
            return capture_outcome(capture.body, expected)
    return NotFound()


def found_void(order: Order) -> Found:
    """What an order says of a void: was it carried out?"""
    zero = Money.zero(order.amount.currency)
    if not order.authorizations:
        is_over = order.status == "VOIDED" or (order.is_given_up and not order.captures)
        return Approved(order.id, zero, zero) if is_over else NotFound()
    authorization = order.authorizations[0]
    if authorization.status != "VOIDED":
        return NotFound()
    return Approved(authorization.id, authorization.amount - order.captured, zero)


def void_outcome(body: Body | None, order: Order) -> Outcome:
    """What the answer to the void of an order's authorization means; what it released the order tells."""
    asked = order.authorizations[0]
    answered = orders.part(body)
    if answered is None:
        return Unknown("bad_body")
    wanted = {"id": asked.id, "key": order.key, "currency": order.amount.currency}
    got = {"id": answered.id, "key": answered.custom_id, "currency": answered.amount.currency}
    if wanted != got:
        return _held(wanted, got, answered.id)
    if answered.status != "VOIDED":
        return Unknown(f"unlisted_status:authorization.{answered.status}"[:100])
    return Approved(asked.id, asked.amount - order.captured, Money.zero(order.amount.currency))


def _sold(order: Order, capture: Part) -> Outcome:
    meaning = STATUSES.get(("capture", capture.status))
    if meaning is not Approved:
        return _not_approved("capture", capture, meaning, order.id)
    if capture.amount != order.amount:
        got = f"captured {capture.amount.display()}"
        return Mismatch(f"captured {order.amount.display()}", got, order.id)
    zero = Money.zero(order.amount.currency)
    fee = _fee(capture)
    details = details_of(order) | ({} if fee is not None else {"fee": NOT_TOLD})
    return Approved(order.id, order.amount, zero, details, Taken(capture.id, capture.amount, fee or zero))


def _authorized(order: Order, authorization: Part) -> Outcome:
    meaning = STATUSES.get(("authorization", authorization.status))
    if meaning is not Approved:
        return _not_approved("authorization", authorization, meaning, order.id)
    if authorization.amount != order.amount:
        got = f"authorized {authorization.amount.display()}"
        return Mismatch(f"authorized {order.amount.display()}", got, order.id)
    until = orders.text(authorization.body, "expiration_time")
    details = details_of(order) | ({AUTHORIZED_UNTIL: until} if until else {})
    return Approved(order.id, order.amount, Money.zero(order.amount.currency), details)


def _not_approved(kind: str, part: Part, meaning: type | None, reference: str) -> Outcome:
    if meaning is Pending:
        return Pending(reference)
    if meaning is Declined:
        return no(f"{kind}.{part.status}".upper(), reference)
    return Unknown(f"unlisted_status:{kind}.{part.status}"[:100])


def details_of(order: Order) -> dict[str, str]:
    """What an order tells of the wallet: the account's id, never the payer's name or address."""
    wallet = orders.mapping(order.body, "payment_source", "paypal")
    account = orders.text(wallet, "account_id") or orders.text(
        orders.mapping(order.body, "payer"), "payer_id"
    )
    found = {
        "type": WALLET,
        "brand": BRAND,
        "fingerprint": f"{BRAND}_{account}"[:64] if account else "",
        "country": orders.text(orders.mapping(wallet, "address"), "country_code")[:2],
    }
    return {name: value for name, value in found.items() if value}


def _fee(capture: Part) -> Money | None:
    """What PayPal keeps of a capture, when it says so in the currency of the payment."""
    breakdown: Body = orders.mapping(capture.body, "seller_receivable_breakdown")
    fee = from_paypal(breakdown.get("paypal_fee"))
    if fee is None or fee.currency != capture.amount.currency or fee > capture.amount:
        return None
    return fee


def _order_mismatch(order: Order, expected: Expected) -> Mismatch | None:
    wanted, got = {"key": expected.idempotency_key}, {"key": order.key}
    if expected.reference:
        wanted["reference"], got["reference"] = expected.reference, order.reference
    _compare(wanted, got, expected.amount, order.amount)
    if order.is_mixed:
        wanted["currencies"], got["currencies"] = "one", "several"
    return _held(wanted, got, order.id) if wanted != got else None


def _part_mismatch(part: Part, expected: Expected, key: str) -> Mismatch | None:
    wanted, got = {"key": expected.idempotency_key}, {"key": key}
    _compare(wanted, got, expected.amount, part.amount)
    return _held(wanted, got, part.id) if wanted != got else None


def _compare(wanted: dict[str, str], got: dict[str, str], ours: Money | None, theirs: Money) -> None:
    if ours is not None:
        wanted["currency"], got["currency"] = ours.currency, theirs.currency
        wanted["amount"], got["amount"] = str(ours.minor), str(theirs.minor)


def _held(wanted: Mapping[str, str], got: Mapping[str, str], reference: str) -> Mismatch:
    differing = [name for name in wanted if wanted[name] != got[name]]
    return Mismatch(
        " ".join(f"{name}={wanted[name]}" for name in differing),
        " ".join(f"{name}={got[name]}"[:120] for name in differing),
        reference,
    )
