"""The read queries of routing."""

from uuid import UUID

from payments.models import RoutingPolicy


def newest_policy(merchant_id: UUID) -> RoutingPolicy | None:
    """Return the policy that holds for a merchant: its newest version; None while it has none."""
    return RoutingPolicy.objects.filter(merchant_id=merchant_id).order_by("-version").first()
