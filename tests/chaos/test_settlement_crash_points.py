"""kill -9 at every crash point of settle, pay and reconcile: one batch, one transfer, each line booked once.

A process of its own does the step and kills itself at the armed point; the file that armed it is gone
afterwards, which proves that it fired. Then the request is repeated, as its caller or the completer does.
"""

from functools import partial

import pytest

from ledger import clock, crashpoints
from ledger.ids import uuid7
from ledger.models import JournalEntry
from ledger.money import Money
from payments.providers import registry
from payments.services.calls import recovering
from settlements.models import Match, Payout, SettlementBatch, StatementLine
from tests.chaos import settlement_steps
from tests.kit import settling
from tests.kit.books import assert_all_invariants_hold
from tests.kit.killed import killed_at
from tests.services.payments.cast import now_plus

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]

STEP_OF = {"settlement": "settle", "transfer": "pay", "payout": "pay", "reconciliation": "reconcile"}
STEPS = ("settle", "pay", "reconcile")
POINTS = sorted(point for point in crashpoints.registry if point.partition(".")[0] in STEP_OF)


@pytest.fixture
def killed(tmp_path, own_network):
    """Do a step in another process with a crash point armed; it must die of it."""

    def step(*asked) -> None:
        registry.reset()  # connections to the network are the parent's
        settlement_steps.run(*asked)

    return lambda point, *asked: killed_at(point, tmp_path, partial(step, *asked))


@pytest.mark.parametrize("point", POINTS)
def test_nothing_is_lost_or_doubled(point, northwind, ada, own_network, killed):
    now, key = clock.now(), uuid7()
    day = now.date().isoformat()
    settling.sell(own_network, ada, Money(10_000, "EUR"), now)
    for step in STEPS:
        if step == "reconcile":
            own_network.close_day(day)
        if step == STEP_OF[point.partition(".")[0]]:
            killed(point, step, northwind.pk, ada.pk, key, day)
        settlement_steps.run(step, northwind.pk, ada.pk, key, day)
        recovering.sweep(now_plus(20))
        recovering.sweep(now_plus(60))

    batch = SettlementBatch.objects.get(merchant=northwind)
    payout = Payout.objects.get(batch=batch)
    assert (batch.state, payout.state) == ("reconciled", "reconciled")
    assert len(own_network.truth(kind="transfer", reference=payout.public_id)) == 1
    assert StatementLine.objects.filter(merchant=northwind).count() == 2
    matches = Match.objects.filter(merchant=northwind)
    assert matches.count() == 2
    sources = [batch.pk, payout.pk, *matches.values_list("pk", flat=True)]
    assert JournalEntry.objects.filter(source_id__in=sources).count() == 1 + 2 + 1
    assert_all_invariants_hold()


def test_the_sweep_knows_every_point():
    assert len(POINTS) == 2 + 4 + 2 + 3
