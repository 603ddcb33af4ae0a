"""What the marketplace's customers have stored: cards, encrypted in the browser, and accounts to draw on.

A stored card is good at every provider, so who pays with one can be carried by another when one is away. An
account is drawn on by the house's own file to the bank.
"""

from typing import Any

from config.day import browser
from config.day.client import Answer, Api, Refused
from config.day.means import ACH, ACH_ROUTING, RAIL
from config.day.plan import RunPlan
from config.day.shapes import Order

METHODS = "/api/v1/payment-methods/"
HOLDER_CHARACTERS = 12  # of 22 that a NACHA entry has for the name


class Wallet:
    """The stored methods of a run's customers; `merchant` is the marketplace's public id."""

    def __init__(self, plan: RunPlan, api: Api, merchant: str) -> None:
        self._plan = plan
        self._api = api
        self._merchant = merchant

    def method(self, order: Order) -> str:
        """Return the id of the method with which an order is paid, storing it when the customer has not.

        The text is another at every encryption, so it gives its request its name; who lost the answer finds
        the card in the customer's list.
        """
        known = self._stored(order)
        if known:
            return known
        if order.means.at == RAIL:
            body = {
                "customer_id": order.customer.ref, "type": order.means.type, "details": self._account(order)
            }  # fmt: skip
            return str(self._api.make(METHODS, body, self._plan.key("store", order.ref))["id"])
        key = self._api.get("/api/v1/encryption-key").body
        text = browser.encrypted(order.means, key, self._merchant)
        body = {"customer_id": order.customer.ref, "type": "card", "encrypted": text}
        return str(self._api.make(METHODS, body, self._plan.key("store", order.ref, text))["id"])

    def holder(self, order: Order) -> str:
        """Return whose account an order is drawn on: of this run and order alone, in a file's capitals."""
        return f"Payer {self._plan.key('holder', order.ref)[-HOLDER_CHARACTERS:]}".upper()

    def _account(self, order: Order) -> dict[str, str]:
        holder, number = self.holder(order), order.means.number
        if order.means.type != ACH:
            return {"holder": holder, "iban": number}
        known = {"routing_number": ACH_ROUTING, "account_type": "checking"}
        return {"holder": holder, "account_number": number, **known}

    def _stored(self, order: Order) -> str:
        answer: Answer = self._api.get(f"{METHODS}customer/{order.customer.ref}")
        if answer.status >= 400:
            raise Refused(f"the stored methods of {order.customer.ref}", answer)
        rows: list[dict[str, Any]] = answer.body["data"]
        last4 = order.means.number[-4:]
        return min((str(row["id"]) for row in rows if row["last4"] == last4), default="")
