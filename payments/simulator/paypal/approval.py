"""The payer's page of the sandbox: what PayPal would show, with the test buyers and a button for yes and no.

GET /paypal/checkoutnow?token={order} shows it; POST with `action` and `buyer` sends the browser back to the
merchant, with `token` and, after a yes, `PayerID`, as PayPal does.
"""

from html import escape
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from payments.simulator.answers import Answer
from payments.simulator.paypal import orders
from payments.simulator.paypal.books import Record
from payments.simulator.paypal.buyers import BUYERS, BY_NAME
from payments.simulator.paypal.desk import Desk
from payments.simulator.paypal.errors import PayPalRefused

ACTIONS = ("approve", "cancel")
POLICY = (
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
)
HTML = "text/html; charset=utf-8"


def answer(desk: Desk, method: str, query: str, raw: bytes) -> Answer:
    """Show the page, or take the payer's word.

    :raises PayPalRefused: no such order, or no such answer.
    """
    order = orders.live(desk, _one(query, "token"))
    if method != "POST":
        return Answer(200, _page(order), HTML, headers=POLICY)
    told = raw.decode("ascii", "replace")
    action, buyer = _one(told, "action"), BY_NAME.get(_one(told, "buyer") or "ada")
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
        return Answer(200, _frame("Thank you", _over(order)), HTML, headers=POLICY)
    target = urlsplit(address)
    query = urlencode([*parse_qsl(target.query), *added.items()])
    return Answer(303, "", headers=(("location", urlunsplit(target._replace(query=query))),))


def _page(order: Record) -> str:
    if order.body["status"] not in ("CREATED", orders.NEEDS_ACTION):
        return _frame("This order is already decided", _over(order))
    unit = order.body["purchase_units"][0]
    rows = {
        "Amount": f"{unit['amount']['value']} {unit['amount']['currency_code']}",
        "Payment": unit.get("invoice_id") or order.id,
        "To be": "taken now" if order.body["intent"] == "CAPTURE" else "reserved now, taken later",
    }
    facts = "".join(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in rows.items())
    chosen = order.private.get("buyer") or BUYERS[0].name
    options = "".join(
        f'<option value="{buyer.name}"{" selected" if buyer.name == chosen else ""}>'
        f"{escape(buyer.name.replace('_', ' '))}: {escape(buyer.does)}</option>"
        for buyer in BUYERS
    )
    return _frame(
        "Pay with PayPal",
        "<p>This is the sandbox: choose who you are, and whether you pay.</p>"
        f"<dl>{facts}</dl>"
        f'<form method="post"><label for="buyer">Test buyer</label><select id="buyer" name="buyer">{options}'
        '</select><button name="action" value="approve" class="yes">Agree and pay</button>'
        '<button name="action" value="cancel">Cancel and return to the shop</button></form>',
    )


def _over(order: Record) -> str:
    status = escape(order.body["status"].replace("_", " ").lower())
    return f"<p>The order is {status}.</p><p class='note'>You can close this page.</p>"


def _one(query: str, name: str) -> str:
    return "".join(parse_qs(query).get(name, [])[:1])


def _frame(title: str, content: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} - sandbox wallet</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<p class="band">Sandbox - no money moves</p>
<h1>{escape(title)}</h1>
{content}
</main>
</body>
</html>
"""


_STYLE = """
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;padding:16px;
background:#eef2f8;color:#16233a;font:16px/1.5 system-ui,sans-serif}
main{width:100%;max-width:460px;background:#fff;border:1px solid #d4dcea;border-radius:12px;padding:24px;
box-shadow:0 6px 24px rgba(22,35,58,.08)}
.band{margin:-24px -24px 20px;padding:8px 24px;border-radius:12px 12px 0 0;background:#fff4d6;color:#6b4b00;
font-size:13px}
h1{margin:0 0 8px;font-size:22px;line-height:1.25}
p{margin:0 0 16px}
dl{display:grid;grid-template-columns:auto 1fr;gap:6px 16px;margin:0 0 20px;padding:14px 16px;
background:#f5f8fc;border-radius:8px}
dt{color:#51607a}
dd{margin:0;text-align:right;font-weight:600;overflow-wrap:anywhere}
form{display:grid;gap:10px}
label{font-weight:600}
select,button{font:inherit;width:100%;min-height:48px;padding:10px 14px;border-radius:8px;
border:1px solid #b6c2d6;background:#fff;color:#16233a}
button{font-weight:600;cursor:pointer}
button.yes{background:#14489c;border-color:#14489c;color:#fff}
button:hover{filter:brightness(.96)}
select:focus-visible,button:focus-visible{outline:3px solid #8db4ff;outline-offset:2px}
.note{margin:16px 0 0;color:#51607a;font-size:14px}
"""
