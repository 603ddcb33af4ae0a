"""One step of a payment in a process of its own, for tests that kill it.

`python -m tests.chaos.payment_steps JSON`; the addresses of database and network come by the environment.
"""

import json
import sys
from uuid import UUID

import django

django.setup()

from ledger import clock  # noqa: E402  Django must be set up first
from ledger.actors import Actor  # noqa: E402
from ledger.money import Money  # noqa: E402
from payments.services import authorizing, capturing, creating, voiding  # noqa: E402
from payments.services.creating import NewPayment, WantedShare  # noqa: E402


def run(step: str, merchant_id: UUID, payment_id: UUID, operation_id: UUID, wanted: dict) -> None:
    """Do one step as the web server would."""
    common = {
        "merchant_id": merchant_id,
        "payment_id": payment_id,
        "actor": Actor("api_key", "chaos"),
        "at": clock.now(),
    }
    match step:
        case "create":
            creating.create(
                wanted=NewPayment(
                    amount=Money(10_000, "USD"),
                    order_ref="order-1",
                    customer_ref=f"carla-{payment_id}",
                    method_type="card",
                    method_token=wanted["token"],
                    capture_method="manual",
                    shares=[WantedShare(UUID(wanted["vendor"]), Money(6_000, "USD"))],
                ),
                **common,
            )
        case "authorize":
            authorizing.authorize(operation_id=operation_id, **common)
        case "capture":
            capturing.capture(operation_id=operation_id, amount=None, **common)
        case "void":
            voiding.cancel(operation_id=operation_id, reason="chaos", **common)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    run(asked["step"], *(UUID(asked[name]) for name in ("merchant", "payment", "operation")), asked["wanted"])
