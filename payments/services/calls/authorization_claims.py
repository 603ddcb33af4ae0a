"""The claim of an authorization: what is asked of which provider, and why of this one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from ledger.actors import Actor
from payments.models import Payment, ProviderOperation
from payments.models.operations import Kind
from payments.models.payment_choices import CaptureMethod
from payments.providers import registry
from payments.providers.base import Capability
from payments.providers.reach import reach_of
from payments.services.calls import limiting_retries, operations
from payments.services.calls.claim_refusals import STORED_METHOD
from payments.services.calls.operations import Intent
from payments.services.routes import choosing, routing

LEG: Final = "authorize"


def claim(
    payment: Payment, operation_id: UUID, actor: Actor, at: datetime, *, at_once: bool
) -> ProviderOperation:
    """Write down, in the caller's phase, the authorization of a locked (or just made) payment.

    With `at_once` a payment that is captured automatically is taken in the same call, where its provider can.

    :raises OperationOpen: it is being authorized. :raises RetryLimitReached: the card may not be tried now.
    :raises MerchantInactive: he may not act. :raises PaymentMethodRemoved: the stored method is gone.
    """
    return operations.claim(
        Intent(
            operation_id=operation_id,
            merchant_id=payment.merchant_id,
            kind=Kind.AUTHORIZE,
            subject_type=Payment.SUBJECT,
            subject_id=payment.pk,
            leg=LEG,
            provider=payment.provider,
            amount=payment.amount,
            payment_id=payment.pk,
            route=_route(payment),
            request={
                "token": payment.method_token,
                "method_type": payment.method_type,
                "reference": payment.public_id,
                "description": payment.description,
                "capture": _is_sale(payment, at_once=at_once),
                "return_url": payment.return_url,
                "exemption": payment.exemption,
                **_known_as(payment),
                **_stored_as(payment),
            },
        ),
        actor=actor,
        at=at,
    )


def _known_as(payment: Payment) -> dict[str, str]:
    """Return by what the card is known to the limits of retries, where there is a card or account."""
    key = limiting_retries.key_of(payment)
    return {limiting_retries.KEY: key} if key else {}


def _stored_as(payment: Payment) -> dict[str, str]:
    """Return the stored method that must still be there, where there is one."""
    return {STORED_METHOD: str(payment.stored_method_id)} if payment.stored_method_id else {}


def _route(payment: Payment) -> Mapping[str, Any]:
    """Return why this provider: as it was just decided, else how the choice of the creation stands now."""
    just_decided: Mapping[str, Any] | None = payment.__dict__.get("route_log")
    return just_decided or routing.explain(choosing.asked_of(payment), payment.provider)


def _is_sale(payment: Payment, *, at_once: bool) -> bool:
    adapter = registry.provider(payment.provider)
    if payment.capture_method != CaptureMethod.AUTOMATIC or Capability.SALE not in adapter.capabilities:
        return False
    return at_once or reach_of(adapter, payment.method_type).is_sale_only
