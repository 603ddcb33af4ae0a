"""Disputes of the sandbox network in the test's own hand: opened and moved by an operator, told at will."""

import json
from typing import Any

from ledger import clock
from tests.kit.callbacks import Callback
from tests.kit.network import Network


def opened(network: Network, authorization: str, **opening: Any) -> dict[str, Any]:
    """Open a dispute at the network."""
    return _post(network, "/sim/disputes", {"authorization": authorization, **opening})


def moved(network: Network, dispute: str, to: str) -> dict[str, Any]:
    """Let a dispute become something at the network."""
    return _post(network, f"/sim/disputes/{dispute}", {"to": to})


def standing(network: Network, **wanted: Any) -> list[dict[str, Any]]:
    """Return the network's disputes whose fields are as wanted."""
    answer = network.client.get("/sim/disputes").raise_for_status().json()["data"]
    return [row for row in answer if all(row[name] == value for name, value in wanted.items())]


def refunded_there(network: Network, authorization: str, amount: int, name: str) -> dict[str, Any]:
    """Refund at the network's own dashboard."""
    body = {"authorization": authorization, "amount": amount, "name": name}
    return _post(network, "/sim/refunds", body)


def callback_about(dispute: dict[str, Any]) -> Callback:
    """Make the callback that tells how a dispute stands."""
    event_id = f"evt_{dispute['id']}_{dispute['version']}"
    event = {
        "id": event_id,
        "type": f"dispute.{dispute['status']}",
        "created": int(clock.now().timestamp()),
        "data": {"dispute": dispute},
    }
    return Callback(event_id, json.dumps(event).encode())


def _post(network: Network, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = network.client.post(path, json=body).raise_for_status().json()
    return answer
