"""What this floor explains: a check by the request that was judged, a review by the person who judged."""

from collections.abc import Sequence

from fraud.models import FraudCheck, FraudReview
from ledger.explain.registry import Scope, explains, first_events, keys_of, links_cause
from ledger.explain.types import Explanation, Link


@links_cause("fraud_check")
def _check(public_id: str) -> Link:
    return Link("the check", "", public_id)


@explains(FraudCheck.PREFIX)
def checks(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain checks: what was found, under which rules, in which request."""
    keys = keys_of(FraudCheck.PREFIX, tails)
    rows = list(scope.of(FraudCheck.objects.filter(pk__in=list(keys))))
    made = first_events([check.pk for check in rows], scope)
    return {
        keys[check.pk]: Explanation(
            ref=check.public_id,
            kind="fraud check",
            title=f"{check.decision} with score {check.score} of 1000, {len(check.findings)} findings",
            causes=(Link("screened", "", made[check.pk]),) if check.pk in made else (),
            evidence=(("payment", check.payment_ref), ("rules", check.rules_token)),
            at=check.occurred_at,
            page=("fraud_fraudcheck", str(check.pk)),
        )
        for check in rows
    }


@explains(FraudReview.PREFIX)
def reviews(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain reviews by the check that asked for one."""
    keys = keys_of(FraudReview.PREFIX, tails)
    rows = list(scope.of(FraudReview.objects.filter(pk__in=list(keys)).select_related("fraud_check")))
    return {keys[row.pk]: _review(row) for row in rows}


def _review(row: FraudReview) -> Explanation:
    return Explanation(
        ref=row.public_id,
        kind="fraud review",
        title=f"review that is {row.state}",
        causes=(Link("of the check", "", row.fraud_check.public_id),),
        page=("fraud_fraudreview", str(row.pk)),
    )
