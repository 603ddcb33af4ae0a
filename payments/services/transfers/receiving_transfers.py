"""Money that a payer sent by himself: whoever sees it on our bank's statement tells it here.

The authorization that waits for it is concluded like any other. An amount that is not the one asked for holds
the operation for a person (the desk of unknown money); money for a payment that is over is a contradiction,
and is put before a person too.
"""

from datetime import datetime
from uuid import UUID

from ledger.actors import Actor
from ledger.money import Money
from payments.models import ProviderOperation
from payments.models.operations import Kind, OutcomeKind
from payments.providers import registry
from payments.providers.base import Capability
from payments.providers.outcomes import Approved, Taken
from payments.providers.rails import names
from payments.providers.requests import capture_key
from payments.services.calls import operations

BY_PAYER = (Capability.WIRE.value, Capability.CHECK.value)


def quoted_in(merchant_id: UUID, text: str) -> ProviderOperation | None:
    """Return the authorization whose reference is quoted in a text, if it is one of the merchant's."""
    reference = names.quoted(text)
    if not reference:
        return None
    return ProviderOperation.objects.filter(
        merchant_id=merchant_id,
        provider__in=BY_PAYER,
        kind=Kind.AUTHORIZE,
        provider_reference__in=(reference, names.arrived(reference)),
    ).first()


def arrive(operation: ProviderOperation, amount: Money, *, actor: Actor, at: datetime) -> None:
    """Conclude an authorization with the money that came for it; safe to repeat."""
    key, zero = operation.idempotency_key, Money.zero(amount.currency)
    is_sale = bool(operation.request.get("capture"))
    taken = Taken(capture_key(key), amount, zero) if is_sale else None
    reference = names.arrived(names.payer_reference(key))
    operations.conclude(operation, Approved(reference, amount, zero, taken=taken), actor=actor, at=at)


def taken_of(operation: ProviderOperation) -> ProviderOperation | None:
    """Return the capture that took what an authorization waited for; None while it is not taken."""
    if operation.payment_id is None:
        return None
    return ProviderOperation.objects.filter(
        payment_id=operation.payment_id, kind=Kind.CAPTURE, outcome=OutcomeKind.APPROVED
    ).first()


def can_be_asked(provider: str) -> bool:
    """Say whether anybody can be asked what became of an operation at a provider."""
    return not registry.provider(provider).capabilities & {Capability.WIRE, Capability.CHECK}
