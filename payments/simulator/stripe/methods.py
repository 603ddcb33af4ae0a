"""Customers, tokens and payment methods. Of a card number its last digits, brand and scenario are kept."""

from datetime import UTC, datetime

from payments.simulator import objects, scenarios
from payments.simulator.errors import Refused
from payments.simulator.objects import Body, Record
from payments.simulator.stripe import cards, debits, forms, klarna
from payments.simulator.stripe.books import digest
from payments.simulator.stripe.cards import Card
from payments.simulator.stripe.desk import Desk, Done
from payments.simulator.stripe.errors import StripeRefused, missing
from payments.simulator.stripe.forms import Params

EMPTY_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
EXPIRY = (12, 2040)


def create_customer(desk: Desk, params: Params) -> Done:
    """POST /v1/customers."""
    forms.known(params, ("name", "email", "description", "phone", "metadata", "payment_method", "expand"))
    fields = {name: params.get(name) or None for name in ("name", "email", "description", "phone")}
    body = {**fields, "balance": 0, "currency": None, "delinquent": False, "default_source": None,
            "metadata": forms.metadata(params, {}), "shipping": None}  # fmt: skip
    made = desk.make("cus", "customer", "", body)
    if "payment_method" in params:
        _attach(desk, method_of(desk, forms.text(params, "payment_method")), made.id)
    return Done(200, made.body)


def update_customer(desk: Desk, customer_id: str, params: Params) -> Done:
    """POST /v1/customers/{id}."""
    forms.known(params, ("name", "email", "description", "phone", "metadata", "expand"))
    found = desk.get("customer", customer_id)
    found.body |= {name: params[name] or None for name in ("name", "email", "phone") if name in params}
    found.body["metadata"] = forms.metadata(params, found.body["metadata"])
    desk.save(found)
    return Done(200, found.body)


def delete_customer(desk: Desk, customer_id: str, _params: Params) -> Done:
    """DELETE /v1/customers/{id}."""
    found = desk.get("customer", customer_id)
    for method in objects.of_parent(desk.connection, "payment_method", customer_id):
        detach_method(desk, method.id, {})
    desk.connection.execute("DELETE FROM object WHERE id = ?", (found.id,))
    return Done(200, {"id": found.id, "object": "customer", "deleted": True})


def create_token(desk: Desk, params: Params) -> Done:
    """POST /v1/tokens with a card."""
    card, month, year = _card_of(forms.mapping(params, "card"))
    private = {"month": month, "year": year, **_facts(card)}
    shown = {"brand": private["brand"], "last4": private["last4"], "exp_month": month, "exp_year": year}
    named = {"id": desk.new_id("card"), "object": "card", "funding": private["funding"]}
    body: Body = {"type": "card", "used": False, "card": {**named, **shown}}
    return Done(200, desk.make("tok", "token", "", body, **private).body)


def create_method(desk: Desk, params: Params) -> Done:
    """POST /v1/payment_methods."""
    kind = forms.text(params, "type")
    forms.known(params, ("type", kind, "billing_details", "metadata", "expand", "allow_redisplay"))
    if kind in debits.CURRENCIES:
        account, billing = debits.of_params(params)
        metadata = forms.metadata(params, {})
        return Done(200, debits.make(desk, account, billing, metadata, is_verified=False).body)
    if kind != "card":
        raise StripeRefused(400, "", f"The sandbox has no payment methods of type {kind}", param="type")
    sent = forms.mapping(params, "card")
    if "token" in sent:
        return Done(200, method_of(desk, forms.text(sent, "token"), param="card[token]").body)
    card, month, year = _card_of(sent)
    return Done(200, _make_method(desk, _facts(card), month, year, forms.metadata(params, {})).body)


def attach_method(desk: Desk, method_id: str, params: Params) -> Done:
    """POST /v1/payment_methods/{id}/attach."""
    customer = desk.get("customer", forms.text(params, "customer"), "customer")
    return Done(200, _attach(desk, method_of(desk, method_id), customer.id).body)


def detach_method(desk: Desk, method_id: str, _params: Params) -> Done:
    """POST /v1/payment_methods/{id}/detach."""
    found = desk.get("payment_method", method_id)
    found.body["customer"], found.parent = None, ""
    desk.save(found)
    desk.tell("payment_method.detached", found.body)
    return Done(200, found.body)


def method_of(desk: Desk, token: str, param: str = "payment_method") -> Record:
    """The payment method that a token stands for; a static one (`pm_card_visa`) makes a new method.

    :raises StripeRefused: nothing has this token.
    """
    known = cards.of_token(token) if token.startswith(("pm_card_", "tok_")) else None
    if known:
        return _make_method(desk, _facts(known), *EXPIRY, {})
    if token in debits.BY_TOKEN:
        return debits.make(desk, debits.BY_TOKEN[token], {"name": "Jenny Rosen"}, {}, is_verified=True)
    if token.startswith("tok_"):
        found = desk.get("token", token, param)
        if found.body["used"]:
            raise StripeRefused(400, "token_already_used", "A token can be used once", param=param)
        found.body["used"] = True
        desk.save(found)
        kept = {name: found.private[name] for name in ("scenario", "brand", "last4", "funding", "print")}
        return _make_method(desk, kept, found.private["month"], found.private["year"], {})
    if not token.startswith("pm_"):
        raise missing("PaymentMethod", token, param)
    return desk.get("payment_method", token, param)


def method_in(desk: Desk, params: Params) -> Record | None:
    """The payment method that a request names or brings along, if it does."""
    if "payment_method" in params:
        return method_of(desk, forms.text(params, "payment_method"))
    brought = forms.mapping(params, "payment_method_data")
    if brought.get("type") == klarna.NAMED:
        return klarna.make(desk, brought)
    sent = forms.mapping(brought, "card")
    if "token" in sent:
        return method_of(desk, forms.text(sent, "token"), "payment_method_data[card][token]")
    return None


def check_holder(method: Record, customer: str | None) -> None:
    """Refuse to use a customer's method without naming that customer.

    :raises StripeRefused: it is another customer's, or the customer is not named.
    """
    if method.body["customer"] not in (None, customer):
        raise StripeRefused(
            400, "", f"The payment method supplied ({method.id}) belongs to a Customer. Please include the"
            " Customer in the `customer` parameter.", param="customer",
        )  # fmt: skip


def card_of(method: Record) -> Card | None:
    """The test card behind a payment method, when it is a listed one."""
    return cards.BY_NAME.get(method.private["scenario"])


def _attach(desk: Desk, method: Record, customer_id: str) -> Record:
    card = card_of(method)
    if card and card.faults.get("authorize", "").startswith("decline:") and card.name != "charge_fails":
        raise StripeRefused(402, "card_declined", "Your card was declined.", kind="card_error")
    method.body["customer"], method.parent = customer_id, customer_id
    desk.save(method)
    desk.tell("payment_method.attached", method.body)
    return method


def _card_of(sent: Params) -> tuple[Card, int, int]:
    number = forms.text(sent, "number").replace(" ", "")
    month, year = forms.integer(sent, "exp_month"), forms.integer(sent, "exp_year")
    today = datetime.now(UTC)
    try:
        listed = cards.of_number(number)
    except Refused:
        raise StripeRefused(
            402, "incorrect_number", "Your card number is incorrect.", kind="card_error", param="number"
        ) from None
    if not 1 <= month <= 12 or (year, month) < (today.year, today.month):
        raise StripeRefused(
            402, "invalid_expiry_year", "Your card's expiration year is invalid.", kind="card_error",
            param="exp_year",
        )  # fmt: skip
    return listed or Card("", number, ""), month, year


def _facts(card: Card) -> Body:
    return {
        "scenario": card.name,
        "brand": scenarios.brand_of(card.number),
        "last4": card.number[-4:],
        "funding": card.funding,
        "print": digest("fp", card.number)[3:19],
    }


def _make_method(desk: Desk, facts: Body, month: int, year: int, metadata: dict[str, str]) -> Record:
    card = {
        "brand": facts["brand"],
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "unchecked"},
        "country": "US",
        "display_brand": facts["brand"],
        "exp_month": month,
        "exp_year": year,
        "fingerprint": facts["print"],
        "funding": facts["funding"],
        "generated_from": None,
        "last4": facts["last4"],
        "networks": {"available": [facts["brand"]], "preferred": None},
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    details = {"address": dict(EMPTY_ADDRESS), "email": None, "name": None, "phone": None, "tax_id": None}
    body: Body = {"type": "card", "billing_details": details, "card": card, "customer": None,
                  "metadata": metadata, "allow_redisplay": "unspecified"}  # fmt: skip
    return desk.make("pm", "payment_method", "", body, scenario=facts["scenario"])
