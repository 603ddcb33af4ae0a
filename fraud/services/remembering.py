"""Keep signals' outcomes as news arrives, so that failures can be counted.

News of one payment arrives in order, but a handler may run again: an outcome is never replaced by an older
one. A payment that was never screened has no signal, and its news is dropped.
"""

import uuid
from datetime import datetime

from django.db.models import Q

from fraud.models import Signal
from fraud.states import Outcome


def keep_outcome(*, merchant_id: uuid.UUID, payment_ref: str, outcome: Outcome, at: datetime) -> bool:
    """Set what became of an attempt; False when nothing newer was learned."""
    is_older = Q(outcome_at=None) | Q(outcome_at__lt=at)
    signals = Signal.objects.filter(is_older, merchant_id=merchant_id, payment_ref=payment_ref)
    return bool(signals.update(outcome=outcome, outcome_at=at))
