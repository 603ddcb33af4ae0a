"""Requests to the sandbox without the adapter, as any client makes them."""

import uuid
from typing import Any

import httpx

from tests.kit.network import Network


def key() -> str:
    return f"op_{uuid.uuid4()}"


def authorize(
    network: Network, *, scenario: str = "visa", idempotency_key: str = "", **changes: Any
) -> httpx.Response:
    """POST /v1/authorizations without the adapter."""
    body = {
        "amount": 1999,
        "currency": "USD",
        "reference": "pay_raw",
        "token": network.card(scenario)["token"],
    }
    return network.client.post(
        "/v1/authorizations", json=body | changes, headers={"idempotency-key": idempotency_key or key()}
    )
