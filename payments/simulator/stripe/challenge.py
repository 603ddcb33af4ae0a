"""The 3-D Secure page of the sandbox: what the payer's bank would show, with a button for each way it ends.

GET /stripe/3ds/{intent}?key={client secret} shows it; POST with `result` ends the challenge and sends the
browser back to the merchant with payment_intent, its client secret and redirect_status, as Stripe does.
"""

import hmac
from html import escape
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from payments.simulator.answers import Answer
from payments.simulator.currencies import major
from payments.simulator.stripe import intents
from payments.simulator.stripe.amounts import WHOLE_ONLY
from payments.simulator.stripe.books import Record
from payments.simulator.stripe.desk import Desk
from payments.simulator.stripe.errors import StripeRefused

RESULTS = ("success", "fail", "timeout")
NO_DECIMALS = frozenset({"mga"})
POLICY = (
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
)


def answer(desk: Desk, method: str, intent_id: str, query: str, raw: bytes) -> Answer:
    """Show the page, or end the challenge.

    :raises StripeRefused: no such intent, or the key is not its client secret.
    """
    intent = desk.get("payment_intent", intent_id)
    given = "".join(parse_qs(query).get("key", [])[:1])
    if not hmac.compare_digest(given.encode("utf-8", "replace"), intent.body["client_secret"].encode()):
        raise StripeRefused(404, "resource_missing", "No such challenge")
    is_open = intent.body["status"] == "requires_action"
    if method == "POST":
        result = "".join(parse_qs(raw.decode("ascii", "replace")).get("result", [])[:1])
        if result not in RESULTS:
            raise StripeRefused(400, "", "result is success, fail or timeout", param="result")
        if is_open:
            intents.conclude(desk, intent, result == "success", intents.FAILED_AUTHENTICATION)
        return _back(intent)
    return Answer(200, _page(desk, intent, is_open=is_open), "text/html; charset=utf-8", headers=POLICY)


def _back(intent: Record) -> Answer:
    """Send the browser to where the merchant wants it; without an address, show how it ended."""
    if not intent.private.get("return_url"):
        return Answer(200, frame("Done", _ended(intent)), "text/html; charset=utf-8", headers=POLICY)
    target = urlsplit(intent.private["return_url"])
    succeeded = intent.body["status"] in ("requires_capture", "succeeded", "processing")
    added = {
        "payment_intent": intent.id,
        "payment_intent_client_secret": intent.body["client_secret"],
        "redirect_status": "succeeded" if succeeded else "failed",
    }
    query = urlencode([*parse_qsl(target.query), *added.items()])
    return Answer(303, "", headers=(("location", urlunsplit(target._replace(query=query))),))


def _page(desk: Desk, intent: Record, *, is_open: bool) -> str:
    if not is_open:
        return frame("This payment is already decided", _ended(intent))
    minutes = max(1, round((intent.due_at or desk.now) - desk.now) // 60)
    card = desk.get("payment_method", intent.private["method"]).body["card"]
    rows = {
        "Amount": _amount(intent),
        "Card": f"{card['brand'].capitalize()} ending in {card['last4']}",
        "Payment": intent.body["metadata"].get("reference", intent.id),
    }
    facts = "".join(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in rows.items())
    buttons = "".join(
        f'<button name="result" value="{value}" class="{value}">{label}</button>'
        for value, label in (
            ("success", "Confirm the payment"),
            ("fail", "Fail the check"),
            ("timeout", "Let it time out"),
        )
    )
    unit = "minute" if minutes == 1 else "minutes"
    return frame(
        "Confirm this payment",
        "<p>Your bank asks whether it is you who pays. This is the sandbox: choose how the bank's check ends."
        f"</p><dl>{facts}</dl>"
        f'<form method="post">{buttons}</form>'
        f'<p class="note">Without an answer the check fails in {minutes} {unit}.</p>',
    )


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


def frame(title: str, content: str) -> str:
    """A page of a customer's bank in the sandbox; `content` is markup already."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} - sandbox 3-D Secure</title>
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
background:#f1f3f6;color:#1c2430;font:16px/1.5 system-ui,sans-serif}
main{width:100%;max-width:440px;background:#fff;border:1px solid #d9dee6;border-radius:12px;padding:24px;
box-shadow:0 6px 24px rgba(28,36,48,.08)}
.band{margin:-24px -24px 20px;padding:8px 24px;border-radius:12px 12px 0 0;background:#fff4d6;color:#6b4b00;
font-size:13px}
h1{margin:0 0 8px;font-size:22px;line-height:1.25}
p{margin:0 0 16px}
dl{display:grid;grid-template-columns:auto 1fr;gap:6px 16px;margin:0 0 20px;padding:14px 16px;
background:#f6f8fa;border-radius:8px}
dt{color:#57606f}
dd{margin:0;text-align:right;font-weight:600;overflow-wrap:anywhere}
form{display:grid;gap:10px}
button{font:inherit;font-weight:600;min-height:48px;padding:10px 16px;border-radius:8px;
border:1px solid #b9c1cd;background:#fff;color:#1c2430;cursor:pointer}
button.success{background:#1f5fd6;border-color:#1f5fd6;color:#fff}
button.fail{color:#a11b1b;border-color:#d9a3a3}
button:hover{filter:brightness(.96)}
button:focus-visible{outline:3px solid #8db4ff;outline-offset:2px}
.note{margin:16px 0 0;color:#57606f;font-size:14px}
"""
