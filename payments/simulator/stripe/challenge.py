"""The 3-D Secure page of the sandbox: what the payer's bank would show, with a button for each way it ends.

GET /stripe/3ds/{intent}?key={client secret} shows it; POST with `result` ends the challenge and sends the
browser back to the merchant with payment_intent, its client secret and redirect_status, as Stripe does.
"""

import hmac
from html import escape

from payments.simulator import pages
from payments.simulator.answers import Answer
from payments.simulator.currencies import major
from payments.simulator.objects import Record
from payments.simulator.stripe import debits, intents, klarna
from payments.simulator.stripe.amounts import WHOLE_ONLY
from payments.simulator.stripe.desk import Desk
from payments.simulator.stripe.errors import StripeRefused

RESULTS = ("success", "fail", "timeout", *klarna.PLANS)
NO_DECIMALS = frozenset({"mga"})


def answer(desk: Desk, method: str, intent_id: str, query: str, raw: bytes) -> Answer:
    """Show the page, or end the challenge.

    :raises StripeRefused: no such intent, or the key is not its client secret.
    """
    intent = desk.get("payment_intent", intent_id)
    given = pages.one(query, "key")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), intent.body["client_secret"].encode()):
        raise StripeRefused(404, "resource_missing", "No such challenge")
    is_open = intent.body["status"] == "requires_action"
    if method == "POST":
        result = pages.one(raw, "result")
        if result not in RESULTS:
            raise StripeRefused(400, "", f"result is one of {', '.join(RESULTS)}", param="result")
        if is_open:
            intent.private["plan"] = result
            is_done = result == "success" or result in klarna.PLANS
            intents.conclude(desk, intent, is_done, intents.FAILED_AUTHENTICATION)
        return _back(intent)
    return pages.shown(_page(desk, intent, is_open=is_open))


def _back(intent: Record) -> Answer:
    """Send the browser to where the merchant wants it; without an address, show how it ended."""
    if not intent.private.get("return_url"):
        return pages.shown(pages.frame("Done", _ended(intent)))
    succeeded = intent.body["status"] in ("requires_capture", "succeeded", "processing")
    added = {
        "payment_intent": intent.id,
        "payment_intent_client_secret": intent.body["client_secret"],
        "redirect_status": "succeeded" if succeeded else "failed",
    }
    return pages.back(intent.private["return_url"], added)


def _page(desk: Desk, intent: Record, *, is_open: bool) -> str:
    if not is_open:
        return pages.frame("This payment is already decided", _ended(intent))
    minutes = max(1, round((intent.due_at or desk.now) - desk.now) // 60)
    method = desk.get("payment_method", intent.private["method"])
    if debits.is_debit(method):
        return _verification(intent, method)
    if klarna.is_klarna(method):
        reference = intent.body["metadata"].get("reference", intent.id)
        return klarna.page({"Amount": _amount(intent), "Payment": reference})
    card = method.body["card"]
    rows = {
        "Amount": _amount(intent),
        "Card": f"{card['brand'].capitalize()} ending in {card['last4']}",
        "Payment": intent.body["metadata"].get("reference", intent.id),
    }
    buttons = (
        pages.result_button("success", "Confirm the payment"),
        pages.result_button("fail", "Fail the check"),
        pages.result_button("timeout", "Let it time out"),
    )
    unit = "minute" if minutes == 1 else "minutes"
    note = f'<p class="note">Without an answer the check fails in {minutes} {unit}.</p>'
    return pages.check(rows, buttons, note)


def _verification(intent: Record, method: Record) -> str:
    """What Stripe shows the holder of an account, to whom it sent a small deposit with a code."""
    kind = method.body["type"]
    rows = {
        "Account": f"ending in {method.body[kind]['last4']}",
        "Amount": _amount(intent),
        "Payment": intent.body["metadata"].get("reference", intent.id),
    }
    asks = "<p>A small deposit with a code is on your account. This is the sandbox: choose what you type.</p>"
    right = pages.result_button("success", "The code of the deposit")
    wrong = pages.result_button("fail", "A wrong code")
    form = f'<form method="post">{right}{wrong}</form>'
    return pages.frame("Verify your bank account", f"{asks}{pages.facts(rows)}{form}", "bank account")


def _ended(intent: Record) -> str:
    error = intent.body["last_payment_error"]
    said = escape(error["message"]) if error else "The payment was confirmed."
    return (
        f"<p>{said}</p><p class='note'>Status: {escape(intent.body['status'])}. You can close this page.</p>"
    )


def _amount(intent: Record) -> str:
    amount, currency = intent.body["amount"], intent.body["currency"]
    if currency in WHOLE_ONLY:
        amount //= 100
    if currency in NO_DECIMALS:
        amount *= 100
    return f"{major(amount, currency.upper())} {currency.upper()}"
