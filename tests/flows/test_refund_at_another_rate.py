"""A sale in dollars is turned into euros; weeks later, at another rate, a part of it is refunded.

A merchant converts what it was paid, so the dollars to give back are no longer there. As the refund goes out,
what its balance lacks is turned back at the conversion's old rate, the house's gain or loss is booked, and
every cent of it leads to the rates, the refund and the provider.
"""

from datetime import timedelta

import pytest

from ledger.actors import SYSTEM
from ledger.chart import Code
from ledger.explain import shown, walking
from ledger.fx import exposure
from ledger.ids import uuid7
from ledger.models import Account, FxConversion
from ledger.money import Money
from payments.services.refunds import refunding, requesting_refunds, turning_back
from payments.services.refunds.requesting_refunds import RefundWish
from tests.kit import fx, settling

pytestmark = pytest.mark.django_db


def whose(merchant, at):
    return {"merchant_id": merchant.pk, "actor": SYSTEM, "at": at}


def own_part_owed(merchant):
    owed = Account.objects.filter(merchant_id=merchant.pk, code=Code.MERCHANT_RECEIVABLE).first()
    return owed.balance if owed else 0


@pytest.mark.parametrize(
    ("rate", "gain", "word"),
    [("1.25", 218, "a gain of 2.18 EUR"), ("1.00", -182, "a loss of 1.82 EUR")],
    ids=["the dollar fell", "the dollar rose"],
)
def test_gain_and_loss_are_booked_and_lead_to_the_refund(northwind, ada, own_network, rate, gain, word):
    monday = fx.some_instant()
    fx.two_sources(monday)
    sold = settling.sell(own_network, ada, Money(2_500, "USD"), monday, own=10_000)
    conversion = fx.convert(fx.quote(northwind.pk, Money(10_000, "USD"), "EUR", monday), monday)

    later = monday + timedelta(days=21)
    fx.two_sources(later, USD=rate)
    wish = RefundWish(refund_id=uuid7(), payment_id=sold.pk, amount_minor=2_500)  # 2,000 are Northwind's
    refund = requesting_refunds.request(wish=wish, **whose(northwind, later))
    refund = refunding.process(refund_id=refund.pk, operation_id=uuid7(), **whose(northwind, later))
    assert refund.state == "completed"
    [done] = conversion.unwinds.all()
    assert (done.sell_minor, done.cause_id) == (2_000, refund.public_id)
    assert own_part_owed(northwind) == 0

    assert (done.gain_minor, FxConversion.objects.get(pk=conversion.pk).gain_minor) == (gain, gain)
    assert word in done.explanation
    assert [one.gain for one in exposure.earned(northwind.pk)] == [Money(gain, "EUR")]
    held = Account.objects.filter(merchant_id=northwind.pk)
    story = walking.explain_all([*held, conversion, done, refund])
    assert story.is_complete
    assert list(story.reasons()) == []
    told = "\n".join(shown.as_text(walking.explain(held.get(code=Code.FX_GAIN_LOSS))))
    for end in (word, "for the refund", refund.public_id, "rate of the day"):
        assert end in told


def sold_and_converted(northwind, ada, network, amount=10_000):
    monday = fx.some_instant()
    fx.two_sources(monday)
    sold = settling.sell(network, ada, Money(2_500, "USD"), monday, own=10_000)
    return monday, sold, fx.convert(fx.quote(northwind.pk, Money(amount, "USD"), "EUR", monday), monday)


def refunded(northwind, sold, at):
    wish = RefundWish(refund_id=uuid7(), payment_id=sold.pk, amount_minor=2_500)
    refund = requesting_refunds.request(wish=wish, **whose(northwind, at))
    done = refunding.process(refund_id=refund.pk, operation_id=uuid7(), **whose(northwind, at))
    assert done.state == "completed"


def test_only_what_the_balance_lacks_is_turned_back(northwind, ada, own_network):
    monday, sold, conversion = sold_and_converted(northwind, ada, own_network, amount=9_000)
    refunded(northwind, sold, monday + timedelta(seconds=30))
    assert [one.sell_minor for one in conversion.unwinds.all()] == [1_000]
    assert own_part_owed(northwind) == 0


def test_without_a_rate_of_the_day_the_refund_goes_out_and_the_rest_is_owed(northwind, ada, own_network):
    monday, sold, conversion = sold_and_converted(northwind, ada, own_network)
    refunded(northwind, sold, monday + timedelta(days=200))
    assert not conversion.unwinds.exists()
    assert own_part_owed(northwind) == 2_000


def test_money_that_was_spent_is_not_taken_back(northwind, ada, own_network):
    monday, sold, conversion = sold_and_converted(northwind, ada, own_network)
    fx.convert(fx.quote(northwind.pk, conversion.buy, "GBP", monday), monday)
    refunded(northwind, sold, monday + timedelta(seconds=30))
    assert not conversion.unwinds.exists()
    assert own_part_owed(northwind) == 2_000


def test_conversions_older_than_the_payment_are_left_alone(northwind, ada, own_network):
    monday = fx.some_instant()
    fx.two_sources(monday)
    fx.fund(northwind.pk, Money(10_000, "USD"))
    conversion = fx.convert(fx.quote(northwind.pk, Money(10_000, "USD"), "EUR", monday), monday)
    later = monday + timedelta(seconds=20)
    sold = settling.sell(own_network, ada, Money(2_500, "USD"), later, own=10_000)
    newer = fx.convert(fx.quote(northwind.pk, Money(10_000, "USD"), "JPY", later), later)
    refunded(northwind, sold, later)
    assert not conversion.unwinds.exists()
    assert [one.sell_minor for one in newer.unwinds.all()] == [2_000]


def test_one_refund_turns_back_the_newest_conversions_only_up_to_a_bound(
    northwind, ada, own_network, monkeypatch
):
    monday, sold, older = sold_and_converted(northwind, ada, own_network, amount=9_000)
    newer = fx.convert(
        fx.quote(northwind.pk, Money(1_000, "USD"), "JPY", monday), monday + timedelta(seconds=1)
    )
    monkeypatch.setattr(turning_back, "_AT_MOST", 1)
    refunded(northwind, sold, monday + timedelta(seconds=30))
    assert [one.sell_minor for one in newer.unwinds.all()] == [1_000]
    assert not older.unwinds.exists()
    assert own_part_owed(northwind) == 1_000
