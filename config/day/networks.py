"""The providers' sandboxes in the day's hand: the payer's browser at each, and what each knows of the day.

VelocityPay's comes with the bank (client.Network). All tell their operations in one shape, so that the proof
compares them with ours in one way.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from config.day.client import Network, Sandbox
from config.day.means import ACH, SEPA
from config.day.shapes import Means
from payments.providers.rails import names
from payments.providers.requests import returned_key

RAILS: Final = (ACH, SEPA)

PAYPAL_TOKEN = "paypal"  # noqa: S105 - the word for the payer's wallet; who pays is said on PayPal's page
EXPIRY_MONTH, EXPIRY_YEAR = "12", "2031"
SHOPPER_CHARACTERS = 32


class StripeNetwork(Sandbox):
    """Stripe's sandbox."""

    provider = "stripe"

    def method(self, means: Means, key: str) -> str:
        """Exchange the card that the payer typed for a payment method, once for a key."""
        card = {"number": means.number, "exp_month": EXPIRY_MONTH, "exp_year": EXPIRY_YEAR, "cvc": "123"}
        fields = {"type": "card"} | {f"card[{name}]": text for name, text in card.items()}
        return str(self.make_by_form("/v1/payment_methods", fields, key)["id"])


class PayPalNetwork(Sandbox):
    """PayPal's sandbox."""

    provider = "paypal"

    def __init__(self, url: str, client: tuple[str, str], *, connections: int) -> None:
        super().__init__(url, connections=connections, headers={})
        self._http.auth = client

    def approve(self, page: str, buyer: str) -> None:
        """Say yes on the page to which the payer was sent, as one of the sandbox's buyers."""
        self.make_by_form(page, {"action": "approve", "buyer": buyer})


class AdyenNetwork(Sandbox):
    """Adyen's sandbox."""

    provider = "adyen"

    def __init__(self, url: str, api_key: str, account: str, *, connections: int) -> None:
        super().__init__(url, connections=connections, headers={"x-api-key": api_key})
        self._account = account

    def method(self, means: Means, key: str) -> str:
        """Have the card stored that the payer typed, under a shopper of its own; what we call it."""
        shopper = hashlib.sha256(key.encode()).hexdigest()[:SHOPPER_CHARACTERS]
        card = {"number": means.number, "expiryMonth": EXPIRY_MONTH, "expiryYear": EXPIRY_YEAR}
        body = {
            "merchantAccount": self._account,
            "shopperReference": shopper,
            "recurringProcessingModel": "CardOnFile",
            "paymentMethod": {"type": "scheme", **card},
        }
        stored = self.make("/v71/storedPaymentMethods", body, key)
        return f"{self.provider}_{shopper}.{stored['id']}"


class FileDesk(Sandbox):
    """The desk of a bank rail: the entries of our files, as the bank has them.

    Its bank knows entries by the end-to-end id that our files gave them, which says what operation it is.
    """

    entries_path = "/sim/entries"

    def __init__(self, rail: str, url: str, api_key: str, *, connections: int) -> None:
        super().__init__(url, api_key, connections=connections)
        self.provider = rail

    def entries(self) -> list[dict[str, Any]]:
        """Return what the bank has taken of this rail."""
        rows = self.get(self.entries_path).body["data"]
        return [row for row in rows if row["rail"] == self.provider]

    def let_come(self, day: str) -> None:
        """Let a bank day come: what is due by then settles when a day is closed next."""
        self.make("/sim/calendar", {"date": day})

    def truth(self, page_size: int) -> Iterator[dict[str, Any]]:
        """Yield what the entries come to, as the other sandboxes tell their operations."""
        for entry in self.entries():
            yield from _effects(self.provider, entry)


def _effects(rail: str, entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the operations that an entry means: asked for by us, then told by the bank.

    A sale's debit is its authorization and its capture; what comes back after it was booked leaves both.
    """
    name, is_booked = entry["end_to_end"], bool(entry["settled_in"])
    ended = "succeeded" if is_booked else "declined" if entry["returned_in"] else "pending"
    booked, asked = names.booked_key(name), names.asked_key(name)
    money = {"amount": entry["amount"], "currency": entry["currency"], "reference": name}
    if asked != booked:
        yield {"kind": "authorize", "idempotency_key": asked, "status": ended, "fee": 0, **money}
    if asked == booked or is_booked:
        kind = "refund" if entry["direction"] == "credit" else "capture"
        yield {"kind": kind, "idempotency_key": booked, "status": ended, "fee": 0, **money}
    if not entry["returned_in"]:
        return
    told = {
        "idempotency_key": names.movement(rail, entry["return_reference"]), "status": "succeeded", **money,
        "fee": entry["return_fee"],
    }  # fmt: skip
    if is_booked and entry["direction"] == "debit":
        yield {**told, "kind": "withdrawal"}
        return
    if is_booked:
        yield {**told, "kind": "refund_returned", "idempotency_key": returned_key(booked), "fee": 0}
    yield {**told, "kind": "return_fee", "amount": 0}


@dataclass(frozen=True, slots=True)
class Networks:
    """All sandboxes of a run; `bank` is VelocityPay's, where the bank is, `desks` take its files."""

    bank: Network
    stripe: StripeNetwork
    paypal: PayPalNetwork
    adyen: AdyenNetwork
    desks: tuple[FileDesk, ...]

    @property
    def faces(self) -> Mapping[str, Sandbox]:
        """The sandboxes by their provider's name."""
        return {
            face.provider: face for face in (self.bank, self.stripe, self.paypal, self.adyen, *self.desks)
        }

    def token(self, means: Means, key: str) -> str:
        """What the provider at whose form the payer types calls the card or account."""
        if means.at == self.paypal.provider:
            return PAYPAL_TOKEN
        if means.at == self.stripe.provider:
            return self.stripe.method(means, key)
        if means.at == self.adyen.provider:
            return self.adyen.method(means, key)
        return self.bank.token(means.as_network_body(key))


@contextmanager
def connected(connections: int) -> Iterator[Networks]:
    """The sandboxes that this house's adapters speak to, for the length of a block."""
    paypal_client = (settings.PAYPAL_CLIENT_ID, settings.PAYPAL_CLIENT_SECRET)
    found = Networks(
        Network(settings.VELOCITYPAY_URL, settings.VELOCITYPAY_API_KEY, connections=connections),
        StripeNetwork(settings.STRIPE_URL, settings.STRIPE_API_KEY, connections=connections),
        PayPalNetwork(settings.PAYPAL_URL, paypal_client, connections=connections),
        AdyenNetwork(
            settings.ADYEN_CA_URL, settings.ADYEN_API_KEY, settings.ADYEN_MERCHANT_ACCOUNT,
            connections=connections,
        ),
        tuple(
            FileDesk(rail, settings.RAILS_BANK_URL, settings.RAILS_BANK_API_KEY, connections=connections)
            for rail in RAILS
        ),
    )  # fmt: skip
    with ExitStack() as open_ones:
        for face in found.faces.values():
            open_ones.callback(face.close)
        yield found
