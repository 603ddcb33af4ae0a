"""Fraud's smallest valid objects."""

import uuid
from datetime import datetime

from fraud.engine.types import ScreeningRequest
from ledger import clock
from ledger.ids import show
from ledger.money import Money


def screening_request(
    merchant_id: uuid.UUID,
    *,
    minor: int = 1_999,
    currency: str = "USD",
    at: datetime | None = None,
    payment_ref: str = "",
    is_anonymous: bool = False,
    **told: str,
) -> ScreeningRequest:
    """Return Carla's request with her card from her address; another payment each time.

    An anonymous one tells nothing that velocity could be counted by.
    """
    given = (
        {}
        if is_anonymous
        else {"customer_ref": "carla", "method_fingerprint": "fp_carla", "ip": "203.0.113.9"}
    )
    return ScreeningRequest(
        merchant_id=merchant_id,
        payment_ref=payment_ref or show("pay", uuid.uuid4()),
        amount=Money(minor, currency),
        at=at or clock.now(),
        **{**given, **told},
    )
