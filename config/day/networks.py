"""The providers' sandboxes in the day's hand: the payer's browser at each, and what each knows of the day.

VelocityPay's comes with the bank (client.Network). All tell their operations in one shape, so that the proof
compares them with ours in one way.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings

from config.day.client import HttpClient, Network, Refused
from config.day.shapes import Means

PAYPAL_TOKEN = "paypal"  # noqa: S105 - the word for the payer's wallet; who pays is said on PayPal's page
STRIPE_CARD = {"exp_month": "12", "exp_year": "2031", "cvc": "123"}


class Face(Protocol):
    """A provider's sandbox as far as every provider has the same."""

    provider: str

    def truth(self, page_size: int) -> Iterator[dict[str, Any]]:
        """Yield every operation as the provider knows it."""


class StripeNetwork(HttpClient):
    """Stripe's sandbox."""

    provider = "stripe"

    def method(self, means: Means, key: str) -> str:
        """Exchange the card that the payer typed for a payment method, once for a key."""
        card = {"number": means.number, **STRIPE_CARD}
        fields = {"type": "card"} | {f"card[{name}]": text for name, text in card.items()}
        answer = self.send_form("/v1/payment_methods", fields, key)
        if answer.status >= 400:
            raise Refused("POST /v1/payment_methods", answer)
        return str(answer.body["id"])

    def truth(self, page_size: int) -> Iterator[dict[str, Any]]:
        """Yield every operation as Stripe knows it."""
        return _operations(self, page_size)


class PayPalNetwork(HttpClient):
    """PayPal's sandbox."""

    provider = "paypal"

    def __init__(self, url: str, client: tuple[str, str], *, connections: int) -> None:
        super().__init__(url, "", connections=connections)
        self._http.auth = client

    def approve(self, page: str, buyer: str) -> None:
        """Say yes on the page to which the payer was sent, as one of the sandbox's buyers."""
        answer = self.send_form(page, {"action": "approve", "buyer": buyer})
        if answer.status >= 400:
            raise Refused("the payer's page", answer)

    def truth(self, page_size: int) -> Iterator[dict[str, Any]]:
        """Yield every operation as PayPal knows it."""
        return _operations(self, page_size)


def _operations(face: HttpClient, page_size: int) -> Iterator[dict[str, Any]]:
    after = 0
    while True:
        page = face.get("/sim/operations", after=after, limit=page_size).body
        yield from page["data"]
        if not page["has_more"]:
            return
        after = page["after"]


@dataclass(frozen=True, slots=True)
class Networks:
    """All sandboxes of a run; `bank` is VelocityPay's, where the bank is."""

    bank: Network
    stripe: StripeNetwork
    paypal: PayPalNetwork

    @property
    def faces(self) -> Mapping[str, Face]:
        """The sandboxes by their provider's name."""
        return {face.provider: face for face in (self.bank, self.stripe, self.paypal)}

    def token(self, means: Means, key: str) -> str:
        """What the provider at whose form the payer types calls the card or account."""
        if means.at == self.paypal.provider:
            return PAYPAL_TOKEN
        if means.at == self.stripe.provider:
            return self.stripe.method(means, key)
        return self.bank.token(means.as_network_body(key))


@contextmanager
def connected(connections: int) -> Iterator[Networks]:
    """The sandboxes that this house's adapters speak to, for the length of a block."""
    found = Networks(
        Network(settings.VELOCITYPAY_URL, settings.VELOCITYPAY_API_KEY, connections=connections),
        StripeNetwork(settings.STRIPE_URL, settings.STRIPE_API_KEY, connections=connections),
        PayPalNetwork(
            settings.PAYPAL_URL,
            (settings.PAYPAL_CLIENT_ID, settings.PAYPAL_CLIENT_SECRET),
            connections=connections,
        ),
    )
    try:
        yield found
    finally:
        found.bank.close()
        found.stripe.close()
        found.paypal.close()
