"""The payer's page of the sandbox: what PayPal would show, with the test buyers and a button for yes and no.

GET /paypal/checkoutnow?token={order} shows it; POST with `action` and `buyer` sends the browser back to the
merchant, with `token` and, after a yes, `PayerID`, as PayPal does.
"""

from html import escape

from payments.simulator import pages
from payments.simulator.answers import Answer
from payments.simulator.objects import Record
from payments.simulator.paypal import orders
from payments.simulator.paypal.buyers import BUYERS, BY_NAME
from payments.simulator.paypal.desk import Desk
from payments.simulator.paypal.errors import PayPalRefused

ACTIONS = ("approve", "cancel")
KIND = "wallet"


def answer(desk: Desk, method: str, query: str, raw: bytes) -> Answer:
    """Show the page, or take the payer's word.

    :raises PayPalRefused: no such order, or no such answer.
    """
    order = orders.live(desk, pages.one(query, "token"))
    if method != "POST":
        return pages.shown(_page(order))
    action, buyer = pages.one(raw, "action"), BY_NAME.get(pages.one(raw, "buyer") or "ada")
    if action not in ACTIONS or buyer is None:
        raise PayPalRefused(400, "INVALID_PARAMETER_VALUE", "action is approve or cancel, by a test buyer.")
    if action == "cancel":
        return _back(order, order.private["cancel_url"], {"token": order.id})
    if order.body["status"] in ("CREATED", orders.NEEDS_ACTION):
        orders.approve(desk, order, buyer)
    payer = order.body.get("payer", {}).get("payer_id", "")
    return _back(order, order.private["return_url"], {"token": order.id, "PayerID": payer})


def _back(order: Record, address: str, added: dict[str, str]) -> Answer:
    if not address:
        return pages.shown(pages.frame("Thank you", _over(order), KIND))
    return pages.back(address, added)


def _page(order: Record) -> str:
    if order.body["status"] not in ("CREATED", orders.NEEDS_ACTION):
        return pages.frame("This order is already decided", _over(order), KIND)
    unit = order.body["purchase_units"][0]
    rows = {
        "Amount": f"{unit['amount']['value']} {unit['amount']['currency_code']}",
        "Payment": unit.get("invoice_id") or order.id,
        "To be": "taken now" if order.body["intent"] == "CAPTURE" else "reserved now, taken later",
    }
    chosen = order.private.get("buyer") or BUYERS[0].name
    options = "".join(
        f'<option value="{buyer.name}"{" selected" if buyer.name == chosen else ""}>'
        f"{escape(buyer.name.replace('_', ' '))}: {escape(buyer.does)}</option>"
        for buyer in BUYERS
    )
    return pages.frame(
        "Pay with PayPal",
        "<p>This is the sandbox: choose who you are, and whether you pay.</p>"
        f"{pages.facts(rows)}"
        f'<form method="post"><label for="buyer">Test buyer</label><select id="buyer" name="buyer">{options}'
        '</select><button name="action" value="approve" class="success">Agree and pay</button>'
        '<button name="action" value="cancel">Cancel and return to the shop</button></form>',
        KIND,
    )


def _over(order: Record) -> str:
    status = escape(order.body["status"].replace("_", " ").lower())
    return f"<p>The order is {status}.</p><p class='note'>You can close this page.</p>"
