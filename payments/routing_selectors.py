"""The read queries of routing."""

from uuid import UUID

from payments.models import ProviderOperation, RoutingPolicy
from payments.models.operations import Kind


def newest_policy(merchant_id: UUID) -> RoutingPolicy | None:
    """Return the policy that holds for a merchant: its newest version; None while it has none."""
    return RoutingPolicy.objects.filter(merchant_id=merchant_id).order_by("-version").first()


def authorizations(payment_id: UUID) -> list[ProviderOperation]:
    """Return the tries of a payment's authorization, the first first."""
    tries = ProviderOperation.objects.filter(payment_id=payment_id, kind=Kind.AUTHORIZE)
    return list(tries.order_by("created_at", "pk"))


def last_authorization(payment_id: UUID | None) -> ProviderOperation | None:
    """Return the newest try of a payment's authorization; the one that is open or has succeeded, if any."""
    if payment_id is None:
        return None
    tries = authorizations(payment_id)
    live = [row for row in tries if row.is_open or row.has_succeeded]
    return next(iter(live or tries[-1:]), None)


def versions(merchant_id: UUID) -> list[RoutingPolicy]:
    """Return the versions of a merchant's policy, the newest first, at most fifty."""
    return list(RoutingPolicy.objects.filter(merchant_id=merchant_id).order_by("-version")[:50])
