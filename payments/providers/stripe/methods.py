"""Cards at Stripe: given for a token of its own, and asked about by a SetupIntent. Pure, both ways.

A payment method of no customer may be paid with once, so a card is attached to a customer that stands for
nothing else; our token names both, `pm_…:cus_…`, for Stripe wants the customer named at every payment.
"""

from collections.abc import Mapping
from typing import Any, Final

import stripe
from django.views.decorators.debug import sensitive_variables

from ledger.money import Money
from payments.providers.errors import ProviderRefused, ProviderUnavailable, Unanswered
from payments.providers.outcomes import Approved, Outcome, Pending, Unknown
from payments.providers.requests import VerifyRequest
from payments.providers.stripe import refusals
from payments.providers.stripe.mapping import REJECTED_STATUSES, Body, Expected, is_reference, payer

PAYABLE_STATUS: Final = 402
NEEDS_THE_CUSTOMER: Final = "authentication_required"  # nobody is there to finish a challenge


@sensitive_variables()
def card_params(secret: Mapping[str, str], code: str) -> dict[str, Any]:
    """The parameters of POST /v1/payment_methods.

    :raises ProviderRefused: Stripe is given cards only.
    """
    if "number" not in secret:
        raise ProviderRefused("Stripe is given cards only", provider_code="method_not_supported")
    card: dict[str, Any] = {"number": secret["number"]}
    card |= {name: int(secret[name]) for name in ("exp_month", "exp_year")}
    return {"type": "card", "card": card | ({"cvc": code} if code else {})}


def token(method: Body, customer: Body) -> str:
    """Our token for a card that Stripe keeps.

    :raises Unanswered: the answers name none.
    """
    names = [str(method.get("id")), str(customer.get("id"))]
    if not all(map(is_reference, names)) or not names[0].startswith("pm_"):
        raise Unanswered("bad_body")
    return ":".join(names)


def verify_params(request: VerifyRequest) -> dict[str, Any]:
    """The parameters of POST /v1/setup_intents."""
    return {
        "confirm": True,
        "payment_method_types": ["card"],
        "usage": "off_session",
        "metadata": {"operation": request.idempotency_key, "reference": request.reference},
        "expand": ["payment_method"],
        **payer(request.token),
    }


def verified(body: Body, expected: Expected) -> Outcome:
    """What Stripe's description of a SetupIntent means."""
    reference, metadata = body.get("id"), body.get("metadata")
    if not isinstance(reference, str) or not isinstance(metadata, dict) or expected.amount is None:
        return Unknown("bad_body")
    if metadata.get("operation") != expected.idempotency_key:
        return Unknown("another_operation")
    match body.get("status"):
        case "succeeded":
            zero = Money.zero(expected.amount.currency)
            return Approved(reference, zero, zero, _details(body))
        case "processing":
            return Pending(reference)
        case "requires_action":
            return refusals.no(NEEDS_THE_CUSTOMER, reference)
        case "requires_payment_method" | "canceled":
            error = body.get("last_setup_error")
            return refusals.of_card(error if isinstance(error, dict) else {"code": "unknown"}, reference)
    return Unknown(f"unlisted_status:setup_intent.{body.get('status')}"[:100])


def refusal(error: stripe.StripeError) -> ProviderRefused | ProviderUnavailable:
    """What the library's error means for who only reads, or asks for a token."""
    status = error.http_status or 0
    if status in REJECTED_STATUSES or status == PAYABLE_STATUS:
        return ProviderRefused(str(error.user_message or error)[:200], provider_code=error.code or "refused")
    return Unanswered(f"http_{status}")


def _details(body: Body) -> dict[str, str]:
    method = body.get("payment_method")
    card = method.get("card") if isinstance(method, dict) else None
    if not isinstance(card, dict):
        return {}
    told = {name: card.get(name) for name in ("brand", "last4", "fingerprint", "country")}
    return {"type": "card"} | {name: text[:64] for name, text in told.items() if isinstance(text, str)}
