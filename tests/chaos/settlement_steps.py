"""The steps of a settlement, for tests that kill one on its way."""

from datetime import date
from uuid import UUID

from ledger import clock
from ledger.actors import Actor
from settlements.services import batching, importing, paying_out


def run(step: str, merchant_id: UUID, vendor_id: UUID, key: UUID, day: str) -> None:
    """Do one step as the web server would; `key` is what its Idempotency-Key stands for."""
    common = {"merchant_id": merchant_id, "actor": Actor("api_key", "chaos"), "at": clock.now()}
    match step:
        case "settle":
            batching.settle(vendor_id=vendor_id, currency="EUR", batch_id=key, **common)
        case "pay":
            paying_out.process(batch_id=key, operation_id=UUID(int=key.int ^ 1), **common)
        case "reconcile":
            importing.fetch_day(day=date.fromisoformat(day), **common)
