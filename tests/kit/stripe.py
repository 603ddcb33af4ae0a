"""Stripe's face of the sandbox in a test's hand: its operator, and the official library pointed at it."""

from collections.abc import Callable
from typing import Any

import httpx
import stripe

from tests.kit.network import STRIPE_API_KEY, Network


class StripeSandbox:
    """The operator's hand on Stripe's face of a running network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.url = f"{network.url}/stripe"
        self.client = httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {STRIPE_API_KEY}"},
            timeout=15,
            trust_env=False,
            verify=False,  # loopback without TLS: no need to load the world's certificates
        )
        network.faces[self.url] = self.clear

    def library(self) -> stripe.StripeClient:
        """The official library, as its documentation says to use it."""
        return stripe.StripeClient(
            STRIPE_API_KEY,
            base_addresses={"api": self.url},
            max_network_retries=0,
            http_client=stripe.HTTPXClient(timeout=15, allow_sync_methods=True),
        )

    def script(self, *faults: str, nth: int = 1, **match: str) -> int:
        """Let the matching requests meet these faults, in turn."""
        answer = self.client.post("/sim/faults", json={"match": match, "faults": list(faults), "nth": nth})
        return int(answer.raise_for_status().json()["id"])

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

    def truth_of(self, key: str) -> list[dict[str, Any]]:
        """The intents and refunds that carry a key of ours as `operation`."""
        answer = self.client.get("/sim/truth", params={"operation": key})
        found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
        return found

    def truth(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        """The face's objects of a kind whose fields are as wanted."""
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {"after": 0, "has_more": True}
        while page["has_more"]:
            answer = self.client.get("/sim/truth", params={"kind": kind, "after": page["after"]})
            page = answer.raise_for_status().json()
            found += [row for row in page["data"] if all(row.get(name) == wanted[name] for name in wanted)]
        return found

    def do_after_all(self, refund: str) -> dict[str, Any]:
        """Do a refund that has failed after all."""
        made: dict[str, Any] = self.client.post(f"/sim/refunds/{refund}/after-all").raise_for_status().json()
        return made
