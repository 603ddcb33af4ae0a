"""How long an authorization stands and what is done with it meanwhile: warned of, raised, captured in part
with the rest given back, lapsed."""

from datetime import timedelta

import pytest

from ledger import clock, jobs
from ledger.ids import uuid7
from ledger.money import Money
from ledger.states import StateConflict
from payments import authorization_terms
from payments.models import Payment
from payments.providers import registry
from payments.providers.base import Capability
from payments.providers.outcomes import AUTHORIZED_UNTIL, Approved
from payments.services.calls import recovering
from payments.services.calls.operations import OperationOpen
from payments.services.payments import completing, increasing, voiding
from payments.services.payments.increasing import IncreaseNotPossible, IncreaseTooLarge
from tests.factories import payments as factory
from tests.kit.books import assert_all_invariants_hold
from tests.kit.race import errors, results, together
from tests.services.payments.cast import (
    KEY,
    cancelled,
    captured,
    now_plus,
    operation_of,
    paid,
    types_of,
    usd,
)

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 86_400


def fresh(payment):
    return Payment.objects.get(pk=payment.pk)


def raised(payment, minor, operation_id=None, currency="USD"):
    return increasing.increase(
        merchant_id=payment.merchant_id,
        payment_id=payment.pk,
        operation_id=operation_id or uuid7(),
        amount=Money(minor, currency),
        actor=KEY,
        at=clock.now(),
    )


def done(payment):
    return completing.complete(
        merchant_id=payment.merchant_id,
        payment_id=payment.pk,
        operation_id=uuid7(),
        actor=KEY,
        at=clock.now(),
    )


class TestHowLong:
    def until(self, northwind, settings, told="", **fields):
        settings.PAYMENT_AUTHORIZATION_DAYS_OF_BRAND = {"amex": 5}
        payment, at = factory.create_payment(northwind, **fields), clock.now()
        details = {AUTHORIZED_UNTIL: told} if told else {}
        outcome = Approved("auth_1", usd(10_000), usd(0), details)
        return at, authorization_terms.authorized_until(payment, outcome, at)

    def test_the_providers_word_goes_first(self, northwind, settings):
        _, until = self.until(northwind, settings, "2099-01-02T03:04:05Z", method_brand="amex")
        assert until.isoformat() == "2099-01-02T03:04:05+00:00"

    def test_then_the_brands_time(self, northwind, settings):
        at, until = self.until(northwind, settings, method_brand="amex")
        assert until - at == timedelta(days=5)

    @pytest.mark.parametrize("told", ["", "soon", "2001-01-01T00:00:00Z"])
    def test_then_the_houses(self, northwind, settings, told):
        at, until = self.until(northwind, settings, told, method_brand="visa")
        assert until - at == timedelta(days=7)


class TestWarning:
    def test_comes_once_before_it_lapses(self, northwind, network):
        payment = paid(northwind, network)
        completing.warn_due(now_plus(5 * DAY))
        assert "expiring" not in types_of(payment)
        for _ in range(2):
            completing.warn_due(now_plus(6.5 * DAY))
        assert types_of(payment) == ["created", "authorized", "expiring"]
        completing.expire_due(now_plus(8 * DAY))
        assert fresh(payment).state == "expired"

    def test_does_not_come_for_what_we_capture_before(self, northwind, network):
        at = clock.now()
        payment = paid(
            northwind, network, capture_method="scheduled", capture_at=at + timedelta(days=6, hours=20)
        )
        completing.warn_due(now_plus(6.5 * DAY))
        assert "expiring" not in types_of(payment)


class TestIncrease:
    def test_makes_the_payment_of_more_and_all_of_it_can_be_captured(self, northwind, ada, network):
        payment = paid(northwind, network, shares=[(ada, 6_000)])
        payment = raised(payment, 2_500)
        assert (payment.amount_minor, payment.authorized_minor) == (12_500, 12_500)
        assert raised(payment, 500).authorized_minor == 13_000
        payment = captured(payment)
        assert (payment.state, payment.captured_minor) == ("captured", 13_000)
        first = network.truth(reference=payment.public_id)[0]
        more = network.truth(kind="increment", authorization_id=first["id"])
        assert [row["amount"] for row in (first, *more)] == [10_000, 2_500, 500]
        assert_all_invariants_hold()

    def test_is_made_once(self, northwind, network):
        payment, operation_id = paid(northwind, network), uuid7()
        assert raised(payment, 700, operation_id).amount_minor == 10_700
        assert raised(payment, 700, operation_id).amount_minor == 10_700

    def test_that_is_declined_leaves_it_as_it_was(self, northwind, network):
        payment = raised(paid(northwind, network, "increment_declined"), 700)
        assert (payment.state, payment.amount_minor, payment.increasing_minor) == ("authorized", 10_000, 0)
        assert payment.last_operation.outcome_code == "insufficient_funds"
        assert captured(payment).captured_minor == 10_000

    def test_that_is_not_known_keeps_others_away_until_it_is(self, northwind, network):
        network.script("reset_after", operation="increment")
        payment = paid(northwind, network)
        assert raised(payment, 700).is_processing
        for verb in (captured, cancelled, lambda row: raised(row, 1)):
            with pytest.raises(OperationOpen):
                verb(payment)
        recovering.sweep(now_plus(10))
        assert fresh(payment).authorized_minor == 10_700
        assert_all_invariants_hold()

    def test_is_refused_where_it_cannot_be(self, northwind, network, monkeypatch):
        payment = paid(northwind, network)
        with pytest.raises(IncreaseTooLarge):
            raised(payment, 10**12)
        able = frozenset(set(Capability) - {Capability.INCREMENT})
        with monkeypatch.context() as patch:
            patch.setattr(registry.provider(), "capabilities", able)
            with pytest.raises(IncreaseNotPossible):
                raised(payment, 1)
        captured(payment, 1)
        with pytest.raises(StateConflict):
            raised(payment, 1)
        assert len(network.truth(reference=operation_of(payment, "authorize").public_id)) == 0

    @pytest.mark.races
    def test_at_once_with_a_capture_one_of_them_goes_first(self, northwind, network):
        payment = paid(northwind, network)
        outcomes = together(lambda: raised(payment, 700), lambda: captured(payment))
        assert len(results(outcomes)) >= 1
        assert all(isinstance(error, OperationOpen | StateConflict) for error in errors(outcomes))
        row = fresh(payment)
        assert row.captured_minor in (0, 10_000, 10_700)
        assert row.authorized_minor in (10_000, 10_700)
        assert_all_invariants_hold()


class TestTheRest:
    def test_of_a_final_capture_is_given_back(self, northwind, ada, network):
        payment = captured(paid(northwind, network, shares=[(ada, 6_000)]), 4_000, final=True)
        assert payment.state == "captured"
        jobs.run_due(now_plus(1))
        assert types_of(payment)[-1] == "rest_released"
        void = operation_of(payment, "release")
        assert (void.outcome, void.amount_minor) == ("approved", 6_000)
        assert {row["kind"]: row["amount"] for row in network.truth() if row["authorization_id"] == (
            payment.provider_reference)} == {"capture": 4_000, "void": 6_000}  # fmt: skip
        assert_all_invariants_hold()

    def test_of_several_captures_is_given_back_when_the_payment_is_completed(self, northwind, network):
        payment = paid(northwind, network)
        captured(payment, 1_000)
        captured(payment, 2_000)
        payment = done(payment)
        assert (payment.state, payment.captured_minor) == ("completed", 3_000)
        jobs.run_due(now_plus(1))
        assert operation_of(payment, "release").amount_minor == 7_000
        assert types_of(payment)[-3:] == ["capture_closed", "completed", "rest_released"]
        assert_all_invariants_hold()

    def test_that_is_refused_or_not_known_holds_nothing_up(self, northwind, network):
        network.script("reset_after", operation="void")
        payment = captured(paid(northwind, network), 4_000, final=True)
        jobs.run_due(now_plus(1))
        assert operation_of(payment, "release").is_awaited
        assert done(payment).state == "completed"
        recovering.sweep(now_plus(30))
        assert operation_of(payment, "release").has_succeeded

    def test_needs_no_call_where_nothing_is_left(self, northwind, network):
        payment = captured(paid(northwind, network))
        jobs.run_due(now_plus(1))
        assert not payment.operations.filter(leg="release").exists()
        with pytest.raises(StateConflict):
            voiding.cancel(
                merchant_id=northwind.pk, payment_id=payment.pk, operation_id=uuid7(), reason="", actor=KEY,
                at=clock.now(),
            )  # fmt: skip
