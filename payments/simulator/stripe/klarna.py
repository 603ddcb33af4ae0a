"""Klarna: the payer chooses on a page how to pay; captured at once or later, in one piece."""

from payments.simulator import pages
from payments.simulator.objects import Body, Record
from payments.simulator.stripe import forms
from payments.simulator.stripe.desk import Desk
from payments.simulator.stripe.errors import StripeRefused
from payments.simulator.stripe.forms import Params

NAMED = "klarna"
EURO = ("AT", "BE", "DE", "ES", "FI", "FR", "GR", "IE", "IT", "NL", "PT")
CURRENCIES = {
    **dict.fromkeys(EURO, "eur"), "AU": "aud", "CA": "cad", "CH": "chf", "CZ": "czk", "DK": "dkk",
    "GB": "gbp", "NO": "nok", "NZ": "nzd", "PL": "pln", "RO": "ron", "SE": "sek", "US": "usd",
}  # fmt: skip
PLANS = {
    "pay_now": "Pay now",
    "pay_later": "Pay in 30 days",
    "pay_in_installments": "Pay in 3 instalments",
}


def make(desk: Desk, params: Params) -> Record:
    """The payment method of a payer who lives in a country; used once.

    :raises StripeRefused: the country is missing, or Klarna lends to nobody there.
    """
    billing = forms.mapping(params, "billing_details")
    country = forms.text(forms.mapping(billing, "address"), "country")
    if country not in CURRENCIES:
        raise StripeRefused(400, "", f"Klarna is not available in {country}", param="billing_details")
    details = {"address": {"country": country}, "email": None, "name": None, "phone": None, "tax_id": None}
    body: Body = {"type": NAMED, "billing_details": details, NAMED: {"dob": None}, "customer": None,
                  "metadata": {}, "allow_redisplay": "unspecified"}  # fmt: skip
    return desk.make("pm", "payment_method", "", body, scenario="")


def is_klarna(method: Record) -> bool:
    """Say whether a payment method is Klarna's."""
    return bool(method.body["type"] == NAMED)


def check(intent: Body, method: Record, return_url: str) -> None:
    """Refuse what Stripe refuses to ask of Klarna.

    :raises StripeRefused: another type or currency, or nowhere to come back to.
    """
    if NAMED not in intent["payment_method_types"]:
        raise StripeRefused(400, "", "Allow klarna in payment_method_types", param="payment_method")
    if intent["currency"] != CURRENCIES[method.body["billing_details"]["address"]["country"]]:
        raise StripeRefused(400, "", "The currency is not that of the payer's country", param="currency")
    if not return_url:
        raise StripeRefused(400, "", "klarna needs a return_url", param="return_url")


def details(intent: Record, method: Record) -> Body:
    """What a charge tells of how the payer pays."""
    address = {"country": method.body["billing_details"]["address"]["country"]}
    plan = intent.private.get("plan") or "pay_later"
    told = {"payer_details": {"address": address}, "payment_method_category": plan,
            "preferred_locale": f"en-{address['country']}"}  # fmt: skip
    return {"type": NAMED, NAMED: told}


def page(rows: dict[str, object]) -> str:
    """Klarna's page: a button for each way to pay, and one for leaving."""
    buttons = "".join(pages.result_button(value, label) for value, label in PLANS.items())
    leaving = pages.result_button("fail", "Leave without paying")
    asks = "<p>Klarna asks how you want to pay. This is the sandbox: choose one.</p>"
    form = f'<form method="post">{buttons}{leaving}</form>'
    return pages.frame("Pay with Klarna", f"{asks}{pages.facts(rows)}{form}", "Klarna")
