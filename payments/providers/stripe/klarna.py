"""Paying later by Klarna at Stripe: what is asked for it, what is told of it. Pure.

The payer chooses on Klarna's page how to pay, and comes back straight to the merchant. What Klarna agreed to
may be captured later, once, within 28 days (docs.stripe.com/payments/klarna, read 2026-11-21).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from payments.providers import plans
from payments.providers.outcomes import AUTHORIZED_UNTIL, PLAN
from payments.providers.plans import Plan

NAMED: Final = "klarna"
STANDS: Final = timedelta(days=28)
PLANS: Final = {
    "pay_now": plans.PAY_NOW,
    "pay_later": plans.PAY_LATER,
    "pay_in_installments": plans.INSTALMENTS,
    "pay_with_financing": plans.INSTALMENTS,
}

Body = Mapping[str, Any]


def intent_params(plan: Plan, return_url: str) -> dict[str, Any]:
    """What an intent needs besides: the payer's country, and where the payer comes back to."""
    payer = {"type": NAMED, "billing_details": {"address": {"country": plan.country}}}
    return {"payment_method_types": [NAMED], "payment_method_data": payer, "return_url": return_url}


def details(charge: Body) -> dict[str, str]:
    """What a charge tells of how the payer pays; empty where Klarna did not lend."""
    method = charge.get("payment_method_details")
    if not isinstance(method, dict) or method.get("type") != NAMED:
        return {}
    lent = method.get(NAMED)
    category = lent.get("payment_method_category") if isinstance(lent, dict) else None
    told = {"type": "bnpl", "brand": plans.KLARNA}
    if isinstance(category, str) and category in PLANS:
        told[PLAN] = PLANS[category]
    created = charge.get("created")
    if type(created) is int and 0 < created < 1 << 40:
        told[AUTHORIZED_UNTIL] = (datetime.fromtimestamp(created, UTC) + STANDS).isoformat()
    return told
