"""Checks and signals for staff, and what fraud tells in a payment's story."""

from collections.abc import Iterable

from django.contrib import admin

from fraud.admin.findings import findings_panel
from fraud.models import FraudCheck, Signal
from ledger.admin import filters, formats
from ledger.admin.base import (
    Panel,
    ViewOnlyAdmin,
    badge_column,
    code_column,
    link_column,
    moment_column,
    money_column,
)
from ledger.admin.story import Context, Item, tells


@admin.register(FraudCheck)
class FraudCheckAdmin(ViewOnlyAdmin):
    """What the engine judged, on what grounds."""

    list_display = [
        "payment",
        "merchant_shown",
        "amount",
        "decision_shown",
        "level_shown",
        "score",
        "state_shown",
        "asked",
    ]
    list_select_related = ["merchant"]
    list_filter = ["decision", "level", "is_degraded"]
    search_fields = ["=payment_ref"]
    hidden_fields = ["findings", "event_hash"]

    payment = code_column("payment_ref", "payment")
    merchant_shown = link_column("merchant")
    amount = money_column()
    decision_shown = badge_column("decision")
    level_shown = badge_column("level")
    state_shown = badge_column("state")
    asked = moment_column("occurred_at", "asked")

    def panels(self, row: FraudCheck) -> Iterable[Panel]:
        yield findings_panel(row)


@admin.register(Signal)
class SignalAdmin(ViewOnlyAdmin):
    """Attempts as fraud remembers them: by opaque keys."""

    list_display = ["payment", "merchant_shown", "amount", "country", "outcome_shown", "asked"]
    list_select_related = ["merchant"]
    list_filter = ["outcome", filters.currency]
    search_fields = ["=payment_ref", "=customer_key", "=method_key", "=ip_key"]

    payment = code_column("payment_ref", "payment")
    merchant_shown = link_column("merchant")
    amount = money_column()
    outcome_shown = badge_column("outcome")
    asked = moment_column("occurred_at", "asked")


@tells("payment")
def screening_of(context: Context) -> Iterable[Item]:
    """Tell how the payment was screened, and what became of its review."""
    checks = FraudCheck.objects.filter(
        merchant_id=context.subject.merchant_id, payment_ref=context.subject.public_id
    ).select_related("review")
    for check in checks:
        rules = ", ".join(sorted({finding["rule"] for finding in check.findings})).replace("_", " ")
        yield Item(
            at=check.occurred_at,
            kind="screening",
            title=f"score {check.score} of 1000, {check.level}",
            detail=rules or "no rule had anything to say",
            badge=formats.badge(check.decision),
            tone={"approve": "good", "review": "watch", "decline": "bad"}[check.decision],
            link=formats.page_of(check),
            by=f"fraud engine, {check.duration_us / 1000:.1f} ms",
            written=check.recorded_at.timestamp(),
        )
        review = getattr(check, "review", None)
        if review is not None:
            yield Item(
                at=review.opened_at, kind="review", title="review opened", tone="watch",
                written=check.recorded_at.timestamp(),
                detail=f"to decide before {review.expires_at:%Y-%m-%d %H:%M}", link=formats.page_of(review),
            )  # fmt: skip
            if review.decided_at is not None:
                yield Item(
                    at=review.decided_at, kind="review", title=f"review {review.state}", detail=review.reason,
                    tone="good" if review.state == "approved" else "bad", by=review.decided_by,
                    link=formats.page_of(review),
                )  # fmt: skip
