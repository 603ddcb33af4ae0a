"""What is due tonight: one job for each vendor to settle, each batch to pay, each merchant's bank statements.

A job's reference names its work, so a sweep that runs twice, late or in parallel schedules nothing twice.
"""

from datetime import datetime, timedelta

from ledger import clock, jobs
from ledger.locks import phase
from settlements import selectors

AT_ONCE = 1000


def schedule_settlements(at: datetime) -> int:
    """Schedule a batch for every vendor with something pending; they belong to the day that has ended."""
    day = clock.business_date(at) - timedelta(days=1)
    return _schedule(
        "settlements.settle",
        [f"{due.merchant_id}:{due.vendor_id}:{due.currency}:{day}" for due in selectors.vendors_to_settle()],
        at,
    )


def schedule_payouts(at: datetime) -> int:
    """Schedule a payout for every batch that waits for one; a failed one is tried again the next day."""
    return _schedule(
        "settlements.pay",
        [f"{merchant}:{batch}:{at:%Y%m%d}" for merchant, batch in selectors.batches_to_pay()],
        at,
    )


def schedule_statements(at: datetime) -> int:
    """Schedule the fetching of yesterday's statements for every merchant that moves money."""
    day = clock.business_date(at) - timedelta(days=1)
    references = [f"{merchant}:{day}" for merchant in selectors.merchants_with_money()]
    return _schedule("settlements.fetch_statements", references, at)


def _schedule(kind: str, references: list[str], at: datetime) -> int:
    for start in range(0, len(references), AT_ONCE):
        with phase():
            for reference in references[start : start + AT_ONCE]:
                jobs.schedule(kind, reference, at)
    return len(references)
