"""The payer's page, his bank's or his lender's: what is to be paid, and a button for each way it can end.

The page ends nothing: it sends the browser back to the merchant with a result, which he hands to Adyen.
"""

import hashlib
import hmac

from payments.simulator import pages
from payments.simulator.adyen import amounts, lending, payments
from payments.simulator.adyen.desk import Desk
from payments.simulator.adyen.errors import AdyenRefused
from payments.simulator.answers import Answer
from payments.simulator.objects import Record

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
        lent = lending.is_lent(payment.private["brand"])
        if result not in RESULTS and not lent:
            raise AdyenRefused(400, "702", "result is success, fail or timeout")
        if is_open and lent:
            lending.decide(payment, result, pages.one(raw, "plan") or lending.KLARNA)
            _keep(desk, payment, f"{secret}|{result}")
        elif is_open and result == "timeout":
            payment.due_at = None
            payments.close(desk, payment)
        elif is_open:
            payment.private["passed"] = result == "success"
            _keep(desk, payment, f"{secret}|{result}")
        return _back(payment)
    page = (
        _page(payment)
        if is_open
        else pages.frame("This payment is already decided", "<p>You can close this page.</p>")
    )
    return pages.shown(page)


def _keep(desk: Desk, payment: Record, known_as: str) -> None:
    """Keep what the payer did, under what his browser brings to the merchant."""
    payment.body["metadata"]["result"] = hashlib.sha256(known_as.encode()).hexdigest()
    desk.save(payment)


def _back(payment: Record) -> Answer:
    result = payment.body["metadata"].get("result", "")
    return pages.back(payment.private["return_url"], {"redirectResult": result} if result else {})


def _page(payment: Record) -> str:
    private = payment.private
    if lending.is_lent(private["brand"]):
        return lending.page(payment)
    rows = {
        "Amount": f"{amounts.shown(private['value'], private['currency'])} {private['currency']}",
        "Card": f"{str(private['brand']).capitalize()} ending in {private['last4']}",
        "Payment": private["reference"],
    }
    labels = {"success": "Confirm the payment", "fail": "Fail the check", "timeout": "Let it time out"}
    return pages.check(rows, (pages.result_button(value, label) for value, label in labels.items()))
