"""Work of fraud in the background: reviews that nobody decided in time."""

import uuid
from datetime import datetime

from fraud.services import reviewing
from ledger.jobs import runs


@runs(reviewing.EXPIRE_REVIEW, queue="money")
def expire_review(reference: str, at: datetime) -> None:
    """Close a review whose time is over; `reference` is its id."""
    reviewing.expire(review_id=uuid.UUID(reference), at=at)
