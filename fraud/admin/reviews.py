"""The review desk: what waits for a person, the first to expire first, with all that is needed to decide."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.http import HttpRequest
from django.utils.safestring import SafeString

from fraud.admin.findings import findings_panel, payment_link
from fraud.models import FraudCheck, FraudReview
from fraud.services import reviewing
from fraud.states import ReviewState
from ledger.admin import filters, formats
from ledger.admin.base import (
    Facts,
    Panel,
    ReasonedAction,
    ViewOnlyAdmin,
    badge_column,
    by,
    link_column,
    moment_column,
)

EARLIER_SHOWN = 20


def _is_open(review: FraudReview) -> bool:
    return review.state == ReviewState.OPEN


@admin.register(FraudReview)
class FraudReviewAdmin(ViewOnlyAdmin):
    """Reviews of payments that the engine did not decide alone."""

    list_display = [
        "payment",
        "merchant_shown",
        "amount",
        "level",
        "score",
        "rules",
        "state_shown",
        "expires",
    ]
    list_select_related = ["merchant", "fraud_check"]
    list_filter = [filters.state_of(FraudReview)]
    search_fields = ["=payment_ref"]
    reasoned_actions = [
        ReasonedAction(
            name="approve",
            label="Approve",
            permission="fraud.decide_review",
            perform=by(reviewing.approve, "review_id", of_merchant=False),
            done="The review is approved; the payment goes on.",
            is_offered=_is_open,
            explains="The payment goes on to be authorized. The first verdict counts.",
        ),
        ReasonedAction(
            name="decline",
            label="Decline",
            permission="fraud.decide_review",
            perform=by(reviewing.decline, "review_id", of_merchant=False),
            done="The review is declined; the payment ends.",
            is_offered=_is_open,
            explains="The payment ends without being sent to the network. The first verdict counts.",
            is_dangerous=True,
        ),
    ]
    merchant_shown = link_column("merchant")
    state_shown = badge_column("state")
    expires = moment_column("expires_at", "expires")

    def get_ordering(self, request: HttpRequest) -> list[str]:
        return ["undecided", "expires_at", "pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[FraudReview]:
        # The desk's order: what is open first, and of that the first to expire.
        undecided = Case(
            When(state=ReviewState.OPEN, then=Value(0)), default=Value(1), output_field=IntegerField()
        )
        return FraudReview.objects.annotate(undecided=undecided).order_by(*self.get_ordering(request))

    @admin.display(description="payment")
    def payment(self, row: FraudReview) -> SafeString:
        return formats.code(row.payment_ref)

    @admin.display(description="amount", ordering="fraud_check__amount_minor")
    def amount(self, row: FraudReview) -> SafeString:
        return formats.money(row.fraud_check.amount_minor, row.fraud_check.currency)

    @admin.display(description="level")
    def level(self, row: FraudReview) -> SafeString:
        return formats.badge(row.fraud_check.level)

    @admin.display(description="score", ordering="fraud_check__score")
    def score(self, row: FraudReview) -> int:
        return row.fraud_check.score

    @admin.display(description="found")
    def rules(self, row: FraudReview) -> str:
        return ", ".join(sorted({f["rule"].replace("_", " ") for f in row.fraud_check.findings}))

    def facts(self, row: FraudReview) -> list[Facts]:
        check = row.fraud_check
        return [
            Facts(
                "To decide",
                [
                    ("payment", payment_link(row.payment_ref)),
                    ("amount", formats.money(check.amount_minor, check.currency)),
                    ("merchant", formats.link(row.merchant)),
                    ("state", formats.badge(row.state)),
                    ("level", formats.badge(check.level)),
                    ("score", f"{check.score} of 1000"),
                    ("opened", formats.moment(row.opened_at)),
                    ("expires (then refused)", formats.moment(row.expires_at)),
                    ("check", formats.link(check, check.public_id)),
                    ("decided by", row.decided_by or formats.NOTHING),
                    ("decided", formats.moment(row.decided_at)),
                    ("reason", row.reason or formats.NOTHING),
                ],
            )
        ]

    def panels(self, row: FraudReview) -> Iterable[Panel]:
        check = row.fraud_check
        yield findings_panel(check)
        yield _windows(check)
        yield _earlier(check)


def _windows(check: FraudCheck) -> Panel:
    usage: dict[str, Any] = check.features.get("usage", {})
    return Panel(
        "Attempts before this one",
        ["by", "in the last", "attempts", "failed", f"sum in {check.currency}"],
        [
            [
                name.rpartition("_")[0],
                {"3600s": "hour", "86400s": "day"}.get(name.rpartition("_")[2], name),
                attempts,
                failures,
                formats.money(sum_minor, check.currency),
            ]
            for name, (attempts, failures, sum_minor) in usage.items()
        ],
        empty="nothing was told that attempts could be counted by, or the facts were not to be had",
    )


def _earlier(check: FraudCheck) -> Panel:
    headings = ["when", "payment", "amount", "decision", "score"]
    if check.customer_key is None:
        return Panel("Earlier checks of this customer", headings, [], empty="the customer was not told")
    earlier = FraudCheck.objects.filter(
        merchant_id=check.merchant_id, customer_key=check.customer_key, occurred_at__lt=check.occurred_at
    ).order_by("-occurred_at")[:EARLIER_SHOWN]
    rows = [
        [
            formats.moment(other.occurred_at),
            formats.link(other, other.payment_ref),
            formats.money(other.amount_minor, other.currency),
            formats.badge(other.decision),
            other.score,
        ]
        for other in earlier
    ]
    return Panel("Earlier checks of this customer", headings, rows, note=f"The latest {EARLIER_SHOWN}.")
