"""A sale in dollars is turned into euros; weeks later, at another rate, a part of it is refunded.

Payments convert nothing by themselves: a merchant converts what it was paid, so the dollars to give back are
no longer there. The refund's share of the conversion is turned back at its old rate, the house's gain or loss
is booked, the refund goes out, and every cent of it leads to the rates, the refund and the provider.
"""

from datetime import timedelta

import pytest

from ledger.actors import SYSTEM
from ledger.chart import Code
from ledger.events import Cause
from ledger.explain import shown, walking
from ledger.fx import exposure, unwinding
from ledger.ids import uuid7
from ledger.models import Account, FxConversion
from ledger.money import Money
from payments.services import refunding, requesting_refunds
from payments.services.requesting_refunds import RefundWish
from tests.kit import fx, settling

pytestmark = pytest.mark.django_db


def whose(merchant, at):
    return {"merchant_id": merchant.pk, "actor": SYSTEM, "at": at}


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
    done = unwinding.unwind(
        conversion_id=conversion.pk, amount=Money(2_000, "USD"), cause=Cause("refund", refund.public_id),
        **whose(northwind, later),
    )  # fmt: skip
    refund = refunding.process(refund_id=refund.pk, operation_id=uuid7(), **whose(northwind, later))
    assert refund.state == "completed"

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
