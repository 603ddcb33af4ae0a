"""Rules against features: each rule that has something to say makes one finding.

A count or a sum is held against its limits with the present attempt included: "more than 15 in an hour"
means that the sixteenth is found. A rule that cannot be evaluated (features not to be had, no limit for the
currency, more rows than are read) is itself a finding that speaks with the rule's declared posture.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from fraud.engine.types import (
    Decision,
    Features,
    Finding,
    ListKind,
    Rule,
    RuleKind,
    ScreeningRequest,
    Unknowable,
    Usage,
)

VELOCITY_KINDS: Final = {RuleKind.VELOCITY_COUNT, RuleKind.VELOCITY_SUM, RuleKind.VELOCITY_FAILURES}
ANY: Final = "*"
CAPPED: Final = "more attempts than are read"
NO_LIMIT: Final = "no limit is set for this currency"


def evaluate(rules: Sequence[Rule], request: ScreeningRequest, known: Features | Unknowable) -> list[Finding]:
    """Return what the rules find, in the order of the rules."""
    findings: list[Finding] = []
    for rule in rules:
        if rule.kind is RuleKind.AMOUNT:
            findings += _held_against(rule, request, request.amount.minor, "minor")
        elif rule.kind is RuleKind.LISTS:
            findings += _lists(rule, known)
        elif rule.kind in VELOCITY_KINDS:
            findings += _velocity(rule, request, known)
    return findings


def limits_for(rule: Rule, currency: str) -> dict[str, int] | None:
    """Return the limits that hold in a currency, or None when none are set."""
    return rule.limits.get(currency, rule.limits.get(ANY))


def failure(rule: Rule, detail: str) -> Finding:
    """Return the finding of a rule that could not be evaluated: its declared posture, and no weight.

    What is not known says nothing of the payment; many silent rules must not add up to a decline.
    """
    return Finding(
        rule=rule.code,
        version=rule.version,
        effect=rule.fail_posture,
        observed=0,
        threshold=0,
        unit="none",
        detail=detail,
        is_failure=True,
    )


def _velocity(rule: Rule, request: ScreeningRequest, known: Features | Unknowable) -> Iterator[Finding]:
    if isinstance(known, Unknowable):
        yield failure(rule, known.reason)
        return
    usage = known.usage.get((rule.dimension, rule.window_seconds or 0))
    if usage is None:  # the merchant did not tell this key: the rule has nothing to count
        return
    observed, unit = _observed(rule.kind, usage, request)
    found = list(_held_against(rule, request, observed, unit))
    if usage.is_capped and not any(finding.effect is Decision.DECLINE for finding in found):
        found = [failure(rule, CAPPED)]  # the figure is a lower bound: no rule may pass on it
    yield from found


def _observed(kind: RuleKind, usage: Usage, request: ScreeningRequest) -> tuple[int, str]:
    if kind is RuleKind.VELOCITY_SUM:
        return usage.sum_minor + request.amount.minor, "minor"
    if kind is RuleKind.VELOCITY_FAILURES:
        return usage.failures, "failures"
    return usage.attempts + 1, "attempts"


def _held_against(rule: Rule, request: ScreeningRequest, observed: int, unit: str) -> Iterator[Finding]:
    limits = limits_for(rule, request.amount.currency)
    if limits is None:
        yield failure(rule, NO_LIMIT)
        return
    for effect, weight in (
        (Decision.DECLINE, rule.decline_weight),
        (Decision.REVIEW, rule.review_weight),
    ):
        threshold = limits.get(effect)
        if threshold is not None and observed > threshold:
            yield Finding(rule.code, rule.version, effect, observed, threshold, unit, weight)
            return


def _lists(rule: Rule, known: Features | Unknowable) -> Iterator[Finding]:
    if isinstance(known, Unknowable):
        yield failure(rule, known.reason)
        return
    for hit in known.list_hits:
        is_block = hit.kind is ListKind.BLOCK
        yield Finding(
            rule=f"{hit.kind}_{hit.dimension}",
            version=rule.version,
            effect=Decision.DECLINE if is_block else Decision.APPROVE,
            observed=1,
            threshold=0,
            unit="entries",
            weight=rule.decline_weight if is_block else 0,
            detail=hit.entry_id,
            allows=not is_block,
        )
