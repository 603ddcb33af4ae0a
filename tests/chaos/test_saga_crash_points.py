"""kill -9 at every crash point of a marketplace payment, there and back: it ends as it would have, and no
effect happens twice.

A process of its own begins or carries the saga and kills itself at the armed point; the file that armed it is
gone afterwards, which proves that it fired. Then the job's lease ends and the next run goes on.
"""

from functools import partial

import pytest

from ledger import clock, crashpoints, jobs
from ledger.actors import SYSTEM
from ledger.ids import uuid7
from ledger.models import Event, JournalEntry
from payments.models import PaymentTransaction, Saga
from payments.providers import registry
from payments.rules.share_division import Line
from payments.services.calls import recovering
from tests.kit.books import assert_all_invariants_hold
from tests.kit.killed import killed_at
from tests.kit.sagas import begun, steps_of
from tests.services.payments.cast import now_plus
from vendors.models import Vendor
from vendors.services import onboarding

pytestmark = [pytest.mark.chaos, pytest.mark.django_db(transaction=True)]

POINTS = sorted(point for point in crashpoints.registry if point.startswith("saga_"))
BACK = ("saga_give_back", "saga_release_fee", "saga_deallocate", "saga_end")
BEGIN = [point for point in POINTS if point.startswith("saga_begin")]
THERE = [point for point in POINTS if not point.startswith(("saga_begin", *BACK))]
AND_BACK = [point for point in POINTS if point.startswith(BACK)]


@pytest.fixture
def killed(tmp_path, network):
    """Do something in another process with a crash point armed; it must die of it."""

    def step(act) -> None:
        registry.reset()  # connections to the network are the parent's
        act()

    return lambda point, act: killed_at(point, tmp_path, partial(step, act))


def lines(ada: Vendor, bruno: Vendor) -> list[tuple[Vendor, Line]]:
    return [(ada, Line(weight=2)), (bruno, Line(weight=1))]


def carry_on() -> None:
    """What the workers do once the leases of a killed one have ended."""
    for seconds in (100, 200, 300):
        recovering.sweep(now_plus(seconds))
        jobs.run_due(now_plus(seconds))


def assert_nothing_is_doubled(saga: Saga, network, entries: int) -> None:
    assert JournalEntry.objects.filter(source_id=saga.payment_id).count() == entries
    for operation in saga.payment.operations.all():
        assert len(network.truth(idempotency_key=operation.idempotency_key)) == 1
    for step in saga.steps.all():
        ends = Event.objects.filter(subject_id=step.pk, to_state=step.state)
        assert ends.count() == 1
    assert_all_invariants_hold()


@pytest.mark.parametrize("point", BEGIN)
def test_begun_once(point, northwind, ada, bruno, network, killed):
    saga_id, token = uuid7(), network.card()["token"]
    begin = partial(begun, northwind, token, lines(ada, bruno), saga_id=saga_id)

    killed(point, begin)
    begin()
    carry_on()

    saga = Saga.objects.get(pk=saga_id)
    assert saga.state == "completed"
    assert_nothing_is_doubled(saga, network, entries=1)


@pytest.mark.parametrize("point", THERE)
def test_it_is_carried_to_its_end(point, northwind, ada, bruno, network, killed):
    saga = begun(northwind, network.card()["token"], lines(ada, bruno))

    killed(point, lambda: jobs.run_due(clock.now()))
    carry_on()

    saga = Saga.objects.get(pk=saga.pk)
    assert saga.state == "completed"
    assert all(step.endswith(" done") for step in steps_of(saga))
    assert PaymentTransaction.objects.filter(payment_id=saga.payment_id, state="captured").count() == 2
    assert_nothing_is_doubled(saga, network, entries=1)


@pytest.mark.parametrize("point", AND_BACK)
def test_it_is_undone_to_its_beginning(point, northwind, ada, bruno, network, killed):
    saga = begun(northwind, network.card()["token"], lines(ada, bruno))
    onboarding.suspend_vendor(
        merchant_id=northwind.pk, vendor_id=bruno.pk, reason="KYC", actor=SYSTEM, at=clock.now()
    )

    killed(point, lambda: jobs.run_due(clock.now()))
    carry_on()

    saga = Saga.objects.get(pk=saga.pk)
    assert (saga.state, saga.payment.state) == ("failed", "cancelled")
    assert steps_of(saga, "back") == ["allocate done", "hold_fee done", "authorize done"]
    assert (saga.fee_held_minor, saga.allocated_minor) == (0, 0)
    assert_nothing_is_doubled(saga, network, entries=0)


def test_the_sweep_knows_every_point():
    assert len(BEGIN) == 2
    assert len(THERE) == 2 * 3 + 3 * 2
    assert len(AND_BACK) == 3 + 3 * 2
