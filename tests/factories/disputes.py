"""Disputes as a provider tells of them, made and applied without one: for tests of what comes after."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ledger.actors import provider_actor
from ledger.events import Cause
from ledger.ids import uuid7
from ledger.money import Money
from payments.models import Dispute, Payment
from payments.providers.notices import (
    DisputeMovement,
    DisputeNotice,
    DisputeStage,
    DisputeStanding,
    MovementKind,
)
from payments.services.disputes import disputing

AT: Final = datetime(2026, 1, 20, 12, tzinfo=UTC)


def movement(kind: str, amount: int, fee: int = 0, currency: str = "USD") -> DisputeMovement:
    """Make a movement under a reference of its own."""
    return DisputeMovement(
        f"mv_{uuid7().hex}", MovementKind(kind), Money(amount, currency), Money(fee, currency)
    )


def notice(
    payment: Payment,
    *,
    reference: str = "",
    version: int = 1,
    stage: str = "chargeback",
    standing: str = "open",
    amount: int | None = None,
    movements: Sequence[DisputeMovement] = (),
    **more: Any,
) -> DisputeNotice:
    """Make a provider's word on a dispute of a payment."""
    values: dict[str, Any] = {"scheme": "visa", "reason_code": "10.4", "opened_at": AT, **more}
    return DisputeNotice(
        event_id=f"evt_{uuid7().hex}",
        type=f"dispute.{stage}",
        dispute=reference or f"dp_{uuid7().hex}",
        authorization=payment.provider_reference,
        version=version,
        stage=DisputeStage(stage),
        standing=DisputeStanding(standing),
        amount=payment.money(payment.amount_minor if amount is None else amount),
        movements=tuple(movements),
        **values,
    )


def follow(told: DisputeNotice, at: datetime = AT) -> Dispute:
    """Apply a provider's word as if its message had come."""
    return disputing.follow(
        "velocitypay",
        told,
        actor=provider_actor("velocitypay"),
        cause=Cause("provider_webhook", "whk_test"),
        at=at,
    )


def chargeback(payment: Payment, *, amount: int | None = None, fee: int = 1_500, **more: Any) -> Dispute:
    """Open a chargeback whose money the provider has withdrawn."""
    size = payment.amount_minor if amount is None else amount
    taken = movement("withdrawal", size, fee, payment.currency)
    return follow(notice(payment, amount=size, movements=[taken], **more))
