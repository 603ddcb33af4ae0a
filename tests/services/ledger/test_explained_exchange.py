"""Conversions, their spread, and the gain or loss of turning them back are explained by the rates."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection

from ledger.actors import SYSTEM
from ledger.explain import walking
from ledger.fx import unwinding
from ledger.models import Account, FxConversion, FxUnwind
from ledger.money import Money
from tests.kit import fx

pytestmark = pytest.mark.django_db


@pytest.fixture
def converted():
    """A conversion of 100 dollars to euros, 40 of them turned back at another rate."""
    at = fx.some_instant()
    merchant = uuid4()
    fx.two_sources(at)
    fx.fund(merchant, Money(100_000, "USD"))
    made = fx.convert(fx.quote(merchant, Money(10_000, "USD"), "EUR", at), at)
    later = at + timedelta(hours=2)
    fx.two_sources(later, USD="1.30")
    unwinding.unwind(
        merchant_id=merchant, conversion_id=made.pk, amount=Money(4_000, "USD"), actor=SYSTEM, at=later
    )
    return FxConversion.objects.get(pk=made.pk)


def test_every_balance_in_both_currencies_leads_to_the_rates(converted):
    held = Account.objects.filter(merchant_id=converted.merchant_id)
    unwound = FxUnwind.objects.get(conversion=converted)
    story = walking.explain_all([*held, converted, converted.quote, unwound])
    assert story.is_explained, list(story.reasons())
    ends = [c.text for node in story.nodes.values() for c in node.causes if c.label == "rate"]
    assert any("the median of ecb, feed" in text for text in ends)
    gain = next(node for node in story.nodes.values() if node.kind == "gain or loss")
    assert gain.amounts == (Money(unwound.gain_minor, "EUR"),)
    assert not gain.amounts[0].is_zero


def test_a_rate_that_does_not_give_the_amount_explains_nothing(converted):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ledger_fx_quote SET house_rate = house_rate * 1.2 WHERE merchant_id = %s",
            [converted.merchant_id],
        )
    story = walking.explain(converted)
    assert story.unexplained(story.roots[0]) == (converted.buy,)
    assert "100.00 USD at " in next(why for _, why in story.reasons())
