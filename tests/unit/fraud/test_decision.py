"""Findings to a decision: a table of cases, and what must hold of any findings at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud.engine.decision import combine, judge, level_of
from fraud.engine.defaults import DEFAULT_RULES
from fraud.engine.types import Decision, Finding, Level

APPROVE, REVIEW, DECLINE = Decision


def finding(
    rule: str = "amount", effect: Decision = REVIEW, weight: int = 0, *, allows: bool = False
) -> Finding:
    return Finding(rule, 1, effect, 2, 1, "attempts", weight, allows=allows)


BLOCK = finding("block_ip", DECLINE, 1000)
ALLOW = finding("allow_customer", APPROVE, allows=True)

CASES = [
    ("nothing found", [], APPROVE, 0, Level.LOW),
    ("one review", [finding(weight=400)], REVIEW, 400, Level.MEDIUM),
    ("one decline", [finding(effect=DECLINE, weight=900)], DECLINE, 900, Level.CRITICAL),
    ("the most severe wins", [finding(weight=400), finding(effect=DECLINE)], DECLINE, 400, Level.MEDIUM),
    (
        "an allow list overrides a decline",
        [finding(effect=DECLINE, weight=900), ALLOW],
        APPROVE,
        900,
        "CRITICAL",
    ),
    ("a block list beats an allow list", [ALLOW, BLOCK], DECLINE, 1000, Level.CRITICAL),
    (
        "weights add up to a review by score",
        [finding(effect=APPROVE, weight=400)] * 2,
        REVIEW,
        640,
        Level.HIGH,
    ),
    ("weights add up to a decline by score", [finding(weight=450)] * 6, DECLINE, 973, Level.CRITICAL),
]


class TestJudge:
    @pytest.mark.parametrize(
        ("findings", "decision", "score", "level"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
    )
    def test_decides(self, findings, decision, score, level):
        judgement = judge(findings, DEFAULT_RULES)
        assert (judgement.decision, judgement.score, judgement.level) == (decision, score, level)

    def test_says_when_the_score_decided(self):
        judgement = judge([finding(effect=APPROVE, weight=400)] * 2, DEFAULT_RULES)
        by_score = judgement.findings[-1]
        assert (by_score.rule, by_score.observed, by_score.threshold) == ("score", 640, 600)

    def test_the_score_is_silent_where_a_rule_asks_for_as_much(self):
        assert [f.rule for f in judge([finding(weight=700)], DEFAULT_RULES).findings] == ["amount"]

    def test_keeps_what_an_allow_list_overrode(self):
        assert finding(effect=DECLINE) in judge([finding(effect=DECLINE), ALLOW], DEFAULT_RULES).findings

    def test_a_list_that_could_not_be_read_is_no_hit(self):
        broken = Finding("block_ip", 1, REVIEW, 0, 0, "none", is_failure=True)
        assert judge([broken], DEFAULT_RULES).decision is REVIEW


findings = st.lists(
    st.builds(
        Finding,
        rule=st.sampled_from(["amount", "count_ip_1h", "block_ip", "allow_ip"]),
        version=st.just(1),
        effect=st.sampled_from(Decision),
        observed=st.integers(0, 10**12),
        threshold=st.integers(0, 10**12),
        unit=st.just("minor"),
        weight=st.integers(0, 1000),
    ),
    max_size=12,
)


class TestAnyFindings:
    @given(findings, st.randoms())
    def test_order_does_not_matter(self, found, random):
        shuffled = list(found)
        random.shuffle(shuffled)
        first, second = judge(found, DEFAULT_RULES), judge(shuffled, DEFAULT_RULES)
        assert (first.decision, first.score, first.level) == (second.decision, second.score, second.level)

    @given(findings)
    def test_score_is_in_thousandths_and_no_finding_lowers_it(self, found):
        scores = [combine([f.weight for f in found[:count]]) for count in range(len(found) + 1)]
        assert scores == sorted(scores)
        assert all(type(score) is int and 0 <= score <= 1000 for score in scores)

    @given(findings, st.sampled_from(Decision))
    def test_without_an_allow_list_more_findings_are_never_milder(self, found, effect):
        before = judge(found, DEFAULT_RULES).decision
        after = judge([*found, finding(effect=effect)], DEFAULT_RULES).decision
        assert after.severity >= before.severity

    @given(st.integers(0, 1000), st.integers(0, 1000))
    def test_levels_rise_with_the_score(self, one, other):
        order = list(Level)
        low, high = sorted((one, other))
        assert order.index(level_of(low, DEFAULT_RULES)) <= order.index(level_of(high, DEFAULT_RULES))

    @given(st.integers(0, 1000))
    def test_a_single_weight_is_the_score(self, weight):
        assert combine([weight]) == weight
