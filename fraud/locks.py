"""The only locks of this app: rows of checks and reviews, and one advisory lock per attempt.

The advisory lock is taken on the payment's reference, the customer and the method, in one sorted statement of
its own *before* the windows are counted (under READ COMMITTED a statement sees what was committed when it
began). So two screenings of one payment make one check, and limits per customer and per method are exact.
The ip is not locked: many customers share one, and a limit there may be passed by as many as arrive at once.
"""

import hashlib
import uuid
from collections.abc import Sequence

from django.db import connection

from fraud.models import FraudCheck, FraudReview
from ledger import locks
from ledger.errors import NotFound


class ReviewNotFound(NotFound):
    """No such review."""

    code = "fraud_review_not_found"


def attempt(merchant_id: uuid.UUID, names: Sequence[str], *, statement_timeout: str) -> str:
    """Lock these names of a merchant until the phase ends; return the statement timeout as it was.

    The next statement runs under `statement_timeout` and has to put back what is returned here.
    """
    locks.require_phase()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, true),"
            " pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key",
            [statement_timeout, sorted(_number(merchant_id, name) for name in names)],
        )
        before: str = cursor.fetchone()[0]
    return before


def review_with_check(review_id: uuid.UUID) -> tuple[FraudReview, FraudCheck]:
    """Lock a review and its check.

    :raises ReviewNotFound: there is none.
    """
    check = locks.lock_one(FraudCheck.objects.filter(review=review_id), ReviewNotFound)
    review = locks.lock_one(FraudReview.objects.filter(pk=review_id), ReviewNotFound)
    return review, check


def _number(merchant_id: uuid.UUID, name: str) -> int:
    digest = hashlib.sha256(merchant_id.bytes + name.encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
