"""Hears what became of payments and keeps it with their signals."""

from fraud.services.remembering import keep_outcome
from fraud.states import Outcome
from ledger.ids import show
from ledger.models import Event
from ledger.outbox import handles

OUTCOMES = {
    "payment.captured": Outcome.CAPTURED,
    "payment.partly_captured": Outcome.CAPTURED,
    "payment.failed": Outcome.FAILED,
    "payment.cancelled": Outcome.CANCELLED,
    "payment.expired": Outcome.CANCELLED,
}


@handles(*OUTCOMES)
def remember_outcome(event: Event) -> None:
    """Keep the outcome of the attempt behind a payment."""
    keep_outcome(
        merchant_id=event.merchant_id,
        payment_ref=show("pay", event.subject_id),
        outcome=OUTCOMES[event.type],
        at=event.occurred_at,
    )
