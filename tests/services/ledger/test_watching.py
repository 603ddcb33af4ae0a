"""The watch: what changed is checked every minute, everything at night; what is wrong is a row until it is
right."""

from datetime import timedelta

import pytest

from ledger import clock, invariants, metrics
from ledger.history import watching
from ledger.invariants import Window
from ledger.models import InvariantRun, InvariantViolation, PostedFact
from tests.factories import payments as make
from tests.kit import tampering
from tests.kit.owner import OWNERS
from tests.kit.polling import eventually

pytestmark = pytest.mark.django_db(transaction=True, databases=OWNERS)


@pytest.fixture
def payment(northwind, ada):
    return make.captured_payment(northwind, shares=[(ada, 4_000, 400)])


def of(payment):
    return InvariantViolation.objects.filter(subject_key=str(payment.pk)).order_by("first_seen_at", "number")


def numbers(rows):
    return {row.number for row in rows}


def test_a_change_is_checked_once_by_those_that_narrow(payment):
    first = watching.watch_changed(clock.now())
    assert first.kind == "changed"
    assert not of(payment).exists()
    assert first.checked == sum(found.narrows for found in invariants.registry.values()) >= 14
    second = watching.watch_changed(clock.now())
    assert second.transaction_from == first.transaction_to


def test_damage_is_a_row_from_first_to_last_until_it_is_gone(payment, caplog):
    watching.watch_changed(clock.now())
    tampering.change("payments_payment", "refunded_minor = 1, order_ref = 'x'", "id = %s", [payment.pk])
    at = clock.now()
    full = watching.watch_all(at)
    assert full.broken >= 1
    assert "invariant broken" in caplog.text
    assert "I-70" in numbers(of(payment))
    assert metrics.invariant_violations.labels("I-70")._value.get() >= 1
    found = of(payment).get(number="I-70")
    assert "differs from its events in order_ref, refunded_minor" in found.detail
    later = at + timedelta(minutes=1)
    watching.watch_all(later)
    found.refresh_from_db()
    assert (found.first_seen_at, found.last_seen_at, found.gone_at) == (at, later, None)
    tampering.change("payments_payment", "refunded_minor = 0, order_ref = 'order-1'", "id = %s", [payment.pk])
    watching.watch_all(at + timedelta(minutes=2))
    found.refresh_from_db()
    assert found.gone_at == at + timedelta(minutes=2)


def test_a_damaged_row_is_found_when_it_changes_next(northwind):
    payment = make.authorize_payment(make.create_payment(northwind))
    watching.watch_changed(clock.now())
    tampering.change("payments_payment", "order_ref = 'x'", "id = %s", [payment.pk])
    make.capture_payment(payment)
    # The window ends at the oldest transaction of the whole server, which may be another database's.
    eventually(lambda: watching.watch_changed(clock.now()) and of(payment).exists(), seconds=60, what="I-70")
    assert numbers(of(payment)) == {"I-70"}
    tampering.change("payments_payment", "order_ref = 'order-1'", "id = %s", [payment.pk])
    watching.watch_all(clock.now())
    assert not of(payment).filter(gone_at=None).exists()


def test_an_entry_that_is_not_found_by_its_fact_is_named(payment):
    fact = PostedFact.objects.get(source_id=payment.pk)
    lost = InvariantViolation.objects.filter(number="I-73", gone_at=None, detail__contains=payment.pk)
    tampering.change("ledger_fact", "step = 'else'", "source_id = %s", [payment.pk])
    assert watching.watch_all(clock.now()).broken >= 1
    assert lost.get().detail == f"entry {fact.entry_id} is not the entry of payment {payment.pk}, {fact.step}"
    tampering.change("ledger_fact", "step = %s", "source_id = %s", [fact.step, payment.pk])
    watching.watch_all(clock.now())
    assert not lost.exists()


def test_a_run_at_work_is_left_alone(payment):
    at = clock.now()
    InvariantRun.objects.create(kind="full", started_at=at, transaction_from=0, transaction_to=0)
    assert watching.watch_all(at + timedelta(minutes=1)) is None
    assert watching.watch_all(at + timedelta(hours=4)) is not None
    InvariantRun.objects.filter(finished_at=None).delete()


def test_every_narrowing_check_says_where_to_narrow(db):
    for result in invariants.check_changed(Window(0, 1)):
        assert result.holds, result.invariant.number
