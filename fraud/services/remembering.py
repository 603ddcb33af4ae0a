"""Keep signals' outcomes as news arrives, so that failures can be counted.

News of one payment arrives in order, but a handler may run again: an outcome is never replaced by an older
one. A payment that was never screened has no signal, and its news is dropped.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from django.db import connection
from django.db.models import Q

from fraud.models import Signal
from fraud.states import Outcome
from ledger import array_literals


class News(NamedTuple):
    """What became of a payment."""

    merchant_id: uuid.UUID
    payment_ref: str
    outcome: Outcome
    at: datetime


def keep_outcome(*, merchant_id: uuid.UUID, payment_ref: str, outcome: Outcome, at: datetime) -> bool:
    """Set what became of an attempt; False when nothing newer was learned."""
    is_older = Q(outcome_at=None) | Q(outcome_at__lt=at)
    signals = Signal.objects.filter(is_older, merchant_id=merchant_id, payment_ref=payment_ref)
    return bool(signals.update(outcome=outcome, outcome_at=at))


def keep_outcomes(news: Sequence[News]) -> None:
    """Set what became of several attempts, in one statement; each payment is named once."""
    merchants, references, outcomes, instants = zip(*news, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            _KEEP,
            [
                array_literals.uuids(merchants),
                array_literals.texts(references),
                array_literals.texts(outcomes),
                array_literals.instants(instants),
            ],
        )


_KEEP: Final = """
    UPDATE fraud_signal s SET outcome = n.outcome, outcome_at = n.at
    FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[])
         AS n (merchant_id, payment_ref, outcome, at)
    WHERE s.merchant_id = n.merchant_id AND s.payment_ref = n.payment_ref
      AND (s.outcome_at IS NULL OR s.outcome_at < n.at)"""
