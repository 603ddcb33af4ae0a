"""The sweeps of the night: each due thing once, however often, late or in parallel they run."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ledger import jobs
from ledger.models import Job
from ledger.money import Money
from settlements.models import BankStatement, Payout, SettlementBatch
from settlements.services import nightly
from tests.factories import settlements as make
from tests.kit import settling
from tests.kit.books import assert_all_invariants_hold

pytestmark = pytest.mark.django_db
NIGHT = datetime(2026, 3, 3, 0, 20, tzinfo=UTC)
EUR = "EUR"


def jobs_of(merchant):
    return Job.objects.filter(reference__startswith=str(merchant.pk))


def run_jobs(merchant, at):
    for job in jobs_of(merchant).filter(finished_at=None):
        assert jobs.run(job.pk, at)


def test_settles_pays_and_reconciles_a_night(northwind, ada, bruno, own_network):
    evening = NIGHT - timedelta(hours=2)
    settling.sell(own_network, ada, Money(10_000, EUR), evening)
    settling.sell(own_network, bruno, Money(5_000, "JPY"), evening)
    for _ in range(2):
        nightly.schedule_settlements(NIGHT)
    assert jobs_of(northwind).count() == 2
    run_jobs(northwind, NIGHT)
    assert set(
        SettlementBatch.objects.filter(merchant=northwind).values_list("business_date", flat=True)
    ) == {date(2026, 3, 2)}
    for _ in range(2):
        nightly.schedule_payouts(NIGHT)
    run_jobs(northwind, NIGHT)
    assert Payout.objects.filter(merchant=northwind, state="paid").count() == 2
    own_network.close_day("2026-03-03")
    for _ in range(2):
        nightly.schedule_statements(NIGHT + timedelta(days=1))
    run_jobs(northwind, NIGHT + timedelta(days=1))
    assert BankStatement.objects.filter(merchant=northwind).count() == 2
    assert Payout.objects.filter(merchant=northwind, state="reconciled").count() == 2
    assert_all_invariants_hold()


def test_a_job_that_comes_too_late_finds_its_work_done(northwind, ada, network):
    make.sell(ada, Money(100, EUR))
    nightly.schedule_settlements(NIGHT)
    batch = settling.settle(ada, EUR, NIGHT)
    nightly.schedule_payouts(NIGHT)
    settling.pay(batch, NIGHT)
    run_jobs(northwind, NIGHT)
    assert SettlementBatch.objects.filter(merchant=northwind).count() == 1
    assert Payout.objects.filter(merchant=northwind).count() == 1


def test_a_failed_payout_is_tried_again_the_next_night(northwind, ada, network):
    make.sell(ada, Money(100, EUR))
    settling.send_to(ada, "bank_closed")
    settling.settle(ada, EUR, NIGHT)
    nightly.schedule_payouts(NIGHT)
    run_jobs(northwind, NIGHT)
    settling.send_to(ada, "bank_ok")
    nightly.schedule_payouts(NIGHT)
    run_jobs(northwind, NIGHT)
    assert Payout.objects.filter(merchant=northwind).count() == 1
    tomorrow = NIGHT + timedelta(days=1)
    nightly.schedule_payouts(tomorrow)
    run_jobs(northwind, tomorrow)
    assert [p.state for p in Payout.objects.filter(merchant=northwind).order_by("attempt")] == [
        "failed",
        "paid",
    ]
