"""Write a merchant's next routing policy: checked whole, then a new version; earlier ones stay."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError

from ledger import audit
from ledger.actors import Actor
from ledger.errors import Conflict
from ledger.locks import phased
from payments import routing_selectors
from payments.models import RoutingPolicy
from payments.providers import registry
from payments.rules import routing_policy
from payments.services.routes import provider_health, routing
from vendors import selectors as vendor_selectors


class PolicyChanged(Conflict):
    """Somebody else wrote a version meanwhile."""

    code = "routing_policy_changed"
    advice = "Look at the newest version, then write yours again."


def write(
    *,
    merchant_id: UUID,
    content: dict[str, Any],
    reason: str,
    actor: Actor,
    at: datetime,
    after_version: int | None = None,
) -> RoutingPolicy:
    """Write and return the next version of a merchant's policy; payments from now on are routed by it.

    With `after_version` it is refused when that is no longer the newest one.

    :raises MerchantNotFound: there is none. :raises PolicyInvalid: the content is no policy.
    :raises PolicyChanged: somebody else was quicker.
    """
    merchant = vendor_selectors.merchant(merchant_id)
    routing_policy.read(content, version=0, providers=registry.known())
    row = _write(merchant.pk, content, reason, actor, at, after_version)
    provider_health.watch().new_policies()
    routing.policies().forget()
    return row


@phased
def _write(
    merchant_id: UUID,
    content: dict[str, Any],
    reason: str,
    actor: Actor,
    at: datetime,
    after_version: int | None,
) -> RoutingPolicy:
    newest = routing_selectors.newest_policy(merchant_id)
    version = newest.version if newest else 0
    if after_version not in (None, version):
        raise PolicyChanged(f"version {version} was written meanwhile")
    row = RoutingPolicy(
        merchant_id=merchant_id,
        version=version + 1,
        content=content,
        reason=reason[:1000],
        written_by=(actor.label or actor.id)[:150],
        written_at=at,
    )
    try:
        row.save(force_insert=True)
    except IntegrityError as error:
        raise PolicyChanged("another version was written at the same moment") from error
    audit.record(
        actor=actor, action="routing_policy.written", subject=row, reason=reason, at=at,
        before=newest.content if newest else {}, after=content,
    )  # fmt: skip
    return row
