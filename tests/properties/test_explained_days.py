"""Whatever happens on random days of a marketplace, every cent of them is explained.

Sales and refunds of random amounts, currencies and shares, settlements and payouts in between, the bank's
day closed or not: the law holds at every node behind every figure.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from ledger.explain import walking
from ledger.money import Money
from payments.models import Payment
from settlements.services.batching import NothingToSettle
from tests.factories import vendors as factory
from tests.flows.test_every_cent import assert_every_cent_is_explained, everything
from tests.kit import settling

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(400)]
MONDAY = datetime(2026, 3, 2, 18, tzinfo=UTC)
STEPS = some.lists(
    some.one_of(
        some.tuples(
            some.just("sell"), some.integers(0, 1), some.sampled_from(["EUR", "JPY", "KWD"]),
            some.integers(10, 99_999), some.integers(0, 700),
        ),
        some.tuples(some.just("refund"), some.integers(0, 9), some.integers(1, 100)),
        some.tuples(some.just("settle"), some.integers(0, 1), some.sampled_from(["EUR", "JPY", "KWD"])),
    ),
    min_size=3, max_size=9,
)  # fmt: skip


def happen(step, network, vendors, at):
    """Carry out a step, if it can be."""
    match step:
        case ("sell", whose, currency, minor, own):
            settling.sell(network, vendors[whose], Money(minor, currency), at, own=own)
        case ("refund", which, percent):
            sold = list(Payment.objects.filter(merchant_id=vendors[0].merchant_id).order_by("id"))
            left = sold[which % len(sold)] if sold else None
            if left is not None and (amount := left.refundable.minor * percent // 100):
                settling.refund(left, at, amount)
        case ("settle", whose, currency):
            try:
                batch = settling.settle(vendors[whose], currency, at)
            except NothingToSettle:
                return
            if batch.state == "closed":
                settling.pay(batch, at)


@settings(
    max_examples=5, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(days=some.lists(STEPS, min_size=1, max_size=2), is_closed=some.booleans())
def test_every_cent_of_random_days_is_explained(own_network, days, is_closed):
    own_network.reset()
    merchant = factory.create_merchant("Northwind")
    vendors = [
        factory.create_vendor(merchant, name, rate_bps=bps) for name, bps in (("Ada", 1_000), ("Bo", 333))
    ]
    for number, steps in enumerate(days):
        at = MONDAY + timedelta(days=number)
        for step in steps:
            happen(step, own_network, vendors, at)
        if is_closed:
            own_network.close_day(at.date().isoformat())
            settling.fetch(merchant, at)
    assert_every_cent_is_explained(walking.explain_all(everything(merchant)))
