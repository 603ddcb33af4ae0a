"""Warn that the answer to a dispute is due: once each at 14, 7, 3 and 1 days, as an event that is news.

A sweep, not a timer for each: a run that was missed is made up for by the next one, with the nearest warning
only. That a date has passed changes nothing here: a dispute is lost by its provider's word.
"""

from datetime import datetime
from uuid import UUID

from ledger.actors import SYSTEM
from ledger.locks import phased
from ledger.recording import record
from payments import dispute_selectors, locks, news
from payments.models.disputes import WARN_DAYS


def sweep(at: datetime) -> int:
    """Warn of every dispute whose next warning is due; return how many were warned of."""
    due = [row for row in dispute_selectors.disputes_due(at, WARN_DAYS[0]) if row.warning_due(at) is not None]
    return sum(_warn(row.merchant_id, row.pk, at) for row in due)


@phased
def _warn(merchant_id: UUID, dispute_id: UUID, at: datetime) -> bool:
    payment, dispute = locks.dispute(merchant_id, dispute_id)
    days = dispute.warning_due(at)
    if days is None:
        return False
    with record(dispute, actor=SYSTEM, at=at) as entry:
        dispute.warn(days)
        entry.announce(news.of_dispute(dispute, payment, days=days, days_left=dispute.days_left(at)))
    return True
