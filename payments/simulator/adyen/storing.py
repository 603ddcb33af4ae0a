"""Stored methods: a card given once, for a reference of Adyen's under one shopper."""

from payments.simulator.adyen import cards, payments
from payments.simulator.adyen.desk import Desk, Done
from payments.simulator.adyen.errors import invalid
from payments.simulator.errors import Refused
from payments.simulator.objects import Body, Record


def create(desk: Desk, body: Body) -> Done:
    """POST /storedPaymentMethods."""
    payments.check_account(desk, body)
    shopper = payments.text(body, "shopperReference", "14_013", 256)
    method = body.get("paymentMethod")
    if not isinstance(method, dict) or method.get("type") != "scheme":
        raise invalid("14_006", "The provided 'paymentMethod' is not supported.")
    facts = payments.card_facts(method)
    made = desk.make("stored", "", {}, shopper=shopper, **facts)
    shown = {
        "id": made.id,
        "type": "scheme",
        "brand": facts["brand"],
        "lastFour": facts["last4"],
        "expiryMonth": str(method["expiryMonth"]),
        "expiryYear": str(method["expiryYear"]),
        "shopperReference": shopper,
        "supportedRecurringProcessingModels": ["CardOnFile", "Subscription", "UnscheduledCardOnFile"],
    }
    return Done(201, shown)


def create_from_wallet(desk: Desk, body: Body) -> Record:
    """A card that was paid with once out of a wallet (`applepay`, `googlepay`) and stored by that.

    :raises Refused: it is no card number. :raises AdyenRefused: no such wallet.
    """
    wallet, shopper = body.get("type"), payments.text(body, "shopperReference", "14_013", 256)
    if wallet not in payments.WALLETS:
        raise invalid("14_006", "The provided 'paymentMethod' is not supported.")
    facts = payments.card_facts({"expiryMonth": "12", "expiryYear": "2040", **body})
    facts |= {"brand": f"{facts['brand']}_{wallet}", "method_type": wallet}
    return desk.make("stored", "", {}, shopper=shopper, **facts)


def methods(desk: Desk, body: Body) -> Done:
    """POST /paymentMethods: what can be paid with."""
    payments.check_account(desk, body)
    return Done(
        200, {"paymentMethods": [{"name": "Cards", "type": "scheme", "brands": ["visa", "mc", "amex"]}]}
    )


def scenario_of(desk: Desk, body: Body) -> str:
    """The test card that a payment request is made with; empty when it is none that is listed."""
    method = body.get("paymentMethod")
    if not isinstance(method, dict):
        return ""
    stored = desk.find("stored", str(method.get("storedPaymentMethodId", "")))
    if stored is not None:
        return str(stored.private["scenario"])
    try:
        return cards.of_number(str(method.get("number", ""))).name
    except Refused:
        return ""
