"""What the operator of the platform does before a merchant can send its first request: no HTTP, the services.

The marketplace is taken in once, gets a key for each run (revoked at the run's end), and its fraud rules are
set for what is coming. Everything is safe to repeat.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from fraud.models import RiskRule
from fraud.services.configuring import publish_rule
from ledger import clock
from ledger.actors import SYSTEM
from ledger.money import AMOUNT_MAX
from payments import routing_selectors
from payments.services.routes import keeping_routes
from vendors.models import Merchant
from vendors.services import keys, onboarding

MERCHANT_NAME: Final = "Everycent Marketplace"
KEY_LABEL: Final = "run_day"
KEY_LIFETIME: Final = timedelta(days=1)
SCOPES: Final = [
    "payments:write", "payments:read", "refunds:write", "refunds:read", "settlements:write",
    "settlements:read", "vendors:write", "vendors:read", "payment-methods:write", "payment-methods:read",
]  # fmt: skip

ROUTE: Final[dict[str, Any]] = {
    "rules": [{"name": "VelocityPay first", "when": {}, "providers": ["velocitypay", "stripe"]}]
}
# The marketplace's own rule: nobody buys more than six times a day. It is what catches the card tester.
ATTEMPTS_A_DAY: Final = 6
CATCHES_TESTERS: Final = "count_customer_24h"
# The sandbox's special card and account numbers are shared by many customers, which real cards are not.
BY_METHOD: Final = (
    "count_method_1h",
    "count_method_24h",
    "sum_method_1h",
    "sum_method_24h",
    "failures_method_1h",
)
BY_CUSTOMER: Final = (
    "count_customer_1h",
    "count_customer_24h",
    "sum_customer_1h",
    "sum_customer_24h",
    "failures_customer_1h",
)


def marketplace() -> Merchant:
    """Return the marketplace, taking it in when it is new."""
    found = Merchant.objects.filter(name=MERCHANT_NAME).order_by("pk").first()
    return found or onboarding.create_merchant(name=MERCHANT_NAME, actor=SYSTEM, at=clock.now())


@contextmanager
def api_key(merchant: Merchant) -> Iterator[str]:
    """Lend a key for a run and revoke it afterwards; one that is left behind by a kill ends by itself."""
    at = clock.now()
    key, plaintext = keys.issue(
        merchant, SCOPES, actor=SYSTEM, at=at, label=KEY_LABEL, expires_at=at + KEY_LIFETIME
    )
    try:
        yield plaintext
    finally:
        keys.revoke(
            merchant_id=merchant.id,
            api_key_id=key.id,
            reason="the run is over",
            actor=SYSTEM,
            at=clock.now(),
        )


def set_rules_for_customers(merchant: Merchant) -> None:
    """Set the rules for a stream of customers: velocity by customer holds, by method not."""
    _publish(merchant, CATCHES_TESTERS, limits={"*": {"review": ATTEMPTS_A_DAY, "decline": ATTEMPTS_A_DAY}})
    _publish(merchant, "amount", limits={})
    for code in BY_CUSTOMER:
        if code != CATCHES_TESTERS:
            _publish(merchant, code, limits={})
    for code in BY_METHOD:
        _publish(merchant, code, limits={}, is_active=False)


def set_route(merchant: Merchant) -> None:
    """Let VelocityPay be asked first where a customer's method is good at several providers."""
    newest = routing_selectors.newest_policy(merchant.id)
    if newest is None or newest.content != ROUTE:
        keeping_routes.write(
            merchant_id=merchant.id, content=ROUTE, reason="set for the day that follows", actor=SYSTEM,
            at=clock.now(),
        )  # fmt: skip


def set_rules_for_a_file(merchant: Merchant, currencies: set[str]) -> None:
    """Set the rules for orders of the past entered in one go: they are not a stream of customers."""
    limits = {currency: {"review": AMOUNT_MAX, "decline": AMOUNT_MAX} for currency in sorted(currencies)}
    _publish(merchant, "amount", limits=limits)
    for code in (*BY_CUSTOMER, *BY_METHOD):
        _publish(merchant, code, limits={}, is_active=False)


def _publish(
    merchant: Merchant, code: str, *, limits: dict[str, dict[str, int]], is_active: bool = True
) -> None:
    """Publish a rule unless it is in force as it is."""
    known = RiskRule.objects.filter(merchant=merchant, code=code, valid_until=None).first()
    if known is not None and (known.limits, known.is_active) == (limits, is_active):
        return
    if known is None and not limits and is_active:
        return
    publish_rule(
        merchant_id=merchant.id,
        code=code,
        limits=limits,
        is_active=is_active,
        actor=SYSTEM,
        reason="set for the day that follows",
        at=clock.now(),
    )
