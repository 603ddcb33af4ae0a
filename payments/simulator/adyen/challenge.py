"""The page of the payer's bank: what is to be paid, and a button for each way its check can end.

The page ends nothing: it sends the browser back to the merchant with a result, which he hands to Adyen.
"""

import hashlib
import hmac

from payments.simulator import pages
from payments.simulator.adyen import amounts, payments
from payments.simulator.adyen.desk import Desk
from payments.simulator.adyen.errors import AdyenRefused
from payments.simulator.answers import Answer
from payments.simulator.stripe.books import Record

RESULTS = ("success", "fail", "timeout")


def answer(desk: Desk, method: str, reference: str, query: str, raw: bytes) -> Answer:
    """Show the page, or take what the payer did.

    :raises AdyenRefused: no such payment, or the key is not its own.
    """
    payment = desk.find("payment", reference)
    given = pages.one(query, "key")
    secret = payment.private.get("secret", "") if payment else ""
    if (
        payment is None
        or not secret
        or not hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())
    ):
        raise AdyenRefused(404, "905", "No such page", kind="security")
    is_open = payment.private["status"] == payments.REDIRECT and payment.private["passed"] is None
    if method == "POST":
        result = pages.one(raw, "result")
        if result not in RESULTS:
            raise AdyenRefused(400, "702", "result is success, fail or timeout")
        if is_open and result == "timeout":
            payment.due_at = None
            payments.close(desk, payment)
        elif is_open:
            token = hashlib.sha256(f"{secret}|{result}".encode()).hexdigest()
            payment.private["passed"] = result == "success"
            payment.body["metadata"]["result"] = token
            desk.save(payment)
        return _back(payment)
    page = (
        _page(payment)
        if is_open
        else pages.frame("This payment is already decided", "<p>You can close this page.</p>")
    )
    return pages.shown(page)


def _back(payment: Record) -> Answer:
    result = payment.body["metadata"].get("result", "")
    return pages.back(payment.private["return_url"], {"redirectResult": result} if result else {})


def _page(payment: Record) -> str:
    private = payment.private
    rows = {
        "Amount": f"{amounts.shown(private['value'], private['currency'])} {private['currency']}",
        "Card": f"{str(private['brand']).capitalize()} ending in {private['last4']}",
        "Payment": private["reference"],
    }
    labels = {"success": "Confirm the payment", "fail": "Fail the check", "timeout": "Let it time out"}
    return pages.check(rows, (pages.result_button(value, label) for value, label in labels.items()))
