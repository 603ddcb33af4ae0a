"""The order of the steps: rules over features, then the decision. No input or output of its own.

The features are gathered by `services.screening` in one statement under a time limit of its own; when that
fails, `Unknowable` arrives here instead and every rule that needed them says so. A defect is not caught:
it stops the request loudly before any money moves.
"""

from collections.abc import Sequence

from fraud.engine import decision, rules
from fraud.engine.types import Features, Judgement, Rule, RuleKind, ScreeningRequest, Unknowable

DAY_SECONDS_DEFAULT = 86_400


def run(request: ScreeningRequest, known: Features | Unknowable, rule_set: Sequence[Rule]) -> Judgement:
    """Return the judgement on a request."""
    return decision.judge(rules.evaluate(rule_set, request, known), rule_set)


def review_seconds(rule_set: Sequence[Rule]) -> int:
    """Return how long a review may stay open under these rules."""
    for rule in rule_set:
        if rule.kind is RuleKind.REVIEW_WINDOW:
            return rule.limits[rules.ANY]["seconds"]
    return DAY_SECONDS_DEFAULT
