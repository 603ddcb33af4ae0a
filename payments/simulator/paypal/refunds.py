"""Refunds of a capture: at once, pending, or failing later; refunded <= captured, also while pending."""

from payments.simulator import objects
from payments.simulator.objects import Body, Record
from payments.simulator.paypal import amounts, books
from payments.simulator.paypal.books import Movement
from payments.simulator.paypal.desk import Desk, Done
from payments.simulator.paypal.errors import PayPalRefused

GIVEN = ("COMPLETED", "PENDING")
REFUND_CODE = "T1107"
FAILED_CODE = "T1100"  # a general reversal: here of a refund, whose money came back to the merchant's balance


def show(desk: Desk, refund_id: str, _params: Body) -> Done:
    """GET /v2/payments/refunds/{id}."""
    return Done(200, desk.get("refund", refund_id).body)


def create(desk: Desk, capture_id: str, params: Body) -> Done:
    """POST /v2/payments/captures/{id}/refund: all that is left, or an amount."""
    capture = desk.get("capture", capture_id)
    if capture.body["status"] == "PENDING":
        raise PayPalRefused(422, "PENDING_CAPTURE", "Cannot initiate a refund as the capture is pending.")
    if capture.body["status"] == "DECLINED":
        raise PayPalRefused(422, "REFUND_NOT_ALLOWED", "Capture cannot be refunded.")
    whole, currency = amounts.read(capture.body["amount"])
    left = whole - refunded(desk, capture)
    if not left:
        raise PayPalRefused(422, "CAPTURE_FULLY_REFUNDED", "The capture has already been fully refunded.")
    minor, asked_currency = amounts.read(params["amount"]) if "amount" in params else (left, currency)
    if asked_currency != currency:
        raise PayPalRefused(422, "REFUND_CAPTURE_CURRENCY_MISMATCH", "Another currency was captured.")
    if minor > left:
        raise PayPalRefused(422, "REFUND_AMOUNT_EXCEEDED", "The refund amount is more than is left.")
    if desk.plan.result == "decline":
        raise PayPalRefused(422, desk.plan.code)
    status, later = {
        "pending_then_ok": ("PENDING", "COMPLETED"),
        "pending_then_fail": ("PENDING", "FAILED"),
        "fail_later": ("COMPLETED", "FAILED"),
    }.get(desk.plan.result, ("COMPLETED", ""))
    made = _make(desk, capture, minor, currency, status, later, params)
    if status == "COMPLETED":
        _give(desk, capture, made, made.id)
    else:
        desk.tell("PAYMENT.REFUND.PENDING", made.body)
    return Done(201, made.body, made)


def conclude(desk: Desk, refund: Record) -> None:
    """What was to come of a refund: it is done, or fails and the money comes back to us."""
    was, refund.due_at = refund.body["status"], None
    refund.body["status"] = refund.private["later"]
    capture = desk.get("capture", refund.private["capture"])
    if refund.body["status"] == "COMPLETED":
        _give(desk, capture, refund, refund.id)
        return
    desk.save(refund)
    if was == "COMPLETED":
        minor, currency = amounts.read(refund.body["amount"])
        books.move(desk.connection, _movement(desk, refund, minor, currency, came_back=True))
    _restate(desk, capture)
    desk.tell("PAYMENT.REFUND.FAILED", refund.body)


def do_after_all(desk: Desk, refund: Record) -> None:
    """What failed is done after all: its money is taken once more.

    :raises PayPalRefused: it has not failed.
    """
    if refund.body["status"] != "FAILED":
        raise PayPalRefused(422, "REFUND_NOT_FAILED", "Only a refund that failed is done after all.")
    refund.body["status"] = "COMPLETED"
    _give(desk, desk.get("capture", refund.private["capture"]), refund, books.digest("after all", refund.id))


def refunded(desk: Desk, capture: Record) -> int:
    """How much of a capture went back, or is going back, in minor units."""
    rows = objects.of_parent(desk.connection, "refund", capture.parent)
    return sum(
        amounts.read(row.body["amount"])[0]
        for row in rows
        if row.private["capture"] == capture.id and row.body["status"] in GIVEN
    )


def _make(
    desk: Desk, capture: Record, minor: int, currency: str, status: str, later: str, params: Body
) -> Record:
    body: Body = {
        "status": status,
        "amount": amounts.money(minor, currency),
        "custom_id": str(params.get("custom_id", capture.body["custom_id"])),
        "invoice_id": str(params.get("invoice_id", capture.body["invoice_id"])),
    }
    made = desk.make("refund", capture.parent, body, capture=capture.id, later=later)
    made.body["links"] = [
        desk.link(f"/v2/payments/refunds/{made.id}", "self"),
        desk.link(f"/v2/payments/captures/{capture.id}", "up"),
    ]
    made.due_at = desk.now + desk.rules.pending_seconds if later else None
    desk.save(made)
    return made


def _give(desk: Desk, capture: Record, refund: Record, movement_id: str) -> None:
    minor, currency = amounts.read(refund.body["amount"])
    desk.save(refund)
    books.move(desk.connection, _movement(desk, refund, -minor, currency, movement_id))
    _restate(desk, capture)
    desk.tell("PAYMENT.CAPTURE.REFUNDED", refund.body)


def _movement(
    desk: Desk, refund: Record, minor: int, currency: str, movement_id: str = "", *, came_back: bool = False
) -> Movement:
    """What moves by a refund, or comes back: then it names the refund, not its capture."""
    code, about = (FAILED_CODE, refund.id) if came_back else (REFUND_CODE, refund.private["capture"])
    movement_id = movement_id or books.digest("failed", refund.id)
    named = refund.body["invoice_id"], refund.body["custom_id"]
    return Movement(movement_id, code, about, minor, 0, currency, desk.now, *named)


def _restate(desk: Desk, capture: Record) -> None:
    """A capture's status follows what of it went back."""
    back, whole = refunded(desk, capture), amounts.read(capture.body["amount"])[0]
    capture.body["status"] = "REFUNDED" if back == whole else "PARTIALLY_REFUNDED" if back else "COMPLETED"
    desk.save(capture)
