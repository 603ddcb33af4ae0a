"""Adyen's face of the sandbox in a test's hand: its operator, and the webhooks that it has made."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx

from payments.simulator.adyen import cards, events
from tests.kit.network import ADYEN_ACCOUNT, ADYEN_API_KEY, ADYEN_HMAC_KEY, Network, eventually

PDF_FILE = (
    b"%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>"
    b"\nendobj\n3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>\nendobj\n"
    b"trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n0\n%%EOF\n"
)
"""The smallest PDF file with a page."""


class AdyenSandbox:
    """The operator's hand on Adyen's face of a running network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.url = f"{network.url}/adyen"
        self.client = httpx.Client(
            base_url=self.url,
            headers={"x-api-key": ADYEN_API_KEY},
            timeout=15,
            trust_env=False,
            verify=False,  # loopback without TLS: no need to load the world's certificates
        )
        network.faces[self.url] = self.clear

    def token(self, scenario: str = "visa", **more: str) -> str:
        """Our token of a stored test card."""
        shopper = uuid.uuid4().hex
        card = {
            "type": "scheme", "number": cards.BY_NAME[scenario].number, "expiryMonth": "12",
            "expiryYear": "2040", **more,
        }  # fmt: skip
        body = {
            "merchantAccount": ADYEN_ACCOUNT,
            "shopperReference": shopper,
            "recurringProcessingModel": "CardOnFile",
            "paymentMethod": card,
        }
        stored = self.client.post("/v71/storedPaymentMethods", json=body).raise_for_status().json()
        return f"adyen_{shopper}.{stored['id']}"

    def wallet_token(self, wallet: str, scenario: str = "visa") -> str:
        """Our token of a test card that came out of a wallet of the payer's."""
        body = {
            "type": wallet,
            "shopperReference": uuid.uuid4().hex,
            "number": cards.BY_NAME[scenario].number,
        }
        stored = self._post("/sim/wallets", **body)
        return f"adyen_{wallet}.{stored['shopperReference']}.{stored['id']}"

    def script(self, *faults: str, nth: int = 1, **match: str) -> int:
        """Let the matching requests meet these faults, in turn."""
        return int(self._post("/sim/faults", match=match, faults=list(faults), nth=nth)["id"])

    def clear(self) -> None:
        """Drop scripts, latency and downtime."""
        self.client.delete("/sim/faults").raise_for_status()

    def fires(self) -> Callable[[str], int]:
        """A counter of how often a fault has fired from now on."""
        before = self._faults()
        return lambda name: self._faults().get(name, 0) - before.get(name, 0)

    def truth_of(self, reference: str) -> list[dict[str, Any]]:
        """The payments and modifications under a reference of ours."""
        return self._truth(operation=reference)

    def webhooks(self, subject: str) -> list[dict[str, Any]]:
        """The webhooks that were made about a payment, modification or dispute, oldest first."""
        return [row["body"] for row in self._truth(subject=subject) if row["kind"] == "event"]

    def wait_for(self, subject: str, event: str) -> dict[str, Any]:
        """The webhook of an event about a subject, once it is made."""

        def found() -> dict[str, Any] | None:
            for made in self.webhooks(subject):
                if made["notificationItems"][0]["NotificationRequestItem"]["eventCode"] == event:
                    return made
            return None

        made = eventually(found, f"a webhook {event}")
        assert made is not None
        return made

    def operation(self, key: str) -> dict[str, Any]:
        """The operation of one of our keys, as the day's proof reads it."""
        after = 0
        while True:
            page = self.client.get("/sim/operations", params={"after": after}).raise_for_status().json()
            for row in page["data"]:
                if row["idempotency_key"] == key:
                    found: dict[str, Any] = row
                    return found
            assert page["has_more"], f"Adyen has no operation {key}"
            after = page["after"]

    def of_parent(self, subject: str) -> list[dict[str, Any]]:
        """All that belongs to a payment."""
        return self._truth(subject=subject)

    @staticmethod
    def as_sent(webhook: dict[str, Any]) -> bytes:
        """The bytes of a webhook."""
        return json.dumps(webhook).encode()

    @staticmethod
    def resign(item: dict[str, Any], **changed: Any) -> None:
        """Change an item, and sign it as Adyen would have."""
        item |= changed
        item["additionalData"]["hmacSignature"] = events.signature(item, ADYEN_HMAC_KEY)

    def dispute(self, **wanted: Any) -> dict[str, Any]:
        """Open a dispute of a `payment`, or let a `dispute` take the step `event`."""
        return self._post("/sim/disputes", **wanted)

    def refund(self, payment: str, value: int) -> dict[str, Any]:
        """Refund as in Adyen's Customer Area."""
        return self._post("/sim/refunds", payment=payment, value=value)

    def _faults(self) -> dict[str, int]:
        hits: dict[str, int] = self.client.get("/sim/faults").raise_for_status().json()["hits"]
        return hits

    def _truth(self, **params: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (
            self.client.get("/sim/truth", params=params).raise_for_status().json()["data"]
        )
        return found

    def _post(self, path: str, **body: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.client.post(path, json=body).raise_for_status().json()
        return made
