"""Another provider is asked only where the first certainly took nothing, and never twice over."""

from typing import Any

import pytest
from django.db import IntegrityError

from ledger import clock
from ledger.actors import provider_actor, staff_actor
from ledger.ids import uuid7
from ledger.models import JournalEntry
from payments.models import Contradiction, Payment, ProviderOperation
from payments.providers.outcomes import Approved
from payments.services.calls import operations, recovering
from payments.services.calls.failing_over import NOW_SECONDS
from payments.services.routes import keeping_routes
from tests.factories import payments as rows
from tests.kit import stored
from tests.kit.books import assert_all_invariants_hold
from tests.kit.shop import work_until
from tests.services.payments.cast import (
    authorized,
    cancelled,
    created,
    now_plus,
    sold,
    types_of,
    usd,
    wish,
)

pytestmark = pytest.mark.django_db(transaction=True)
DO_NOT_HONOR, NO_FUNDS, LOST = "4000000000000002", "4000000000009995", "4000000000009987"


@pytest.fixture
def wanted(merchant_client, northwind, network):
    def make(number: str = "", stripe: str = "pm_card_visa", **more: Any) -> Any:
        method = stored.card(merchant_client, northwind, number=number, stripe=stripe)
        return wish("", method_id=method.pk, customer_ref=method.customer_ref, **more)

    return make


def tries(payment: Payment) -> list[tuple[str, str]]:
    found = ProviderOperation.objects.filter(payment=payment, kind="authorize").order_by("created_at", "id")
    return [(row.provider, row.outcome) for row in found]


@pytest.fixture
def stripe_is_next(northwind):
    """The merchant wants Stripe asked after VelocityPay, whatever the scores say of the others."""
    rule = {"name": "stripe is next", "providers": ["velocitypay", "stripe"]}
    keeping_routes.write(
        merchant_id=northwind.pk, content={"rules": [rule]}, reason="for certainty",
        actor=staff_actor(1, "finn"), at=clock.now(),
    )  # fmt: skip


@pytest.mark.usefixtures("stripe_is_next")
class TestGoingElsewhere:
    def test_after_a_soft_decline(self, northwind, wanted, network):
        payment = sold(northwind, wanted(DO_NOT_HONOR, capture_method="automatic"))
        assert (payment.state, payment.provider) == ("captured", "stripe")
        assert tries(payment) == [("velocitypay", "declined"), ("stripe", "approved")]
        assert types_of(payment) == ["created", "rerouted", "captured"]
        assert payment.decline_code == ""
        assert JournalEntry.objects.filter(source_id=payment.pk).count() == 1
        assert_all_invariants_hold()

    def test_when_nothing_was_sent(self, northwind, wanted, network):
        wish_ = wanted(capture_method="automatic")
        network.down()
        payment = sold(northwind, wish_)
        assert (payment.state, payment.provider) == ("captured", "stripe")
        assert tries(payment) == [("velocitypay", "not_sent"), ("stripe", "approved")]
        first, second = ProviderOperation.objects.filter(payment=payment, kind="authorize").order_by("pk")[:2]
        assert first.idempotency_key != second.idempotency_key
        assert_all_invariants_hold()

    def test_of_an_authorization_alone(self, northwind, wanted, network):
        payment = authorized(created(northwind, wanted(DO_NOT_HONOR)))
        assert (payment.state, payment.provider) == ("authorized", "stripe")
        assert payment.method_token == "pm_card_visa"

    def test_is_told_with_the_second_try(self, northwind, wanted, network):
        payment = sold(northwind, wanted(DO_NOT_HONOR, capture_method="automatic"))
        route = ProviderOperation.objects.get(payment=payment, kind="authorize", provider="stripe").route
        assert route["attempt"] == 2
        assert route["after"]["because"] == "declined: do_not_honor"
        assert route["excluded"] == {"velocitypay": "was asked already"}

    def test_ends_when_all_say_no(self, northwind, wanted, network):
        payment = sold(northwind, wanted(DO_NOT_HONOR, "pm_card_chargeDeclined", capture_method="automatic"))
        assert (payment.state, payment.decline_code) == ("failed", "do_not_honor")
        everybody = ("velocitypay", "stripe", "adyen")
        assert tries(payment) == [(provider, "declined") for provider in everybody]
        assert_all_invariants_hold()

    def test_a_repeated_request_finds_the_last_try(self, northwind, wanted, network):
        wish_, payment_id = wanted(DO_NOT_HONOR, capture_method="automatic"), uuid7()
        sold(northwind, wish_, payment_id)
        again = sold(northwind, wish_, payment_id)
        assert (again.state, again.is_processing) == ("captured", False)
        assert len(tries(again)) == 2


class TestStaying:
    @pytest.mark.parametrize("number", [NO_FUNDS, LOST])
    def test_after_a_decline_that_is_the_payers(self, northwind, wanted, network, number):
        payment = sold(northwind, wanted(number, capture_method="automatic"))
        assert payment.state == "failed"
        assert len(tries(payment)) == 1

    @pytest.mark.parametrize("scenario", ["4000000000001018", "4000000000001042", "4000000000001067"])
    def test_after_unknown(self, northwind, wanted, network, scenario):
        payment = sold(northwind, wanted(scenario, capture_method="automatic"))
        assert payment.state == "created"
        assert tries(payment) == [("velocitypay", "unknown")]
        for seconds in (6, 30, 60):
            recovering.sweep(now_plus(seconds))
        assert tries(payment) == [("velocitypay", "approved")]
        assert Payment.objects.get(pk=payment.pk).state == "captured"

    def test_after_a_challenge(self, northwind, wanted, network):
        payment = sold(northwind, wanted("4000008260003178", capture_method="automatic"))
        network.act(payment.action_url)
        work_until(now_plus(5))
        recovering.sweep(now_plus(30))
        assert len(tries(payment)) == 1

    def test_with_a_token_of_one_provider(self, northwind, network):
        payment = sold(northwind, wish(network.card("generic_decline")["token"], capture_method="automatic"))
        assert (payment.state, len(tries(payment))) == ("failed", 1)

    def test_where_the_merchant_wants_one_try(self, northwind, wanted, network):
        keeping_routes.write(
            merchant_id=northwind.pk,
            content={"attempts_max": 1},
            reason="one is enough",
            actor=staff_actor(1, "finn"),
            at=clock.now(),
        )
        payment = sold(northwind, wanted(DO_NOT_HONOR, capture_method="automatic"))
        assert (payment.state, len(tries(payment))) == ("failed", 1)

    def test_when_the_customer_has_waited_too_long(self, northwind, wanted, network, monkeypatch):
        ticks = iter(range(0, 10_000, NOW_SECONDS + 1))
        monkeypatch.setattr("payments.services.calls.failing_over.clock.monotonic", lambda: next(ticks))
        payment = sold(northwind, wanted(DO_NOT_HONOR, capture_method="automatic"))
        assert (payment.state, len(tries(payment))) == ("failed", 1)

    def test_when_the_payment_was_cancelled_meanwhile(self, northwind, wanted, network, monkeypatch):
        call = operations.call

        def cancel_meanwhile(operation):
            outcome = call(operation)
            payment = Payment.objects.get(pk=operation.payment_id)
            cancelled(payment)
            return outcome

        monkeypatch.setattr(operations, "call", cancel_meanwhile)
        payment = authorized(created(northwind, wanted(DO_NOT_HONOR)))
        assert payment.state == "cancelled"
        assert tries(payment) == [("velocitypay", "declined")]
        assert_all_invariants_hold()


class TestTheFirstSaysYesAfterAll:
    def late(self, payment: Payment) -> ProviderOperation:
        first = ProviderOperation.objects.get(payment=payment, kind="authorize", provider="velocitypay")
        operations.conclude(
            first,
            Approved("au_late", usd(10_000), usd(0)),
            actor=provider_actor("velocitypay"),
            at=clock.now(),
        )
        return first

    def test_that_is_a_contradiction_and_is_given_back(self, northwind, wanted, network, monkeypatch):
        payment = authorized(created(northwind, wanted(DO_NOT_HONOR)))
        first = self.late(payment)
        found = Contradiction.objects.get(operation=first)
        assert (found.said, found.state) == ("approved", "open")
        asked = []
        monkeypatch.setattr(
            operations, "call",
            lambda operation: asked.append(operation) or Approved("vo_1", usd(10_000), usd(0)),
        )  # fmt: skip
        work_until(now_plus(5))
        assert [(row.provider, row.kind, row.request["authorization"]) for row in asked] == [
            ("velocitypay", "void", "au_late")
        ]
        found.refresh_from_db()
        assert found.state == "closed"
        assert Payment.objects.get(pk=payment.pk).state == "authorized"
        assert_all_invariants_hold()

    def test_what_is_not_given_back_waits_for_a_person(self, northwind, wanted, network):
        payment = authorized(created(northwind, wanted(DO_NOT_HONOR)))
        first = self.late(payment)
        work_until(now_plus(5))  # the network has no such authorization
        assert Contradiction.objects.get(operation=first).state == "open"
        assert Payment.objects.get(pk=payment.pk).state == "authorized"


class TestTheDatabase:
    def test_has_one_live_authorization_of_a_payment(self, northwind):
        payment = rows.create_payment(northwind)
        rows.create_operation(payment, "authorize", "authorize")
        with pytest.raises(IntegrityError, match="payments_operation_one_live_authorization"):
            rows.create_operation(payment, "authorize", "authorize:2", outcome="", concluded_at=None)
