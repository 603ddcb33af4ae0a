"""Disputes: a test card makes one when its money is captured; evidence decides it, by Stripe's convention.

Submitted evidence with `winning_evidence` in `uncategorized_text` wins, anything else loses, both after
--pending-seconds; closing accepts the loss at once. An inquiry takes no money.
"""

from payments.simulator import objects
from payments.simulator.objects import Body, Record
from payments.simulator.stripe import charges, debits, forms
from payments.simulator.stripe.cards import BY_NAME
from payments.simulator.stripe.desk import Desk, Done
from payments.simulator.stripe.errors import StripeRefused
from payments.simulator.stripe.forms import Params

FEE = 1500
DUE_SECONDS = 9 * 86_400
EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name",
    "customer_purchase_ip", "customer_signature", "duplicate_charge_documentation",
    "duplicate_charge_explanation", "duplicate_charge_id", "product_description", "receipt", "refund_policy",
    "refund_policy_disclosure", "refund_refusal_explanation", "service_date", "service_documentation",
    "shipping_address", "shipping_carrier", "shipping_date", "shipping_documentation",
    "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
)  # fmt: skip
FILES = (
    "cancellation_policy", "customer_communication", "customer_signature", "duplicate_charge_documentation",
    "receipt", "refund_policy", "service_documentation", "shipping_documentation", "uncategorized_file",
)  # fmt: skip
OPEN = ("needs_response", "warning_needs_response")
NETWORK_CODES = {"fraudulent": "10.4", "product_not_received": "13.1"}


def follow(desk: Desk, charge: Record) -> None:
    """Let what the card or account is known for follow a capture."""
    account = debits.BY_NAME.get(charge.private["scenario"])
    if account is not None and account.dispute:
        charge.due_at = desk.now + desk.rules.pending_seconds
        desk.save(charge)
    card = BY_NAME.get(charge.private["scenario"])
    if card is None or charge.body["disputed"]:
        return
    if card.risk == "warning":
        warning: Body = {"actionable": True, "charge": charge.id, "fraud_type": "misc",
                         "payment_intent": charge.body["payment_intent"]}  # fmt: skip
        made = desk.make("issfr", "radar.early_fraud_warning", charge.id, warning)
        desk.tell("radar.early_fraud_warning.created", made.body)
    if not card.dispute:
        return
    charge.body["disputed"] = True
    desk.save(charge)
    is_inquiry = card.evidence_due.startswith("warning")
    body: Body = {
        "amount": charge.body["amount_captured"],
        "balance_transactions": [],
        "charge": charge.id,
        "currency": charge.body["currency"],
        "evidence": dict.fromkeys(EVIDENCE),
        "evidence_details": {
            "due_by": int(desk.now + DUE_SECONDS),
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": is_inquiry,
        "metadata": {},
        "payment_intent": charge.body["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": charge.body["payment_method_details"]["card"]["brand"],
                "case_type": "inquiry" if is_inquiry else "chargeback",
                "network_reason_code": NETWORK_CODES[card.dispute],
            },
            "type": "card",
        },
        "reason": card.dispute,
        "status": card.evidence_due,
    }
    made = desk.make("dp", "dispute", charge.id, body)
    if not is_inquiry:
        _move(desk, made, -body["amount"], FEE)
    desk.tell("charge.dispute.created", made.body)
    if not is_inquiry:
        desk.tell("charge.dispute.funds_withdrawn", made.body)


def take_back(desk: Desk, charge: Record) -> None:
    """The payer's bank takes back what a debit brought: lost from the beginning, nothing to answer."""
    charge.due_at = None
    charge.body["disputed"] = True
    desk.save(charge)
    body: Body = {
        "amount": charge.body["amount_captured"],
        "balance_transactions": [],
        "charge": charge.id,
        "currency": charge.body["currency"],
        "evidence": dict.fromkeys(EVIDENCE),
        "evidence_details": {"due_by": None, "has_evidence": False, "past_due": False, "submission_count": 0},
        "is_charge_refundable": False,
        "metadata": {},
        "payment_intent": charge.body["payment_intent"],
        "payment_method_details": None,
        "reason": debits.BY_NAME[charge.private["scenario"]].dispute,
        "status": "lost",
    }
    made = desk.make("dp", "dispute", charge.id, body)
    _move(desk, made, -body["amount"], FEE)
    for told in ("created", "funds_withdrawn", "closed"):
        desk.tell(f"charge.dispute.{told}", made.body)


def update(desk: Desk, dispute_id: str, params: Params) -> Done:
    """POST /v1/disputes/{id}: evidence is merged in; `submit` (the default) ends our say."""
    forms.known(params, ("evidence", "metadata", "submit", "expand"))
    dispute = desk.get("dispute", dispute_id)
    if dispute.body["status"] not in OPEN:
        raise StripeRefused(400, "", f"This dispute is {dispute.body['status']}; it takes no evidence")
    sent = forms.mapping(params, "evidence")
    forms.known(sent, EVIDENCE)
    for name in FILES:
        if sent.get(name):
            desk.get("file", forms.text(sent, name), f"evidence[{name}]")
    dispute.body["metadata"] = forms.metadata(params, dispute.body["metadata"])
    dispute.body["evidence"] |= {name: value or None for name, value in sent.items()}
    details = dispute.body["evidence_details"]
    details["has_evidence"] = any(dispute.body["evidence"].values())
    if forms.boolean(params, "submit", bool(sent)):
        details["submission_count"] += 1
        is_inquiry = dispute.body["status"].startswith("warning")
        dispute.body["status"] = "warning_under_review" if is_inquiry else "under_review"
        dispute.due_at = desk.now + desk.rules.pending_seconds
    desk.save(dispute)
    desk.tell("charge.dispute.updated", dispute.body)
    return Done(200, dispute.body)


def close(desk: Desk, dispute_id: str, params: Params) -> Done:
    """POST /v1/disputes/{id}/close: accept the loss."""
    forms.known(params, ("expand",))
    dispute = desk.get("dispute", dispute_id)
    if dispute.body["status"] not in OPEN:
        raise StripeRefused(400, "", f"This dispute is already {dispute.body['status']}")
    _end(desk, dispute, "warning_closed" if dispute.body["status"].startswith("warning") else "lost")
    return Done(200, dispute.body)


def conclude(desk: Desk, dispute: Record) -> None:
    """The bank's word on submitted evidence."""
    if dispute.body["status"] == "warning_under_review":
        _end(desk, dispute, "warning_closed")
        return
    has_won = dispute.body["evidence"]["uncategorized_text"] == "winning_evidence"
    if has_won:
        _move(desk, dispute, dispute.body["amount"], -FEE)
    _end(desk, dispute, "won" if has_won else "lost")
    if has_won:
        desk.tell("charge.dispute.funds_reinstated", dispute.body)


def _end(desk: Desk, dispute: Record, status: str) -> None:
    dispute.due_at = None
    dispute.body["status"] = status
    desk.save(dispute)
    desk.tell("charge.dispute.closed", dispute.body)


def _move(desk: Desk, dispute: Record, amount: int, fee: int) -> None:
    moved = charges.balance_transaction(desk, dispute, "adjustment", amount, fee)
    moved.body["reporting_category"] = "dispute" if amount < 0 else "dispute_reversal"
    desk.save(moved)
    dispute.body["balance_transactions"] = [*dispute.body["balance_transactions"], moved.body]
    objects.put(desk.connection, dispute)
