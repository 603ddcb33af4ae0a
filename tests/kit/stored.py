"""A customer's stored card that several providers know, for tests of going from one to the other."""

from ledger import clock
from ledger.ids import parse, uuid7
from payments.models import PaymentMethod, ProviderToken
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
    if stripe:
        ProviderToken.objects.update_or_create(
            method=method,
            provider="stripe",
            defaults={"id": uuid7(), "merchant": merchant, "token": stripe, "created_at": clock.now()},
        )
    return method
