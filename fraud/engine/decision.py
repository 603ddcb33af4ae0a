"""Findings to a decision: pure, total, and the same for the same findings in any order.

Policy, in this order:
1. a block list hit declines, whatever else is found (it beats an allow list: a mistake there costs a sale,
   the other way round it costs the money);
2. an allow list hit approves; the other findings are still scored and kept;
3. otherwise the most severe of the findings' effects and of the score's own limits; the score is a finding
   only where it asks for more than the others do.

The score is 1000 x (1 - product of (1 - weight)): findings add up, never past 1000, and none lowers it.
"""

from collections.abc import Sequence
from math import prod

from fraud.engine.rules import ANY
from fraud.engine.types import SCORE_MAX, Decision, Finding, Judgement, Level, Rule, RuleKind


def judge(findings: Sequence[Finding], rules: Sequence[Rule]) -> Judgement:
    """Return the decision on these findings; `rules` gives the score's limits and the levels."""
    score = combine([finding.weight for finding in findings])
    asked = max((finding.effect for finding in findings), key=_severity, default=Decision.APPROVE)
    found = [*findings, *(late for late in _by_score(score, rules) if late.effect.severity > asked.severity)]
    if any(_is_block(finding) for finding in found):
        decision = Decision.DECLINE
    elif any(finding.allows for finding in found):
        decision = Decision.APPROVE
    else:
        decision = max((finding.effect for finding in found), key=_severity, default=Decision.APPROVE)
    return Judgement(decision, score, level_of(score, rules), tuple(found))


def combine(weights: Sequence[int]) -> int:
    """Return the score of some weights, all in thousandths, in whole numbers throughout."""
    if not weights:
        return 0
    spared = prod(SCORE_MAX - weight for weight in weights)
    return SCORE_MAX - spared // SCORE_MAX ** (len(weights) - 1)


def level_of(score: int, rules: Sequence[Rule]) -> Level:
    """Return the level of a score: the highest whose bound it reaches."""
    bounds = next((rule.limits[ANY] for rule in rules if rule.kind is RuleKind.LEVELS), {})
    level = Level.LOW
    for candidate in (Level.MEDIUM, Level.HIGH, Level.CRITICAL):
        bound = bounds.get(candidate)
        if bound is not None and score >= bound:
            level = candidate
    return level


def _by_score(score: int, rules: Sequence[Rule]) -> list[Finding]:
    for rule in rules:
        if rule.kind is not RuleKind.SCORE:
            continue
        limits = rule.limits[ANY]
        for effect in (Decision.DECLINE, Decision.REVIEW):
            threshold = limits.get(effect)
            if threshold is not None and score >= threshold:
                return [Finding(rule.code, rule.version, effect, score, threshold, "thousandths")]
    return []


def _is_block(finding: Finding) -> bool:
    return finding.rule.startswith("block_") and not finding.is_failure


def _severity(effect: Decision) -> int:
    return effect.severity
