"""Authorizations after an order: captured in parts, voided; and the captures themselves, with their fee."""

from payments.simulator import objects
from payments.simulator.fees import capture_fee
from payments.simulator.objects import Body, Record
from payments.simulator.paypal import amounts, books, disputes
from payments.simulator.paypal.books import Movement
from payments.simulator.paypal.buyers import BY_NAME
from payments.simulator.paypal.desk import Desk, Done
from payments.simulator.paypal.errors import PayPalRefused

TAKEN = ("COMPLETED", "PENDING", "PARTIALLY_REFUNDED", "REFUNDED")
PAYMENT_CODE = "T0006"  # express checkout payment (developer.paypal.com/docs/transaction-search)


def show_authorization(desk: Desk, authorization_id: str, _params: Body) -> Done:
    """GET /v2/payments/authorizations/{id}."""
    return Done(200, desk.get("authorization", authorization_id).body)


def show(desk: Desk, capture_id: str, _params: Body) -> Done:
    """GET /v2/payments/captures/{id}."""
    return Done(200, desk.get("capture", capture_id).body)


def capture(desk: Desk, authorization_id: str, params: Body) -> Done:
    """POST /v2/payments/authorizations/{id}/capture: a part, or all that is left."""
    authorization = desk.get("authorization", authorization_id)
    status = authorization.body["status"]
    refused = {"VOIDED": "AUTHORIZATION_VOIDED", "CAPTURED": "AUTHORIZATION_ALREADY_CAPTURED",
               "DENIED": "AUTHORIZATION_DENIED", "EXPIRED": "AUTHORIZATION_EXPIRED"}.get(status)  # fmt: skip
    if refused or status == "PENDING":
        raise PayPalRefused(422, refused or "AUTHORIZATION_PENDING", f"The authorization is {status}.")
    whole, currency = amounts.read(authorization.body["amount"])
    left = whole - taken(desk, authorization.parent)
    minor, asked_currency = amounts.read(params["amount"]) if "amount" in params else (left, currency)
    if asked_currency != currency:
        raise PayPalRefused(422, "AUTH_CAPTURE_CURRENCY_MISMATCH", "Another currency was authorized.")
    if minor > left:
        raise PayPalRefused(422, "MAX_CAPTURE_AMOUNT_EXCEEDED", "Capture amount exceeds allowable limit.")
    if desk.plan.result == "decline":
        raise PayPalRefused(422, desk.plan.code)
    order = desk.get("order", authorization.parent)
    is_final = params.get("final_capture") is True or minor == left
    made = make(desk, order, minor, currency, invoice_id=str(params.get("invoice_id", "")), is_final=is_final)
    authorization.body["status"] = "CAPTURED" if is_final else "PARTIALLY_CAPTURED"
    desk.save(authorization)
    return Done(201, made.body, made)


def void(desk: Desk, authorization_id: str, _params: Body) -> Done:
    """POST /v2/payments/authorizations/{id}/void: release what is not captured."""
    authorization = desk.get("authorization", authorization_id)
    refused = {"VOIDED": "PREVIOUSLY_VOIDED", "CAPTURED": "PREVIOUSLY_CAPTURED"}
    if authorization.body["status"] in refused:
        raise PayPalRefused(422, refused[authorization.body["status"]], "It cannot be voided (again).")
    authorization.body["status"], authorization.due_at = "VOIDED", None
    desk.save(authorization)
    desk.tell("PAYMENT.AUTHORIZATION.VOIDED", authorization.body)
    return Done(200, authorization.body)


def make(desk: Desk, order: Record, minor: int, currency: str, *, invoice_id: str, is_final: bool) -> Record:
    """Capture an amount of an order, as the plan says: at once, or after a review."""
    is_pending = desk.plan.result.startswith("pending_then")
    later = {"pending_then_ok": "COMPLETED", "pending_then_fail": "DECLINED"}.get(desk.plan.result, "")
    unit = order.body["purchase_units"][0]
    body: Body = {
        "status": "PENDING" if is_pending else "COMPLETED",
        "amount": amounts.money(minor, currency),
        "final_capture": is_final,
        "custom_id": unit.get("custom_id", ""),
        "invoice_id": invoice_id,
        "supplementary_data": {"related_ids": {"order_id": order.id}},
    }
    if is_pending:
        body["status_details"] = {"reason": "PENDING_REVIEW"}
    made = desk.make("capture", order.id, body, later=later)
    made.body["links"] = [
        desk.link(f"/v2/payments/captures/{made.id}", "self"),
        desk.link(f"/v2/payments/captures/{made.id}/refund", "refund", "POST"),
        desk.link(f"/v2/checkout/orders/{order.id}", "up"),
    ]
    made.due_at = desk.now + desk.rules.pending_seconds if is_pending else None
    desk.save(made)
    if is_pending:
        desk.tell("PAYMENT.CAPTURE.PENDING", made.body)
    else:
        _take(desk, made)
    return made


def conclude(desk: Desk, made: Record) -> None:
    """End a capture's review."""
    made.due_at = None
    made.body["status"] = made.private["later"]
    made.body.pop("status_details", None)
    if made.body["status"] == "COMPLETED":
        _take(desk, made)
        return
    desk.save(made)
    desk.tell("PAYMENT.CAPTURE.DENIED", made.body)


def taken(desk: Desk, order_id: str) -> int:
    """How much of an order was captured, in minor units."""
    rows = objects.of_parent(desk.connection, "capture", order_id)
    return sum(amounts.read(row.body["amount"])[0] for row in rows if row.body["status"] in TAKEN)


def _take(desk: Desk, made: Record) -> None:
    minor, currency = amounts.read(made.body["amount"])
    fee = capture_fee(minor, currency, "card")
    fee -= fee % amounts.smallest(currency)
    made.body["seller_receivable_breakdown"] = {
        "gross_amount": amounts.money(minor, currency),
        "paypal_fee": amounts.money(fee, currency),
        "net_amount": amounts.money(minor - fee, currency),
    }
    desk.save(made)
    books.move(
        desk.connection,
        Movement(made.id, PAYMENT_CODE, made.parent, minor, fee, currency, desk.now,
                 made.body["invoice_id"], made.body["custom_id"]),
    )  # fmt: skip
    desk.tell("PAYMENT.CAPTURE.COMPLETED", made.body)
    buyer = BY_NAME.get(desk.get("order", made.parent).private.get("buyer", ""))
    if buyer is not None and buyer.dispute:
        stage, _, reason = buyer.dispute.partition(":")
        disputes.open_case(desk, made, stage=stage, reason=reason)
