"""Screening: verdicts on real windows, one check per payment, few statements, declared postures."""

from datetime import timedelta

import pytest
from django.db import OperationalError

from fraud import rulebook
from fraud.engine.types import ATTEMPTS_READ_MAX, Decision, Dimension, Level, ListKind
from fraud.models import FraudCheck, FraudReview, RiskRule, Signal
from fraud.services import configuring, screening
from fraud.services.remembering import keep_outcome
from fraud.services.screening import screen
from fraud.states import CheckState, Outcome, ReviewState
from ledger import clock, events
from ledger.ids import uuid7
from ledger.models import Event, Job
from tests.factories.fraud import screening_request as asked
from tests.kit.queries import statement_budget
from vendors.models import Merchant

NOW = clock.now()


def attempts(merchant: Merchant, count: int, *, minutes_ago: int = 5, **fields) -> None:
    """Remember `count` attempts of Carla's."""
    sample = asked(merchant.id)
    keys = screening.keys_of(sample, screening.settings.FRAUD_PEPPER)
    Signal.objects.bulk_create(
        Signal(
            merchant=merchant,
            payment_ref=f"old_{uuid7()}",
            occurred_at=NOW - timedelta(minutes=minutes_ago),
            amount_minor=fields.get("minor", 1_000),
            currency=fields.get("currency", "USD"),
            outcome=fields.get("outcome", Outcome.CAPTURED),
            **{f"{name}_key": keys.get(name) for name in fields.get("by", ("customer", "method", "ip"))},
        )
        for _ in range(count)
    )


class TestScreen:
    def test_approves_an_ordinary_payment(self, northwind):
        verdict = screen(asked(northwind.id))
        assert (verdict.decision, verdict.score, verdict.level) == (Decision.APPROVE, 0, Level.LOW)
        assert verdict.reasons == ()

    def test_keeps_the_check_the_signal_and_the_event(self, northwind):
        request = asked(northwind.id, minor=2_500, country="DE", email="carla@example.com")
        verdict = screen(request)
        check = FraudCheck.objects.get(pk=verdict.check_id)
        assert (check.state, check.payment_ref, check.amount_minor) == (
            "approved",
            request.payment_ref,
            2_500,
        )
        assert check.features["usage"]["customer_3600s"] == [0, 0, 0]
        signal = Signal.objects.get(merchant=northwind)
        assert (signal.outcome, signal.country, signal.amount_minor) == ("asked", "DE", 2_500)
        [event] = events.stream("fraud_check", check.id)
        assert (event.type, event.payload["payment"]) == ("fraud.check_approved", request.payment_ref)

    def test_remembers_no_name_number_or_address(self, northwind):
        screen(asked(northwind.id, email="carla@example.com"))
        kept = repr(Signal.objects.filter(merchant=northwind).values()) + repr(FraudCheck.objects.values())
        kept += repr(Event.objects.filter(merchant_id=northwind.id).values())
        for told in ("carla", "fp_carla", "203.0.113.9", "example.com"):
            assert told not in kept

    def test_declines_above_the_second_limit(self, northwind):
        verdict = screen(asked(northwind.id, minor=5_000_001, is_anonymous=True))
        assert verdict.decision is Decision.DECLINE
        [reason] = verdict.reasons
        assert (reason.rule, reason.observed, reason.threshold) == ("amount", 5_000_001, 5_000_000)

    def test_opens_a_review_with_its_job(self, northwind):
        verdict = screen(asked(northwind.id, minor=1_000_001))
        review = FraudReview.objects.get(fraud_check=verdict.check_id)
        assert (verdict.decision, review.state) == (Decision.REVIEW, ReviewState.OPEN)
        assert review.expires_at - review.opened_at == timedelta(days=3)
        assert Job.objects.get(reference=str(review.id)).run_at == review.expires_at
        types = set(Event.objects.filter(merchant_id=northwind.id).values_list("type", flat=True))
        assert types == {"fraud.check_referred", "fraud.review_opened"}

    def test_gives_the_same_verdict_again(self, northwind):
        request = asked(northwind.id, minor=1_000_001)
        first, again = screen(request), screen(request)
        assert first == again
        assert FraudCheck.objects.filter(merchant=northwind).count() == 1
        assert Signal.objects.filter(merchant=northwind).count() == 1

    def test_the_public_reasons_hold_no_figures(self, northwind):
        assert screen(asked(northwind.id, minor=5_000_001, is_anonymous=True)).reason_codes == ["amount"]


class TestStatements:
    def test_screening_takes_three(self, northwind):
        screen(asked(northwind.id))  # the rules are in the process now
        with statement_budget(3):
            screen(asked(northwind.id))

    def test_a_busy_customer_takes_no_more(self, northwind):
        screen(asked(northwind.id))
        attempts(northwind, 10)
        with statement_budget(3):
            screen(asked(northwind.id))

    def test_a_repeated_question_takes_three(self, northwind):
        request = asked(northwind.id)
        screen(request)
        with statement_budget(3):
            screen(request)

    def test_changed_rules_cost_one_more_once(self, northwind, analyst):
        screen(asked(northwind.id))
        configuring.publish_rule(
            merchant_id=northwind.id, code="amount", limits={"USD": {"review": 100}}, actor=analyst,
            reason="a trial", at=NOW,
        )  # fmt: skip
        with statement_budget(5):  # the rules; a review with the events; its job
            assert screen(asked(northwind.id)).decision is Decision.REVIEW
        with statement_budget(3):
            screen(asked(northwind.id, minor=99))


class TestVelocity:
    @pytest.mark.parametrize(("before", "decision"), [(14, "approve"), (15, "review"), (40, "decline")])
    def test_counts_attempts_by_method_in_an_hour(self, northwind, before, decision):
        attempts(northwind, before, by=("method",))
        assert screen(asked(northwind.id)).decision == decision

    def test_the_window_slides(self, northwind):
        attempts(northwind, 40, minutes_ago=61, by=("method",))
        verdict = screen(asked(northwind.id))
        assert [r.rule for r in verdict.reasons] == []
        attempts(northwind, 5, minutes_ago=59, by=("method",))
        assert [r.rule for r in screen(asked(northwind.id)).reasons] == ["count_method_24h"]

    def test_sums_only_the_currency_asked_in(self, northwind):
        attempts(northwind, 2, minor=2_000_000, currency="EUR", by=("customer",))
        assert screen(asked(northwind.id)).decision is Decision.APPROVE
        attempts(northwind, 1, minor=2_000_000, by=("customer",))
        [reason] = screen(asked(northwind.id, minor=1)).reasons
        assert (reason.rule, reason.observed) == ("sum_customer_1h", 2_002_000)

    def test_declined_attempts_count(self, northwind):
        for _ in range(3):
            screen(asked(northwind.id, minor=5_000_001))
        check = FraudCheck.objects.filter(merchant=northwind).latest("id")
        assert check.features["usage"]["method_3600s"][0] == 2

    def test_counts_failures_once_they_are_heard(self, northwind):
        attempts(northwind, 10, outcome=Outcome.ASKED, by=("method",))
        assert screen(asked(northwind.id)).decision is Decision.APPROVE
        for signal in Signal.objects.filter(merchant=northwind, outcome="asked"):
            keep_outcome(
                merchant_id=northwind.id, payment_ref=signal.payment_ref, outcome=Outcome.FAILED, at=NOW
            )
        [reason] = screen(asked(northwind.id)).reasons
        assert (reason.rule, reason.observed, reason.effect) == ("failures_method_1h", 11, Decision.DECLINE)

    def test_another_merchant_s_attempts_do_not_count(self, northwind):
        attempts(Merchant.objects.create(name="Southwind"), 50)
        assert screen(asked(northwind.id)).decision is Decision.APPROVE

    def test_a_key_busier_than_is_read_never_passes(self, northwind):
        attempts(northwind, ATTEMPTS_READ_MAX, by=("ip",), minor=1)
        verdict = screen(asked(northwind.id))
        capped = {r.rule for r in verdict.reasons if r.is_failure}
        assert verdict.decision is Decision.DECLINE
        assert {"sum_ip_1h", "sum_ip_24h", "failures_ip_1h"} <= capped


class TestLists:
    def list_carla(self, kind, analyst, merchant_id=None, **fields):
        return configuring.list_value(
            kind=kind, dimension=Dimension.EMAIL, value="Carla@example.com", label="c•••@example.com",
            actor=analyst, reason="asked by the bank", merchant_id=merchant_id,
            **{"at": NOW - timedelta(hours=1), **fields},
        )  # fmt: skip

    def test_a_block_declines(self, northwind, analyst):
        entry = self.list_carla(ListKind.BLOCK, analyst, northwind.id)
        [reason] = screen(asked(northwind.id, email="carla@example.com")).reasons
        assert (reason.rule, reason.effect, reason.detail) == ("block_email", "decline", str(entry.id))

    def test_an_allow_lets_a_large_amount_through(self, northwind, analyst):
        self.list_carla(ListKind.ALLOW, analyst, northwind.id)
        verdict = screen(asked(northwind.id, minor=5_000_001, email="carla@example.com", is_anonymous=True))
        assert (verdict.decision, verdict.score) == (Decision.APPROVE, 900)

    def test_the_house_s_list_holds_for_every_merchant(self, northwind, analyst):
        self.list_carla(ListKind.BLOCK, analyst)
        assert screen(asked(northwind.id, email="carla@example.com")).decision is Decision.DECLINE

    def test_another_merchant_s_list_does_not(self, northwind, analyst):
        self.list_carla(ListKind.BLOCK, analyst, Merchant.objects.create(name="Southwind").id)
        assert screen(asked(northwind.id, email="carla@example.com")).decision is Decision.APPROVE

    def test_holds_only_in_its_time(self, northwind, analyst):
        self.list_carla(ListKind.BLOCK, analyst, northwind.id, until=NOW - timedelta(minutes=1))
        assert screen(asked(northwind.id, email="carla@example.com")).decision is Decision.APPROVE

    def test_an_ended_entry_no_longer_holds_and_stays_on_record(self, northwind, analyst):
        entry = self.list_carla(ListKind.BLOCK, analyst, northwind.id)
        configuring.end_list_entry(entry_id=entry.id, actor=analyst, reason="a mistake", at=NOW)
        later = NOW + timedelta(seconds=1)
        assert screen(asked(northwind.id, at=later, email="carla@example.com")).decision == "approve"
        entry.refresh_from_db()
        assert entry.valid_until == NOW
        with pytest.raises(configuring.ListEntryNotFound):
            configuring.end_list_entry(entry_id=entry.id, actor=analyst, reason="again", at=NOW)


class TestWithoutFacts:
    def test_what_is_not_a_time_out_is_not_swallowed(self, northwind, monkeypatch):
        def broken(*_):
            raise OperationalError("the server is gone")

        monkeypatch.setattr(screening, "_screen", broken)
        with pytest.raises(OperationalError, match="gone"):
            screen(asked(northwind.id))


class TestRules:
    def test_a_merchant_s_limits_override_currency_by_currency(self, northwind, analyst):
        self.publish(northwind, analyst, {"USD": {"review": 100}})
        assert screen(asked(northwind.id, minor=101)).decision is Decision.REVIEW
        assert screen(asked(northwind.id, minor=101, currency="EUR")).decision is Decision.APPROVE

    def test_a_rule_can_be_switched_off(self, northwind, analyst):
        self.publish(northwind, analyst, None, is_active=False)
        assert screen(asked(northwind.id, minor=9_000_000)).reasons[0].rule != "amount"

    def test_holds_from_its_time_on_and_the_old_version_stays(self, northwind, analyst):
        self.publish(northwind, analyst, {"USD": {"review": 100}}, at=NOW - timedelta(days=2))
        self.publish(northwind, analyst, {"USD": {"review": 500}}, at=NOW - timedelta(days=1))
        assert screen(asked(northwind.id, minor=300, at=NOW)).decision is Decision.APPROVE
        back_then = NOW - timedelta(days=1, hours=1)
        assert screen(asked(northwind.id, minor=300, at=back_then)).decision is Decision.REVIEW
        rows = RiskRule.objects.filter(merchant=northwind).order_by("version")
        assert [row.version for row in rows] == [1, 2]

    @pytest.mark.parametrize(
        "limits",
        [
            {"*": {"review": 1}},
            {"USD": {"refuse": 1}},
            {"USD": {"review": 1.5}},
            {"USD": {"review": True}},
            {"USD": {"review": -1}},
            {"USD": {"review": 2, "decline": 1}},
        ],
    )
    def test_refuses_limits_that_could_not_be_evaluated(self, northwind, analyst, limits):
        with pytest.raises(configuring.BadLimits):
            self.publish(northwind, analyst, limits)
        assert not RiskRule.objects.filter(merchant=northwind).exists()

    def test_a_payment_of_long_ago_has_rules(self, northwind):
        long_ago = NOW - timedelta(days=9_000)
        assert screen(asked(northwind.id, minor=1_000_001, at=long_ago)).decision is Decision.REVIEW

    def test_without_rules_nothing_is_approved(self):
        with pytest.raises(rulebook.NoRules):
            rulebook.resolve([], NOW)

    def test_the_defaults_are_written_once(self, db):
        assert configuring.sync_defaults(NOW) == 0

    def publish(self, merchant, actor, limits, **fields):
        return configuring.publish_rule(
            merchant_id=merchant.id, code="amount", limits=limits, actor=actor, reason="a trial",
            **{"at": NOW, **fields},
        )  # fmt: skip


def test_states_of_a_check_are_its_decisions(northwind):
    assert CheckState.values == ["approved", "in_review", "declined"]
