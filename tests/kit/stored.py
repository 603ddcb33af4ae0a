"""A customer's stored card that several providers know, for tests of going from one to the other."""

from uuid import uuid4

from ledger import clock
from ledger.actors import Actor
from ledger.ids import parse, uuid7
from payments.models import PaymentMethod, ProviderToken
from payments.services.methods import adding_methods
from payments.services.methods.adding_methods import NewMethod, ProvidersOwn
from payments.vault.instruments import Shown
from tests.kit import cards
from tests.kit.api_client import MerchantClient
from tests.kit.checkout import Till
from vendors.models import Merchant


def card(
    client: MerchantClient, merchant: Merchant, *, number: str = "", stripe: str = "pm_card_visa"
) -> PaymentMethod:
    """Store a card (by its number at VelocityPay) that Stripe knows as one of its test cards."""
    details = cards.card(number=number) if number else cards.card()
    method = PaymentMethod.objects.get(pk=parse("pm", Till(client, merchant).card(details)["id"]))
    _know(method, stripe=stripe)
    return method


def held(merchant: Merchant, **tokens: str) -> PaymentMethod:
    """Store a card of which only these providers have tokens: held(merchant, velocitypay=…, stripe=…)."""
    (first, token), *others = tokens.items()
    method = adding_methods.add(
        merchant_id=merchant.pk,
        method_id=uuid7(),
        wanted=NewMethod(
            f"carla-{uuid4().hex[:8]}", "card", held=ProvidersOwn(first, token, Shown(brand="visa"))
        ),
        actor=Actor("api_key", "tests"),
        at=clock.now(),
    )
    _know(method, **dict(others))
    return method


def _know(method: PaymentMethod, **tokens: str) -> None:
    for provider, token in tokens.items():
        ProviderToken.objects.update_or_create(
            method=method,
            provider=provider,
            defaults={
                "id": uuid7(), "merchant_id": method.merchant_id, "token": token, "created_at": clock.now()
            },
        )  # fmt: skip
