"""PayPal's face of the sandbox in a test's hand: its operator, its payer's browser, its signed events."""

import json
from collections.abc import Callable
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from django.http import HttpResponse
from django.test import Client

from ledger import clock
from payments.simulator.paypal.signing import Signer
from tests.kit.network import PAYPAL_CLIENT_ID, PAYPAL_SECRET, PAYPAL_WEBHOOK_ID, Network


@cache
def _signer(folder: Path, url: str) -> Signer:
    """The certificate of a network, whose key takes a tenth of a second to read."""
    return Signer(folder, url)


class PayPalSandbox:
    """The operator's hand on PayPal's face of a running network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.url = f"{network.url}/paypal"
        self.signer = _signer(network.folder, self.url)
        self.client = httpx.Client(
            base_url=self.url,
            auth=(PAYPAL_CLIENT_ID, PAYPAL_SECRET),
            timeout=15,
            trust_env=False,
            verify=False,  # loopback without TLS: no need to load the world's certificates
        )
        network.faces[self.url] = self.clear

    def approve(self, page: str, buyer: str = "ada") -> httpx.Response:
        """What a payer does on PayPal's page: pay, as one of the test buyers."""
        return self._act(page, {"action": "approve", "buyer": buyer})

    def cancel(self, page: str) -> httpx.Response:
        """What a payer does who changes his mind."""
        return self._act(page, {"action": "cancel"})

    def script(self, *faults: str, nth: int = 1, **match: str) -> int:
        """Let the matching requests meet these faults, in turn."""
        return int(self._post("/sim/faults", {"match": match, "faults": list(faults), "nth": nth})["id"])

    def clear(self) -> None:
        """Drop scripts, latency and downtime."""
        self.client.delete("/sim/faults").raise_for_status()

    def faults(self) -> dict[str, int]:
        """How often each fault, `scenario:<name>` and `script:<id>` fired."""
        hits: dict[str, int] = self.client.get("/sim/faults").raise_for_status().json()["hits"]
        return hits

    def fires(self) -> Callable[[str], int]:
        """A counter of how often a fault has fired from now on."""
        before = self.faults()
        return lambda name: self.faults().get(name, 0) - before.get(name, 0)

    def truth(self, kind: str = "order", key: str = "") -> list[dict[str, Any]]:
        """The face's objects of a kind in which a text of ours stands."""
        answer = self.client.get("/sim/truth", params={"kind": kind, "key": key})
        found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
        return found

    def order(self, key: str) -> dict[str, Any]:
        """The one order that an operation of ours made."""
        (found,) = self.truth(key=key)
        return found

    def refund(
        self, capture: str, value: str, name: str, currency: str = "USD", result: str = "ok"
    ) -> dict[str, Any]:
        """Refund as in PayPal's dashboard."""
        amount = {"currency_code": currency, "value": value}
        asked = {"capture": capture, "amount": amount, "name": name, "result": result}
        return self._post("/sim/refunds", asked)

    def do_after_all(self, refund: str) -> dict[str, Any]:
        """Do a refund that has failed after all."""
        return self._post(f"/sim/refunds/{refund}/after-all", {})

    def dispute(self, capture: str, **how: Any) -> dict[str, Any]:
        """Open a dispute of a capture."""
        return self._post("/sim/disputes", {"capture": capture, **how})

    def move_dispute(self, dispute: str, to: str) -> dict[str, Any]:
        """Move a dispute to a stage or an end."""
        return self._post(f"/sim/disputes/{dispute}", {"to": to})

    def event(self, event_type: str, resource: dict[str, Any], event_id: str) -> bytes:
        """The body of an event."""
        return json.dumps({"id": event_id, "event_type": event_type, "resource": resource}).encode()

    def send(self, event_type: str, resource: dict[str, Any], event_id: str) -> HttpResponse:
        """Deliver an event as PayPal would, signed now."""
        body = self.event(event_type, resource, event_id)
        return self.deliver(body, self.signer.sign(PAYPAL_WEBHOOK_ID, clock.now().astimezone(UTC), body))

    @staticmethod
    def deliver(body: bytes, headers: dict[str, str]) -> HttpResponse:
        """Post a body to our address for PayPal."""
        return Client().post("/webhooks/paypal/", body, content_type="application/json", headers=headers)

    def _act(self, page: str, told: dict[str, str]) -> httpx.Response:
        return httpx.post(page, data=told, trust_env=False, verify=False)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.post(path, json=body).raise_for_status().json()
        return answer
