"""Reviews: one verdict, by a person with a reason, audited, with its news; or expiry by the clock."""

from datetime import timedelta

import pytest

from fraud.locks import ReviewNotFound
from fraud.models import FraudCheck, FraudReview
from fraud.models.checks import ReasonMissing
from fraud.services import reviewing
from fraud.services.screening import screen
from ledger import clock, events, jobs
from ledger.ids import uuid7
from ledger.models import AuditRecord, Event
from ledger.states import StateConflict
from tests.factories.fraud import screening_request

NOW = clock.now()


@pytest.fixture
def review(northwind) -> FraudReview:
    verdict = screen(screening_request(northwind.id, minor=1_000_001, at=NOW))
    return FraudReview.objects.get(fraud_check=verdict.check_id)


@pytest.mark.parametrize(
    ("decide", "state", "event"),
    [
        (reviewing.approve, "approved", "fraud.review_approved"),
        (reviewing.decline, "declined", "fraud.review_declined"),
    ],
)
class TestDecide:
    def test_moves_review_and_check_and_tells(self, review, analyst, decide, state, event):
        decide(review_id=review.id, actor=analyst, reason="called the customer", at=NOW)
        review.refresh_from_db()
        assert (review.state, review.decided_by, review.decided_at) == (state, "Irene", NOW)
        assert FraudCheck.objects.get(pk=review.fraud_check_id).state == state
        told = list(events.stream("fraud_review", review.id))[-1]
        assert (told.type, told.payload["payment"], told.actor_id) == (event, review.payment_ref, "7")

    def test_is_audited_with_its_reason(self, review, analyst, decide, state, event):
        decide(review_id=review.id, actor=analyst, reason="called the customer", at=NOW)
        kept = AuditRecord.objects.get(object_id=review.public_id)
        assert (kept.action, kept.reason) == (f"fraud_review.{state}", "called the customer")

    @pytest.mark.parametrize("reason", ["", "  ", "ok", "x" * 1_001])
    def test_refuses_without_a_reason(self, review, analyst, decide, state, event, reason):
        before = Event.objects.filter(merchant_id=review.merchant_id).count()
        with pytest.raises(ReasonMissing):
            decide(review_id=review.id, actor=analyst, reason=reason, at=NOW)
        review.refresh_from_db()
        assert review.state == "open"
        assert Event.objects.filter(merchant_id=review.merchant_id).count() == before

    def test_the_first_verdict_counts(self, review, analyst, decide, state, event):
        decide(review_id=review.id, actor=analyst, reason="called the customer", at=NOW)
        for again in (reviewing.approve, reviewing.decline):
            with pytest.raises(StateConflict):
                again(review_id=review.id, actor=analyst, reason="changed my mind", at=NOW)

    def test_an_unknown_review_is_not_found(self, db, analyst, decide, state, event):
        with pytest.raises(ReviewNotFound):
            decide(review_id=uuid7(), actor=analyst, reason="called the customer", at=NOW)


class TestExpire:
    def test_the_job_refuses_what_nobody_decided(self, review):
        jobs.run_due(review.expires_at + timedelta(seconds=1))
        review.refresh_from_db()
        assert (review.state, review.reason) == ("expired", "not reviewed in time")
        assert FraudCheck.objects.get(pk=review.fraud_check_id).state == "declined"

    def test_is_harmless_twice_early_and_after_a_verdict(self, review, analyst):
        assert reviewing.expire(review_id=review.id, at=NOW) is False
        reviewing.approve(review_id=review.id, actor=analyst, reason="called the customer", at=NOW)
        assert reviewing.expire(review_id=review.id, at=review.expires_at) is False
        review.refresh_from_db()
        assert review.state == "approved"
