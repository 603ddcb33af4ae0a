"""Decide a review: approve, decline, or let it expire. The check moves with it; payments hears the news.

The first verdict counts: a second one is refused by the machine (`state_conflict`), whoever gives it.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from fraud import locks
from fraud.models import FraudCheck, FraudReview
from fraud.states import ReviewState
from ledger import audit
from ledger.actors import SYSTEM, Actor
from ledger.events import Cause
from ledger.locks import phased
from ledger.recording import record

EXPIRE_REVIEW: Final = "fraud.expire_review"
"""The job that closes a review nobody decided; its reference is the review's id."""


@phased
def approve(*, review_id: uuid.UUID, actor: Actor, reason: str, at: datetime) -> FraudReview:
    """Let the payment under review go on.

    :raises ReviewNotFound: no such review.
    :raises StateConflict: it is decided already.
    :raises ReasonMissing: no reason was given.
    """
    review, check = locks.review_with_check(review_id)
    with _deciding(review, check, actor, at):
        review.approve(actor, reason, at)
        check.clear()
    _audit("fraud_review.approved", review, actor, at)
    return review


@phased
def decline(*, review_id: uuid.UUID, actor: Actor, reason: str, at: datetime) -> FraudReview:
    """Refuse the payment under review.

    :raises ReviewNotFound: no such review.
    :raises StateConflict: it is decided already.
    :raises ReasonMissing: no reason was given.
    """
    review, check = locks.review_with_check(review_id)
    with _deciding(review, check, actor, at):
        review.decline(actor, reason, at)
        check.refuse()
    _audit("fraud_review.declined", review, actor, at)
    return review


@phased
def expire(*, review_id: uuid.UUID, at: datetime) -> bool:
    """Close a review that nobody decided in time, refusing the payment; False when there is nothing to do.

    :raises ReviewNotFound: no such review.
    """
    review, check = locks.review_with_check(review_id)
    if review.state != ReviewState.OPEN or at < review.expires_at:
        return False
    with _deciding(review, check, SYSTEM, at):
        review.expire(SYSTEM, at)
        check.refuse()
    return True


@contextmanager
def _deciding(review: FraudReview, check: FraudCheck, actor: Actor, at: datetime) -> Iterator[None]:
    """Record the move of a review together with that of its check, and tell both."""
    with record(review, check, actor=actor, cause=Cause("fraud_check", check.public_id), at=at) as entry:
        yield
        entry.announce(review.as_event())
        entry.announce(check.as_event(), subject=check)


def _audit(action: str, review: FraudReview, actor: Actor, at: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=review,
        at=at,
        reason=review.reason,
        before={"state": ReviewState.OPEN.value},
        after={"state": review.state, "payment": review.payment_ref},
    )
