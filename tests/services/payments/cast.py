"""What the tests of this floor do again and again: wishes, the three verbs, and what stands afterwards."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ledger import clock, events
from ledger.actors import Actor
from ledger.ids import uuid7
from ledger.money import Money
from payments.models import Payment, ProviderOperation
from payments.services.payment_wishes import NewPayment, WantedShare
from payments.services.payments import authorizing, capturing, creating, paying, voiding
from tests.kit.network import Network
from vendors.models import Merchant, Vendor

CARLA = "carla"
KEY = Actor("api_key", "key_of_northwind")


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def wish(token: str = "vpt_none", amount: int = 10_000, **options: Any) -> NewPayment:
    """A payment as Northwind wants it; `shares` is a list of (vendor, minor units)."""
    shares: list[tuple[Vendor, int]] = options.pop("shares", [])
    currency = options.pop("currency", "USD")
    values: dict[str, Any] = {
        "order_ref": "order-1",
        "customer_ref": f"{CARLA}-{uuid7().hex}",
        "method_type": "card",
        "capture_method": "manual",
        **options,
    }
    return NewPayment(
        amount=Money(amount, currency),
        method_token=token,
        shares=[WantedShare(vendor.pk, Money(minor, currency)) for vendor, minor in shares],
        **values,
    )


def created(merchant: Merchant, wanted: NewPayment, payment_id: UUID | None = None, **more: Any) -> Payment:
    """Create a payment as Northwind's key."""
    return creating.create(
        merchant_id=merchant.pk,
        payment_id=payment_id or uuid7(),
        wanted=wanted,
        **{"actor": KEY, "at": clock.now(), **more},
    )


def sold(merchant: Merchant, wanted: NewPayment, payment_id: UUID | None = None, **more: Any) -> Payment:
    """Create a payment and have it paid in one call, as Northwind's key."""
    return paying.pay(
        merchant_id=merchant.pk,
        payment_id=payment_id or uuid7(),
        wanted=wanted,
        **{"actor": KEY, "at": clock.now(), **more},
    )


def authorized(payment: Payment, operation_id: UUID | None = None, **more: Any) -> Payment:
    """Authorize a payment as Northwind's key."""
    return authorizing.authorize(
        merchant_id=payment.merchant_id,
        payment_id=payment.pk,
        operation_id=operation_id or uuid7(),
        **{"actor": KEY, "at": clock.now(), **more},
    )


def captured(
    payment: Payment, minor: int | None = None, operation_id: UUID | None = None, **more: Any
) -> Payment:
    """Capture a payment (the rest of it when no amount is given) as Northwind's key."""
    return capturing.capture(
        merchant_id=payment.merchant_id,
        payment_id=payment.pk,
        operation_id=operation_id or uuid7(),
        amount=None if minor is None else payment.money(minor),
        **{"actor": KEY, "at": clock.now(), **more},
    )


def cancelled(payment: Payment, operation_id: UUID | None = None, **more: Any) -> Payment:
    """Cancel a payment as Northwind's key."""
    return voiding.cancel(
        merchant_id=payment.merchant_id,
        payment_id=payment.pk,
        operation_id=operation_id or uuid7(),
        reason="the customer changed their mind",
        **{"actor": KEY, "at": clock.now(), **more},
    )


def paid(merchant: Merchant, network: Network, scenario: str = "visa", **options: Any) -> Payment:
    """Create and authorize a payment with a test card."""
    return authorized(created(merchant, wish(network.card(scenario)["token"], **options)))


def types_of(payment: Payment) -> list[str]:
    """The types of a payment's events, without the floor's name."""
    return [event.type.partition(".")[2] for event in events.stream("payment", payment.pk)]


def operation_of(payment: Payment, leg: str) -> ProviderOperation:
    """The newest operation of a leg."""
    return ProviderOperation.objects.filter(payment=payment, leg=leg).latest("created_at")


def now_plus(seconds: float) -> datetime:
    """An instant in the future, for sweeps that would otherwise have to be waited for."""
    return clock.now() + timedelta(seconds=seconds)
