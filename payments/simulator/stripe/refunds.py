"""Refunds: at once, pending, or failing later; refunded <= captured, also while one is pending."""

from payments.simulator.objects import Body, Record
from payments.simulator.stripe import amounts, books, charges, debits, forms
from payments.simulator.stripe.desk import Desk, Done
from payments.simulator.stripe.errors import StripeRefused
from payments.simulator.stripe.forms import Params

REASONS = ("duplicate", "fraudulent", "requested_by_customer")
CREATE = ("payment_intent", "charge", "amount", "reason", "metadata", "expand")


def create(desk: Desk, params: Params) -> Done:
    """POST /v1/refunds of a payment intent or a charge: all that is left, or an amount."""
    forms.known(params, CREATE)
    if "charge" in params:
        charge = desk.get("charge", forms.text(params, "charge"), "charge")
    else:
        intent = desk.get("payment_intent", forms.text(params, "payment_intent"), "payment_intent")
        charge = charges.of_intent(desk, intent)
    reason = forms.text(params, "reason", "") or None
    if reason and reason not in REASONS:
        raise StripeRefused(400, "", f"Invalid reason: {reason}", param="reason")
    amount = _amount(charge, params)
    plan = desk.plan
    status, later = {
        "pending_then_ok": ("pending", "succeeded"),
        "pending_then_fail": ("pending", "failed"),
        "fail_later": ("succeeded", "failed"),
        "decline": ("failed", ""),
    }.get(plan.result, ("succeeded", ""))
    paid_by = charge.body["payment_method_details"]["type"]
    if paid_by in debits.CURRENCIES and plan.result == "ok":
        status, later = "pending", "succeeded"  # a credit transfer, which takes its days
    body: Body = {
        "amount": amount,
        "balance_transaction": None,
        "charge": charge.id,
        "currency": charge.body["currency"],
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": forms.metadata(params, {}),
        "payment_intent": charge.body["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }
    made = desk.make("re", "refund", charge.id, body, later=later, code=plan.code)
    made.due_at = desk.now + desk.rules.pending_seconds if later else None
    if status == "failed":
        made.body["failure_reason"] = plan.code
    else:
        _count(desk, charge, amount)
        kind = "refund" if paid_by == "card" else "payment_refund"
        made.body["balance_transaction"] = charges.balance_transaction(desk, made, kind, -amount, 0).id
    desk.save(made)
    desk.tell("refund.created", made.body)
    if status != "failed":
        desk.tell("charge.refunded", charge.body)
    return Done(200, made.body)


def conclude(desk: Desk, refund: Record) -> None:
    """What was to come of a refund: it succeeds, or fails and the money comes back to us."""
    refund.due_at = None
    if refund.private["later"] == "succeeded":
        refund.body["status"] = "succeeded"
        desk.save(refund)
        desk.tell("refund.updated", refund.body)
        return
    charge = books.get(desk.connection, "charge", refund.body["charge"])
    _count(desk, charge, -refund.body["amount"])
    back = charges.balance_transaction(desk, refund, "refund_failure", refund.body["amount"], 0)
    refund.body |= {
        "status": "failed",
        "failure_reason": refund.private["code"],
        "failure_balance_transaction": back.id,
    }
    desk.save(refund)
    desk.tell("refund.failed", refund.body)


def do_after_all(desk: Desk, refund: Record) -> None:
    """What failed is done after all: its money is taken once more.

    :raises StripeRefused: it has not failed.
    """
    if refund.body["status"] != "failed":
        raise StripeRefused(400, "", "Only a refund that failed is done after all")
    charge = books.get(desk.connection, "charge", refund.body["charge"])
    _count(desk, charge, refund.body["amount"])
    charges.balance_transaction(desk, refund, "refund", -refund.body["amount"], 0)
    refund.body |= {"status": "succeeded", "failure_reason": None, "failure_balance_transaction": None}
    desk.save(refund)
    desk.tell("refund.updated", refund.body)


def _amount(charge: Record, params: Params) -> int:
    left = charge.body["amount_captured"] - charge.body["amount_refunded"]
    if charge.body["amount_captured"] == 0:
        raise StripeRefused(400, "", "This PaymentIntent does not have a successful charge to refund.")
    if left == 0:
        raise StripeRefused(400, "charge_already_refunded", f"Charge {charge.id} has already been refunded.")
    amount = forms.integer(params, "amount", left)
    amounts.check_amount(amount, charge.body["currency"], minimum=False)
    if amount > left:
        raise StripeRefused(
            400, "", f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})",
            param="amount",
        )  # fmt: skip
    return amount


def _count(desk: Desk, charge: Record, amount: int) -> None:
    charge.body["amount_refunded"] += amount
    charge.body["refunded"] = charge.body["amount_refunded"] == charge.body["amount_captured"]
    desk.save(charge)
