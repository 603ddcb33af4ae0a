"""A payment as a merchant wants it, before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.money import Money


@dataclass(frozen=True, slots=True)
class WantedShare:
    """What one vendor shall have of a payment."""

    vendor_id: UUID
    amount: Money


@dataclass(frozen=True, slots=True)
class Customer:
    """What is known of the payer for the screening; none of it is kept with the payment."""

    email: str = ""
    ip: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class NewPayment:
    """A payment as a merchant wants it. `is_confirmed`: authorize without being asked again."""

    amount: Money
    order_ref: str
    customer_ref: str
    method_type: str
    method_token: str
    capture_method: str = "automatic"
    shares: Sequence[WantedShare] = ()
    merchant_reference: str | None = None
    description: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    customer: Customer = Customer()
    method_fingerprint: str = ""
    is_confirmed: bool = False
    scheduled_at: datetime | None = None
    capture_at: datetime | None = None
    return_url: str = ""
    exemption: str = ""
    method_id: UUID | None = None  # a stored method: type and token are its own
    method_brand: str = ""
    method_last4: str = ""
