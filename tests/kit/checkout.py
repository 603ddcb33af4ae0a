"""A merchant's checkout over HTTP: adds and reads one customer's payment methods."""

from typing import Any
from uuid import uuid4

from django.http import HttpResponse

from tests.kit import cards
from tests.kit.api_cases import problem
from tests.kit.api_client import MerchantClient
from tests.kit.shop import good
from vendors.models import Merchant

METHODS = "/api/v1/payment-methods/"


class Till:
    """A merchant's checkout: adds methods of one customer."""

    def __init__(self, client: MerchantClient, merchant: Merchant) -> None:
        self.client, self.merchant = client, merchant
        self.customer = f"carla-{uuid4().hex[:8]}"

    def body(self, **more: Any) -> dict[str, Any]:
        return {"customer_id": self.customer, "type": "card", **more}

    def encrypted(self, details: dict[str, Any] | None = None) -> str:
        return cards.encrypt(cards.card() if details is None else details, self.merchant.public_id)

    def card(self, details: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        return good(self.client.post(METHODS, self.body(encrypted=self.encrypted(details), **more)), 201)

    def account(self, **more: Any) -> dict[str, Any]:
        details = {"holder": "Carla Jung", "iban": "DE89370400440532013000"}
        return good(self.client.post(METHODS, self.body(type="sepa", details=details, **more)), 201)

    def refused(self, body: dict[str, Any], status: int, code: str) -> dict[str, Any]:
        return problem(self.client.post(METHODS, body), status, code)

    def get(self, path: str) -> dict[str, Any]:
        return good(self.client.get(METHODS + path), 200)

    def put(self, path: str, body: dict[str, Any] | None = None) -> HttpResponse:
        return self.client.put(METHODS + path, body)

    def listed(self, path: str = "") -> list[str]:
        return [row["id"] for row in self.get(f"customer/{self.customer}{path}")["data"]]
