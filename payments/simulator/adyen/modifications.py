"""Captures, cancels, refunds and new totals: always received, then done or not, as a webhook tells.

Laws: captured + released <= authorised, refunded <= captured. Several partial captures are on: a capture
releases nothing, a cancel gives back what is left. Only a pre-authorisation without captures takes
a new total.
"""

from payments.simulator.adyen import amounts, cards, disputes, payments
from payments.simulator.adyen.desk import Desk, Done
from payments.simulator.adyen.errors import invalid
from payments.simulator.objects import Body, Record

TOO_MUCH = "Insufficient balance on payment"
EVENTS = {
    "capture": "CAPTURE", "void": "CANCELLATION", "refund": "REFUND",
    "increment": "AUTHORISATION_ADJUSTMENT",
}  # fmt: skip
FAILED = {"capture": "CAPTURE_FAILED", "refund": "REFUND_FAILED"}
REVERSED = {"capture": "CaptureFailed", "refund": "RefundedReversed"}


def capture(desk: Desk, psp_reference: str, body: Body) -> Done:
    """POST /payments/{psp}/captures."""
    return _take(desk, "capture", desk.get("payment", psp_reference), body)


def cancel(desk: Desk, psp_reference: str, body: Body) -> Done:
    """POST /payments/{psp}/cancels."""
    return _take(desk, "void", desk.get("payment", psp_reference), body)


def refund(desk: Desk, psp_reference: str, body: Body) -> Done:
    """POST /payments/{psp}/refunds."""
    return _take(desk, "refund", desk.get("payment", psp_reference), body)


def adjust(desk: Desk, psp_reference: str, body: Body) -> Done:
    """POST /payments/{psp}/amountUpdates: the new total."""
    return _take(desk, "increment", desk.get("payment", psp_reference), body)


def cancel_by_reference(desk: Desk, body: Body) -> Done:
    """POST /cancels, for a payment that is known by the merchant's reference only."""
    reference = payments.text(body, "paymentReference", "130", 80)
    payments.check_account(desk, body)
    found = [one for one in desk.labelled("payment", reference) if one.private["status"] != "refused"]
    if not found:
        raise invalid("167", "Original pspReference required for this operation")
    return _take(desk, "void", found[0], body, by_reference=reference)


def conclude(desk: Desk, modification: Record) -> None:
    """What was to come of a modification: it is done, it fails, or what was done is undone."""
    modification.due_at = None
    payment = desk.get("payment", modification.parent)
    kind, later = modification.private["kind"], modification.private["later"]
    if later == "undo":
        _undo(desk, payment, modification)
    elif later == "fail":
        _fail(desk, payment, modification, modification.private["reason"])
    else:
        _do(desk, payment, modification, kind)


def _take(desk: Desk, kind: str, payment: Record, body: Body, *, by_reference: str = "") -> Done:
    payments.check_account(desk, body)
    reference = str(body.get("reference") or payment.private["reference"])
    value = 0
    if kind != "void":
        value, currency = amounts.read(body)
        if currency != payment.private["currency"]:
            raise invalid("138", "Unsupported currency specified: it is not the payment's")
    shown: Body = {"merchantAccount": desk.rules.account, "reference": reference, "status": "received"}
    if by_reference:
        shown["paymentReference"] = by_reference
    else:
        shown["paymentPspReference"] = payment.id
    if kind != "void":
        shown["amount"] = amounts.of(value, payment.private["currency"])
    private = {
        "kind": kind, "reference": reference, "value": value, "status": "received", "later": "",
        "reason": "", "event": "TECHNICAL_CANCEL" if by_reference else EVENTS[kind],
    }  # fmt: skip
    made = desk.make("modification", payment.id, {"metadata": {"operation": reference}}, **private)
    _work(desk, payment, made, kind)
    return Done(201, {**shown, "pspReference": made.id})


def _work(desk: Desk, payment: Record, made: Record, kind: str) -> None:
    plan = desk.plan
    reason = cards.REASONS.get(plan.code, plan.code)
    if plan.result == "decline":
        _fail(desk, payment, made, reason)
    elif plan.result.startswith("pending_then"):
        made.private |= {"later": "do" if plan.result == "pending_then_ok" else "fail", "reason": reason}
        _later(desk, made)
    else:
        _do(desk, payment, made, kind)
        if plan.result == "fail_later" and made.private["status"] == "done" and kind in FAILED:
            made.private |= {"later": "undo", "reason": reason}
            _later(desk, made)


def _later(desk: Desk, made: Record) -> None:
    made.due_at = desk.now + desk.rules.pending_seconds
    desk.save(made)


def _do(desk: Desk, payment: Record, made: Record, kind: str) -> None:
    """Do it, when the payment still allows it."""
    private, value = payment.private, made.private["value"]
    left = private["value"] - private["captured"] - private["released"]
    if kind == "void" and private["status"] in (payments.REDIRECT, payments.PENDING):
        private |= {"status": payments.CLOSED, "code": payments.CANCELLED}
        payment.due_at = None
    elif private["status"] != payments.AUTHORISED:
        return _fail(desk, payment, made, "Transaction not found")
    elif kind == "capture":
        if value > left:
            return _fail(desk, payment, made, TOO_MUCH if left else "Already cancelled")
        private["captured"] += value
    elif kind == "increment":
        if not private["is_raisable"] or private["captured"] or private["released"]:
            return _fail(desk, payment, made, "Authorisation adjustment not allowed")
        made.private["added"] = value - private["value"]
        private |= {"value": value, "added": private.get("added", 0) + made.private["added"]}
    elif kind == "refund":
        if value > private["captured"] - private["refunded"]:
            return _fail(desk, payment, made, TOO_MUCH)
        private["refunded"] += value
    else:
        if left == 0:
            return _fail(desk, payment, made, "Transaction already captured")
        private["released"] += left
    made.private["status"] = "done"
    desk.save(payment)
    desk.save(made)
    if kind == "capture":
        desk.journal("Settled", payment, made, value, amounts.fee_of(value, private["currency"]))
    elif kind == "refund":
        desk.journal("Refunded", payment, made, value, sign=-1)
    desk.tell(made.private["event"], payment, made, value if kind != "void" else private["value"])
    if kind == "capture":
        disputes.follow(desk, payment, made)
    return None


def _fail(desk: Desk, payment: Record, made: Record, reason: str) -> None:
    made.private |= {"status": "failed", "reason": reason}
    desk.save(made)
    value = made.private["value"] or payment.private["value"]
    desk.tell(made.private["event"], payment, made, value, success=False, reason=reason)


def _undo(desk: Desk, payment: Record, made: Record) -> None:
    """What had been done comes back: the payment's figures with it."""
    kind, value = made.private["kind"], made.private["value"]
    payment.private["captured" if kind == "capture" else "refunded"] -= value
    made.private["status"] = "failed"
    desk.save(payment)
    desk.save(made)
    desk.journal(REVERSED[kind], payment, made, value, sign=-1 if kind == "capture" else 1)
    desk.tell(FAILED[kind], payment, made, value, reason=made.private["reason"])
