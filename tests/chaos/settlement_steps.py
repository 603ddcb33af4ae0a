"""One step of a settlement in a process of its own, for tests that kill it.

`python -m tests.chaos.settlement_steps JSON`; the addresses of database and network come by the environment.
"""

import json
import sys
from datetime import date
from uuid import UUID

import django

django.setup()

from ledger import clock  # noqa: E402  Django must be set up first
from ledger.actors import Actor  # noqa: E402
from settlements.services import batching, importing, paying_out  # noqa: E402


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


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    run(asked["step"], *(UUID(asked[name]) for name in ("merchant", "vendor", "key")), asked["day"])
