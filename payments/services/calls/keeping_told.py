"""Operations that nobody here asked for: what a provider did and told, kept as its reports will name it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.actors import Actor
from ledger.ids import uuid7
from ledger.money import Money
from payments.models import ProviderOperation
from payments.models.operations import Kind, OutcomeKind


def keep(
    kind: Kind, subject: Any, leg: str, amount: Money, *, payment_id: UUID | None, provider: str, key: str,
    reference: str, actor: Actor, at: datetime, fee: Money | None = None,
) -> None:  # fmt: skip
    """Keep an operation that is over, in the caller's phase; `key` is in place of one that we would make."""
    ProviderOperation.objects.create(
        id=uuid7(),
        merchant_id=subject.merchant_id,
        kind=kind,
        subject_type=subject.SUBJECT,
        subject_id=subject.pk,
        leg=leg,
        payment_id=payment_id,
        provider=provider,
        amount_minor=amount.minor,
        currency=amount.currency,
        idempotency_key=key,
        asked_by=actor.as_json(),
        created_at=at,
        outcome=OutcomeKind.APPROVED,
        provider_reference=reference,
        fee_minor=fee.minor if fee else 0,
        noted_at=at,
        concluded_at=at,
    )
