"""The only locks of this app: rows of checks and reviews, and one advisory lock per attempt.

The advisory lock is taken on the payment's reference, the customer and the method, in one sorted statement of
its own *before* the windows are counted (under READ COMMITTED a statement sees what was committed when it
began). So two screenings of one payment make one check, and limits per customer and per method are exact.
The ip is not locked: many customers share one, and a limit there may be passed by as many as arrive at once.
"""

import hashlib
import uuid
from collections.abc import Sequence
from typing import Final

from django.db import transaction

from fraud.engine.velocity import TIMEOUT_BEFORE
from fraud.models import FraudCheck, FraudReview
from ledger import locks
from ledger.errors import NotFound

_ATTEMPT: Final = f"""
    WITH before AS MATERIALIZED (
        SELECT set_config('{TIMEOUT_BEFORE}', current_setting('statement_timeout'), true))
    SELECT set_config('statement_timeout', %s, true), pg_advisory_xact_lock(key)
    FROM before CROSS JOIN unnest(%s::bigint[]) AS key"""  # noqa: S608 - constants of this file


class ReviewNotFound(NotFound):
    """No such review."""

    code = "fraud_review_not_found"


def attempt(merchant_id: uuid.UUID, names: Sequence[str], *, statement_timeout: str) -> None:
    """Lock these names of a merchant until the phase ends, by a statement that goes ahead of the next one.

    The next statement runs under `statement_timeout` and has to put back what `TIMEOUT_BEFORE` holds.
    """
    locks.require_phase()
    numbers = sorted(_number(merchant_id, name) for name in names)
    transaction.get_connection().say_ahead(_ATTEMPT, [statement_timeout, numbers])


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
