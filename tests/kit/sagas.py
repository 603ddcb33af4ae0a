"""Marketplace payments for tests: begin one as Northwind's key, let its job run, and say what must stand."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ledger import clock, jobs
from ledger.actors import Actor
from ledger.ids import uuid7
from ledger.money import Money
from payments import saga_selectors
from payments.models import Saga
from payments.rules.share_division import Line
from payments.selectors import ALL
from payments.services.marketplace import marketplace
from payments.services.marketplace.marketplace import NewSaga, Seller
from payments.services.payment_wishes import NewPayment
from vendors.models import Merchant, Vendor

KEY = Actor("api_key", "key_of_northwind")


def begun(
    merchant: Merchant,
    token: str,
    sellers: list[tuple[Vendor, Line]],
    *,
    amount: int = 10_000,
    currency: str = "USD",
    fee: int = 500,
    saga_id: UUID | None = None,
    **more: Any,
) -> Saga:
    """Begin a marketplace payment by card."""
    buyer = NewPayment(
        amount=Money(amount, currency),
        order_ref="order-1",
        customer_ref=f"carla-{uuid7().hex}",
        method_type="card",
        method_token=token,
        **more,
    )
    wanted = NewSaga(
        saga_id=saga_id or uuid7(),
        buyer=buyer,
        sellers=[Seller(vendor.pk, line) for vendor, line in sellers],
        fee_minor=fee,
    )
    return marketplace.begin(merchant_id=merchant.pk, wanted=wanted, actor=KEY, at=clock.now())


def carried(saga: Saga, at: datetime | None = None) -> Saga:
    """Run what is due of all jobs, and return the saga as it stands then."""
    jobs.run_due(at or clock.now())
    return seen(saga)


def seen(saga: Saga) -> Saga:
    """Return a saga as it stands."""
    return saga_selectors.saga(ALL, saga.pk)


def steps_of(saga: Saga, direction: str = "forward") -> list[str]:
    """Name the steps of a direction with their states, in the order in which they run."""
    rows = saga_selectors.in_order(seen(saga).step_rows)
    return [f"{row.name} {row.state}" for row in rows if row.direction == direction]
