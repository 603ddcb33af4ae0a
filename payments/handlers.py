"""What this floor hears: the verdicts of manual fraud reviews, and its own warnings, which go out by mail."""

from ledger.events import Cause
from ledger.ids import parse
from ledger.models import Event
from ledger.outbox import handles
from payments.models import Payment
from payments.services.disputes import mailing_disputes
from payments.services.payments import completing

_REASONS = {
    "fraud.review_approved": "approved by a reviewer",
    "fraud.review_declined": "declined by a reviewer",
    "fraud.review_expired": "nobody reviewed it in time",
}


@handles(*_REASONS)
def follow_review(event: Event) -> None:
    """Let the payment go on, or end it, as the review ended; hearing it twice changes nothing."""
    completing.follow_review(
        parse(Payment.PREFIX, event.payload["payment"]),
        is_approved=event.type == "fraud.review_approved",
        reason=_REASONS[event.type],
        cause=Cause("event", str(event.pk)),
        at=event.occurred_at,
    )


@handles("dispute.evidence_due_soon")
def mail_warning(event: Event) -> None:
    """Let the merchant be warned by mail; hearing it twice changes nothing."""
    mailing_disputes.plan(event)
