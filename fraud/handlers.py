"""Hears what became of payments and keeps it with their signals."""

from collections.abc import Sequence

from fraud.services.remembering import News, keep_outcome, keep_outcomes
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


def remember_outcomes(events: Sequence[Event]) -> None:
    """Keep the outcomes of the attempts behind several payments."""
    keep_outcomes(
        [
            News(event.merchant_id, show("pay", event.subject_id), OUTCOMES[event.type], event.occurred_at)
            for event in events
        ]
    )


@handles(*OUTCOMES, together=remember_outcomes)
def remember_outcome(event: Event) -> None:
    """Keep the outcome of the attempt behind a payment."""
    keep_outcome(
        merchant_id=event.merchant_id,
        payment_ref=show("pay", event.subject_id),
        outcome=OUTCOMES[event.type],
        at=event.occurred_at,
    )
