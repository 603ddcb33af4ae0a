"""Disputed money from the callback to the bank line: settled, owed, recovered, reported, explained."""

from datetime import UTC, datetime, timedelta

import pytest

from ledger import balances, clock
from ledger.chart import Code
from ledger.explain import walking
from ledger.money import Money
from payments.models import Dispute, Refund
from settlements import selectors
from tests.flows.test_every_cent import assert_every_cent_is_explained, everything
from tests.flows.test_night_of_settlement import bank_is_explained, owed
from tests.kit import disputes as kit
from tests.kit import settling
from tests.kit.books import assert_all_invariants_hold
from tests.kit.callbacks import send
from tests.kit.shop import run_jobs

pytestmark = pytest.mark.django_db
MONDAY = datetime(2026, 3, 2, 18, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


def tell(network, there: dict) -> Dispute:
    (now,) = kit.standing(network, id=there["id"])
    assert send(kit.callback_about(now)).status_code == 200
    run_jobs()
    return Dispute.objects.get(provider_reference=there["id"])


def test_a_chargeback_after_the_payout_is_owed_reported_and_comes_back(northwind, ada, own_network):
    sold = settling.sell(own_network, ada, Money(10_000, "EUR"), MONDAY, own=500)
    settling.pay(settling.settle(ada, "EUR", MONDAY), MONDAY)
    there = kit.opened(own_network, sold.provider_reference)
    tell(own_network, there)
    assert owed(ada, "EUR") == (0, 9_000)  # the sale less the commission that comes back
    settling.sell(own_network, ada, Money(2_000, "EUR"), MONDAY)
    own_network.close_day("2026-03-02")
    settling.fetch(northwind, MONDAY)
    assert not selectors.open_breaks(northwind.pk).exists()
    moved = {row.ref.code: row.balance.minor for row in balances.balances(northwind.pk)}
    assert (moved[Code.DISPUTED], moved[Code.DISPUTE_RESERVE]) == (10_500, -10_500)
    assert_all_invariants_hold()

    kit.moved(own_network, there["id"], "won")
    tell(own_network, there)
    assert owed(ada, "EUR")[1] == 0
    settling.sell(own_network, ada, Money(3_000, "EUR"), TUESDAY)
    own_network.close_day("2026-03-03")
    settling.fetch(northwind, TUESDAY)
    assert bank_is_explained(northwind)
    (whole, *_) = selectors.day_figures(northwind.pk, clock.now().date())
    assert whole.refunds == Money(0, "EUR")  # what the dispute took came back on the same day
    assert_all_invariants_hold()
    things = [*everything(northwind), *Dispute.objects.filter(merchant=northwind)]
    assert_every_cent_is_explained(walking.explain_all(things))


def test_a_refund_of_the_dashboard_that_no_message_told_is_found_by_the_report(northwind, ada, own_network):
    sold = settling.sell(own_network, ada, Money(10_000, "EUR"), MONDAY)
    made = kit.refunded_there(own_network, sold.provider_reference, 4_000, f"quiet-{sold.pk.hex}")
    own_network.close_day("2026-03-02")
    for _ in range(2):
        settling.fetch(northwind, MONDAY)
    refund = Refund.objects.get(payment=sold)
    assert (refund.is_adopted, refund.amount_minor, refund.provider_reference) == (True, 4_000, made["id"])
    assert bank_is_explained(northwind)
    assert_all_invariants_hold()
    assert_every_cent_is_explained(walking.explain_all(everything(northwind)))
