"""PayPal's words on disputes, in ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.providers.notices import DisputeNotice, DisputeStage, DisputeStanding, MovementKind
from payments.providers.outcomes import Rejected
from payments.providers.paypal import disputes, webhooks
from payments.providers.requests import AcceptRequest, ChallengeRequest, EvidenceItem
from tests.unit.payments.test_paypal_mapping import JSON, KEY, PRICE, REFERENCE, money


class TestADispute:
    @staticmethod
    def event(**changes):
        movements = [
            {"affected_party": "SELLER", "amount": money("19.99"), "initiated_time": "2026-11-01T10:00:00Z",
             "type": "DEBIT", "reason": "DISPUTE_SETTLEMENT"},
            {"affected_party": "BUYER", "amount": money("19.99"), "initiated_time": "2026-11-01T10:00:00Z",
             "type": "CREDIT", "reason": "DISPUTE_SETTLEMENT"},
            {"affected_party": "SELLER", "amount": money("15.00"), "initiated_time": "2026-11-01T10:00:00Z",
             "type": "DEBIT", "reason": "CHARGEBACK_FEE"},
        ]  # fmt: skip
        resource = {
            "dispute_id": "PP-D-1", "create_time": "2026-11-01T10:00:00.000Z",
            "update_time": "2026-11-02T10:00:00.500Z", "reason": "UNAUTHORISED", "status": "UNDER_REVIEW",
            "disputed_transactions": [{"seller_transaction_id": "C1"}], "dispute_amount": money(),
            "dispute_life_cycle_stage": "CHARGEBACK", "money_movements": movements,
            "seller_response_due_date": "2026-11-20T10:00:00.000Z", **changes,
        }  # fmt: skip
        return {"id": "WH-1", "event_type": "CUSTOMER.DISPUTE.UPDATED", "resource": resource}

    def test_is_told_whole(self):
        found = webhooks.notice(self.event())
        assert isinstance(found, DisputeNotice)
        assert (found.dispute, found.authorization, found.category) == ("PP-D-1", "C1", "fraudulent")
        assert (found.stage, found.standing) == (DisputeStage.CHARGEBACK, DisputeStanding.OPEN)
        assert found.version == 1_793_613_600_500
        assert [(one.reference, one.kind, one.amount.minor, one.fee.minor) for one in found.movements] == [
            ("PP-D-1.DISPUTE_SETTLEMENT.DEBIT.1", MovementKind.WITHDRAWAL, 1999, 0),
            ("PP-D-1.CHARGEBACK_FEE.DEBIT.1", MovementKind.WITHDRAWAL, 0, 1500),
        ]

    @pytest.mark.parametrize(("outcome", "standing"), sorted(disputes.OUTCOMES.items()))
    def test_ends(self, outcome, standing):
        found = webhooks.notice(self.event(status="RESOLVED", dispute_outcome={"outcome_code": outcome}))
        assert isinstance(found, DisputeNotice)
        assert found.standing is standing

    @pytest.mark.parametrize(
        "changes",
        [{"status": "ASLEEP"}, {"dispute_life_cycle_stage": "X"}, {"disputed_transactions": []},
         {"dispute_amount": None}, {"dispute_id": "../1"}, {"create_time": "yesterday"},
         {"status": "RESOLVED", "dispute_outcome": {"outcome_code": "X"}},
         {"money_movements": [{"affected_party": "SELLER"}]}],
    )  # fmt: skip
    def test_that_is_not_listed_is_not_guessed(self, changes):
        assert webhooks.notice(self.event(**changes)) is None

    def test_is_answered_with_evidence_or_a_message(self):
        file = EvidenceItem("receipt", filename="r.pdf", media_type="application/pdf", content=b"%PDF")
        words = EvidenceItem("explanation", text="x" * 2_500)
        asked = ChallengeRequest(KEY, PRICE, REFERENCE, "PP-D-1", (words, file))
        made = disputes.evidence_request({"links": [{"rel": "provide_evidence", "href": "x"}]}, asked)
        assert isinstance(made, disputes.Answer)
        assert made.action == "provide-evidence"
        assert made.content.count(b"evidence_type") == 3  # the words in two pieces, and the file
        assert KEY.encode() in made.content
        assert b'filename="receipt-1.pdf"' in made.content
        too_long = disputes.evidence_request({"links": [{"rel": "send_message", "href": "x"}]}, asked)
        assert isinstance(too_long, Rejected)
        closed = disputes.evidence_request({}, asked)
        assert isinstance(closed, Rejected)

    def test_is_given_in_to_only_where_paypal_takes_it(self):
        asked = AcceptRequest(KEY, PRICE, REFERENCE, "PP-D-1")
        assert isinstance(disputes.accept_request({}, asked), Rejected)
        open_one = {"links": [{"rel": "accept_claim", "href": "x"}]}
        assert isinstance(disputes.accept_request(open_one, asked), disputes.Answer)


class TestAnyJson:
    @given(JSON, st.sampled_from(sorted(TestADispute.event()["resource"])))
    def test_in_place_of_a_field_of_a_dispute_is_read_or_not(self, value, name):
        found = webhooks.notice(TestADispute.event(**{name: value}))
        assert found is None or isinstance(found, DisputeNotice)
