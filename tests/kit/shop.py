"""A merchant's shop for tests: payments and refunds over the REST API, with the sandbox network behind it.

The smallest steps to a state, each a real request; what a step answers is returned as parsed JSON.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.http import HttpResponse

from ledger import clock, jobs
from tests.kit.api_client import MerchantClient
from tests.kit.callbacks import apply_due
from tests.kit.network import Network
from vendors.models import Vendor

CORE = "/api/v1/payments/core/"
SHARES = "/api/v1/payments/"
REFUNDS = "/api/v1/refunds/"


class Shop:
    """Calls the API as one merchant; cards come from the sandbox network."""

    def __init__(self, client: MerchantClient, network: Network) -> None:
        self.client = client
        self.network = network

    def body(self, card: str = "visa", *, amount: int = 10_000, currency: str = "USD", **more: Any) -> Any:
        """Return the body of a new payment with manual capture."""
        return {
            "amount": {"amount": amount, "currency": currency},
            "order_id": f"order-{uuid4().hex[:8]}",
            "customer_id": f"carla-{uuid4().hex[:8]}",
            "payment_method": {"type": "card", "token": self.network.card(card)["token"]},
            "capture_method": "manual",
            **more,
        }

    def created(self, card: str = "visa", **options: Any) -> dict[str, Any]:
        """Create a payment."""
        return good(self.client.post(CORE, self.body(card, **options)), 201)

    def authorized(self, card: str = "visa", **options: Any) -> dict[str, Any]:
        """Create and authorize a payment."""
        made = self.created(card, **options)
        return good(self.client.put(f"{CORE}{made['id']}/authorize"), 200)

    def captured(self, card: str = "visa", **options: Any) -> dict[str, Any]:
        """Create, authorize and capture a payment."""
        made = self.authorized(card, **options)
        return good(self.client.put(f"{CORE}{made['id']}/capture"), 200)

    def refund_asked(self, payment: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Ask for a refund of a captured payment."""
        return good(self.client.post(REFUNDS, {"payment_id": payment["id"], **options}), 201)

    def refunded(self, payment: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Ask for a refund and process it."""
        asked = self.refund_asked(payment, **options)
        return good(self.client.post(f"{REFUNDS}{asked['id']}/process"), 200)

    def payment(self, payment_id: str) -> dict[str, Any]:
        """Read a payment."""
        return good(self.client.get(f"{CORE}{payment_id}"), 200)

    def refund(self, refund_id: str) -> dict[str, Any]:
        """Read a refund."""
        return good(self.client.get(f"{REFUNDS}{refund_id}"), 200)


def split(*shares: tuple[Vendor, int]) -> list[dict[str, Any]]:
    """Return a vendor split."""
    return [{"vendor_id": vendor.public_id, "amount": amount} for vendor, amount in shares]


def good(response: HttpResponse, status: int) -> dict[str, Any]:
    """Return the body of an answer that must have a status."""
    assert response.status_code == status, (response.status_code, response.content[:800])
    body: dict[str, Any] = response.json()
    return body


def run_jobs(later_seconds: int = 0) -> int:
    """Run every job and apply every callback that is due (in `later_seconds`), as workers would."""
    return work_until(clock.now() + timedelta(seconds=later_seconds))


def work_until(at: datetime) -> int:
    """Do what workers do until nothing is due at an instant; return how much that was."""
    total = 0
    while done := apply_due(at) + jobs.run_due(at):
        total += done
    return total
