"""The network's callbacks in the test's own hand: made of what the network says, signed, sent at will."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.test import Client

from ledger import clock
from payments import locks
from payments.models import ProviderOperation
from payments.providers import registry
from payments.services.webhooks import webhook_applying
from payments.simulator.callbacks import sign
from tests.kit.network import WEBHOOK_SECRET, Network

URL = "/webhooks/velocitypay/"


@dataclass(frozen=True)
class Callback:
    """One message: its id and its raw body."""

    event_id: str
    body: bytes

    def headers(self, *, at: int | None = None, secret: str = WEBHOOK_SECRET) -> dict[str, str]:
        """Return the headers that sign the body now, or at another second."""
        timestamp = int(clock.now().timestamp()) if at is None else at
        return {
            "webhook-id": self.event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(secret, self.event_id, timestamp, self.body),
        }


def callback_of(network: Network, idempotency_key: str, **changes: Any) -> Callback:
    """Make the callback that tells how an operation stands at the network now."""
    answer = network.client.get("/v1/operations", params={"idempotency_key": idempotency_key})
    operation = {**answer.raise_for_status().json(), **changes}
    event_id = f"evt_{uuid4().hex}"
    event = {
        "id": event_id,
        "type": f"{operation['object']}.{operation['status']}",
        "created": int(clock.now().timestamp()),
        "data": {"operation": operation, "idempotency_key": idempotency_key},
    }
    return Callback(event_id, json.dumps(event).encode())


OBJECTS = {"authorize": ("authorization", "authorized"), "transfer": ("transfer", "paid")}


def said_of(operation: ProviderOperation, **changes: Any) -> Callback:
    """Make the callback that tells that an operation succeeded, or what the changes say; asks no network."""
    kind, status = OBJECTS.get(operation.kind, (operation.kind, "succeeded"))
    told = {
        "id": operation.provider_reference or f"{kind[:4]}_{uuid4().hex}",
        "object": kind,
        "status": status,
        "amount": operation.amount_minor,
        "currency": operation.currency,
        "fee": 0,
        "reference": operation.request.get("reference", operation.public_id),
        "idempotency_key": operation.idempotency_key,
        **changes,
    }
    event_id = f"evt_{uuid4().hex}"
    event = {
        "id": event_id,
        "type": f"{told['object']}.{told['status']}",
        "created": int(clock.now().timestamp()),
        "data": {"operation": told, "idempotency_key": told["idempotency_key"]},
    }
    return Callback(event_id, json.dumps(event).encode())


@pytest.fixture
def signed(settings: Any) -> Iterator[None]:
    """Let the house verify what is signed with the tests' secret, without a network."""
    settings.VELOCITYPAY_WEBHOOK_SECRET = WEBHOOK_SECRET
    registry.reset()
    yield
    registry.reset()


def send(
    callback: Callback,
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    *,
    source: str = "127.0.0.1",
) -> HttpResponse:
    """Deliver a callback, signed unless other headers are given, with another body if one is given."""
    return Client(raise_request_exception=False).generic(
        "POST",
        URL,
        callback.body if body is None else body,
        content_type="application/json",
        headers=callback.headers() if headers is None else headers,
        REMOTE_ADDR=source,
    )


def apply_due(at: datetime) -> int:
    """Apply everything due at an instant, as the task does; return how many messages were taken up."""
    total = 0
    while taken := webhook_applying.apply_some(at):
        total += taken
        if taken < locks.SUBJECT_AT_ONCE:  # so no subject had more, and there was none left
            break
    return total
