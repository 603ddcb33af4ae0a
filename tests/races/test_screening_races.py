"""Screenings at once: one check per payment, exact limits per customer; and what happens without the lock."""

import threading

import pytest

from fraud import locks
from fraud.engine.types import Decision, ScreeningRequest
from fraud.models import FraudCheck, Signal
from fraud.services import configuring
from fraud.services.screening import screen
from ledger import clock
from ledger.actors import Actor
from tests.factories.fraud import screening_request
from tests.kit.race import PATIENCE_SECONDS, errors, results, together
from vendors.models import Merchant

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]

AT_ONCE, LIMIT = 8, 5


@pytest.fixture
def northwind() -> Merchant:
    merchant = Merchant.objects.create(name="Northwind")
    configuring.publish_rule(
        merchant_id=merchant.id,
        code="count_customer_1h",
        limits={"*": {"decline": LIMIT}},
        actor=Actor("staff", "7", "Irene"),
        reason="a hard limit",
        at=clock.now(),
    )
    return merchant


def of_carla(merchant: Merchant, **fields: str) -> ScreeningRequest:
    return screening_request(merchant.id, at=clock.now(), **fields)


def test_two_screenings_of_one_payment_give_one_check(northwind):
    request = of_carla(northwind)
    verdicts = results(together(*[lambda: screen(request)] * AT_ONCE))
    assert len(verdicts) == AT_ONCE
    assert len({verdict.check_id for verdict in verdicts}) == 1
    assert FraudCheck.objects.filter(merchant=northwind).count() == 1
    assert Signal.objects.filter(merchant=northwind).count() == 1


def admitted(merchant: Merchant) -> int:
    requests = [of_carla(merchant) for _ in range(AT_ONCE)]
    outcomes = together(*[lambda request=request: screen(request) for request in requests])
    assert errors(outcomes) == []
    return sum(verdict.decision is Decision.APPROVE for verdict in results(outcomes))


def test_a_customer_s_limit_is_exact(northwind):
    assert admitted(northwind) == LIMIT


def test_without_the_lock_it_is_not(northwind, monkeypatch):
    """The negative control: what the advisory lock is for."""
    everybody_counted = threading.Barrier(AT_ONCE)

    def counted_together(*args, **kwargs):
        everybody_counted.wait(PATIENCE_SECONDS)
        return written(*args, **kwargs)

    from fraud.services import screening

    written = screening._write
    unlocked = locks._ATTEMPT.replace("pg_advisory_xact_lock(key)", "key")
    assert unlocked != locks._ATTEMPT
    monkeypatch.setattr(locks, "_ATTEMPT", unlocked)
    monkeypatch.setattr(screening, "_write", counted_together)
    assert admitted(northwind) > LIMIT


def test_facts_that_take_too_long_are_judged_without(northwind, monkeypatch, settings):
    """The statement really is cancelled by PostgreSQL; the second phase writes check and signal."""
    from fraud.services import screening

    settings.FRAUD_FACTS_TIMEOUT_SECONDS = 0.05
    sql = screening.FACTS_SQL.replace(" AS check_id,", " AS check_id, pg_sleep(5) AS slept,")
    monkeypatch.setattr(screening, "FACTS_SQL", sql)
    verdict = screen(of_carla(northwind))
    check = FraudCheck.objects.get(pk=verdict.check_id)
    assert (verdict.decision, check.is_degraded) == (Decision.REVIEW, True)
    assert {reason.detail for reason in verdict.reasons if reason.is_failure} == {screening.TOO_SLOW}
    assert Signal.objects.filter(merchant=northwind).count() == 1
    monkeypatch.undo()
    assert screen(of_carla(northwind, payment_ref=check.payment_ref)) == verdict
