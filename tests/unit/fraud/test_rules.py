"""Rules against features: thresholds, windows, lists, and rules that cannot be evaluated."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fraud.engine.defaults import DEFAULT_RULES
from fraud.engine.features import keys_of, opaque
from fraud.engine.pipeline import review_seconds, run
from fraud.engine.rules import CAPPED, NO_LIMIT, evaluate
from fraud.engine.types import (
    ATTEMPTS_READ_MAX,
    Decision,
    Features,
    Finding,
    ListHit,
    ListKind,
    Rule,
    RuleKind,
    ScreeningRequest,
    Unknowable,
    Usage,
)
from ledger.money import Money

APPROVE, REVIEW, DECLINE = Decision
AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def request(minor: int = 1_999, currency: str = "USD", **told: str) -> ScreeningRequest:
    given = {"customer_ref": "carla", "method_fingerprint": "fp_1", "ip": "203.0.113.9", **told}
    return ScreeningRequest(uuid.UUID(int=1), "pay_1", Money(minor, currency), AT, **given)


NOTHING = Features()


def judged(known: Features | Unknowable = NOTHING, **asked) -> dict[str, Finding]:
    return {f.rule: f for f in evaluate(DEFAULT_RULES, request(**asked), known)}


class TestAmount:
    @pytest.mark.parametrize(
        ("currency", "minor", "effect"),
        [
            ("USD", 1_000_000, None),
            ("USD", 1_000_001, REVIEW),
            ("USD", 5_000_000, REVIEW),
            ("USD", 5_000_001, DECLINE),
            ("JPY", 1_500_000, None),
            ("JPY", 1_500_001, REVIEW),
            ("KWD", 3_000_000, None),
            ("KWD", 3_000_001, REVIEW),
            ("KWD", 15_000_001, DECLINE),
        ],
    )
    def test_is_held_against_the_currency_s_limits(self, currency, minor, effect):
        found = judged(minor=minor, currency=currency).get("amount")
        assert (found.effect if found else None) is effect

    def test_names_what_was_observed_and_the_threshold(self):
        found = judged(minor=1_000_001)["amount"]
        assert (found.observed, found.threshold, found.unit, found.version) == (
            1_000_001,
            1_000_000,
            "minor",
            1,
        )

    def test_speaks_with_its_posture_where_no_limit_is_set(self):
        found = judged(currency="XOF")["amount"]
        assert (found.effect, found.is_failure, found.detail) == (REVIEW, True, NO_LIMIT)


class TestVelocity:
    def test_counts_the_present_attempt(self):
        at_limit = Features({("method", 3600): Usage(attempts=14)})
        over = Features({("method", 3600): Usage(attempts=15)})
        assert "count_method_1h" not in judged(at_limit)
        assert judged(over)["count_method_1h"].observed == 16

    def test_adds_the_present_amount(self):
        found = judged(Features({("customer", 86400): Usage(sum_minor=4_000_000)}), minor=1)
        assert found["sum_customer_24h"].observed == 4_000_001

    def test_counts_failures_as_heard(self):
        found = judged(Features({("method", 3600): Usage(attempts=11, failures=11)}))["failures_method_1h"]
        assert (found.effect, found.observed, found.threshold) == (DECLINE, 11, 10)

    def test_says_nothing_of_a_key_that_was_not_told(self):
        assert judged(Features()) == {}

    def test_never_passes_on_a_capped_figure(self):
        found = judged(Features({("ip", 86400): Usage(attempts=100, sum_minor=5, is_capped=True)}))
        assert found["sum_ip_24h"].detail == CAPPED
        assert found["sum_ip_24h"].effect is REVIEW

    def test_a_capped_figure_over_the_limit_declines(self):
        found = judged(Features({("ip", 86400): Usage(attempts=1_000, is_capped=True)}))["count_ip_24h"]
        assert (found.effect, found.is_failure) == (DECLINE, False)


class TestLists:
    def test_block_declines_and_names_the_entry(self):
        found = judged(Features(list_hits=(ListHit(ListKind.BLOCK, "ip", "e1"),)))["block_ip"]
        assert (found.effect, found.weight, found.detail) == (DECLINE, 1000, "e1")

    def test_allow_approves(self):
        known = Features(list_hits=(ListHit(ListKind.ALLOW, "customer", "e1"),))
        assert run(request(minor=9_000_000), known, DEFAULT_RULES).decision is APPROVE


class TestUnknowable:
    def test_every_rule_that_needs_features_speaks_with_its_posture(self):
        found = judged(Unknowable("statement timeout"))
        needing = {r.code for r in DEFAULT_RULES if r.kind.startswith("velocity")} | {"lists"}
        assert set(found) == needing
        assert all(f.is_failure and f.effect is REVIEW for f in found.values())

    def test_many_silent_rules_do_not_add_up_to_a_decline(self):
        judgement = run(request(), Unknowable("gone"), DEFAULT_RULES)
        assert (judgement.decision, judgement.score) == (REVIEW, 0)

    @pytest.mark.parametrize("posture", list(Decision))
    def test_follows_the_declared_posture(self, posture):
        rule = Rule(
            "count_ip_1h", RuleKind.VELOCITY_COUNT, {"*": {"review": 1}}, "ip", 3600, fail_posture=posture
        )
        assert run(request(), Unknowable("gone"), [rule]).decision is posture

    def test_still_judges_the_amount(self):
        judgement = run(request(minor=5_000_001), Unknowable("gone"), DEFAULT_RULES)
        assert judgement.decision is DECLINE


class TestDefaults:
    def test_codes_are_unique(self):
        assert len({rule.code for rule in DEFAULT_RULES}) == len(DEFAULT_RULES)

    def test_review_comes_before_decline(self):
        for rule in DEFAULT_RULES:
            for limits in rule.limits.values():
                assert limits.get("review", 0) <= limits.get("decline", limits.get("review", 0))

    def test_no_count_lies_beyond_what_is_read(self):
        for rule in DEFAULT_RULES:
            if rule.kind in {RuleKind.VELOCITY_COUNT, RuleKind.VELOCITY_FAILURES}:
                assert rule.limits["*"]["decline"] < ATTEMPTS_READ_MAX

    def test_a_review_stays_open_three_days(self):
        assert review_seconds(DEFAULT_RULES) == 259_200


class TestKeys:
    def test_are_opaque_and_stable(self):
        assert opaque("ip", "203.0.113.9", "pepper") == opaque("ip", " 203.0.113.9 ", "pepper")
        assert "203" not in opaque("ip", "203.0.113.9", "pepper")
        assert len(opaque("ip", "203.0.113.9", "pepper")) == 32

    def test_differ_by_dimension_and_by_pepper(self):
        assert len({opaque(d, "x", p) for d in ("ip", "email") for p in ("one", "other")}) == 4

    def test_email_meets_whatever_its_case(self):
        assert opaque("email", "Carla@Example.com", "p") == opaque("email", "carla@example.com", "p")

    def test_what_was_not_told_has_no_key(self):
        told = keys_of(replace(request(), ip=""), "pepper").by_dimension
        assert set(told) == {"customer", "method"}


def test_findings_survive_being_stored():
    for found in evaluate(DEFAULT_RULES, request(minor=9_000_000), Unknowable("gone")):
        assert Finding.from_json(found.as_json()) == found
