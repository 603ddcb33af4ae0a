"""The VelocityPay adapter in trouble: before the effect, after it, and while it is only pending."""

import pytest

from payments.providers import registry
from payments.providers.outcomes import (
    Approved,
    Declined,
    Mismatch,
    NotFound,
    NotSent,
    Pending,
    Rejected,
    Unknown,
)
from tests.kit.network import eventually
from tests.kit.till import PRICE


class TestTroubleAfterTheEffect:
    """The network did it; we cannot know from the answer; asking tells."""

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            ("timeout_after", "read_timeout"),
            ("reset_after", "remote_protocol_error"),
            ("500_after", "http_500_internal_error"),
            ("409_after", "http_409_in_progress"),
            ("truncated_json", "bad_body"),
            ("html_200", "bad_body"),
            ("huge", "body_too_large"),
            ("many_headers", "remote_protocol_error"),
            ("gzip_bomb", "encoded_body"),
            ("unlisted_status", "unlisted_status:authorization.under_consideration"),
        ],
    )
    def test_is_unknown_until_asked(self, till, network, fires, fault, reason):
        network.script(fault, operation="authorize", reference=till.reference)
        assert till.authorize() == Unknown(reason)
        assert fires(fault) == 1
        assert len(till.effects()) == 1
        found = till.find()
        assert isinstance(found, Approved)
        assert found.amount == PRICE

    @pytest.mark.parametrize(
        ("fault", "expected", "got"),
        [
            ("wrong_amount", "amount=1999", "amount=2000"),
            ("wrong_currency", "currency=USD", "currency=XPF"),
            ("wrong_reference", "key=", "key=op_someone-elses"),
        ],
    )
    def test_is_held_when_the_answer_is_about_something_else(
        self, till, network, fires, fault, expected, got
    ):
        network.script(fault, operation="authorize", reference=till.reference)
        outcome = till.authorize()
        assert isinstance(outcome, Mismatch)
        assert outcome.expected.startswith(expected)
        assert outcome.got.startswith(got)
        assert fires(fault) == 1

    @pytest.mark.parametrize(
        ("scenario", "operate"),
        [
            ("late", lambda till: till.authorize("late")),
            ("lost_answer", lambda till: till.authorize("lost_answer")),
            ("error_after", lambda till: till.authorize("error_after")),
            ("capture_late", lambda till: till.capture(till.authorized("capture_late"))),
            ("capture_lost", lambda till: till.capture(till.authorized("capture_lost"))),
            ("refund_late", lambda till: till.refund(till.captured("refund_late"))),
            ("void_late", lambda till: till.void(till.authorized("void_late"))),
            ("bank_late", lambda till: till.transfer("bank_late")),
            ("bank_lost_answer", lambda till: till.transfer("bank_lost_answer")),
        ],
    )
    def test_of_a_test_card_is_found_and_never_doubled(self, till, fires, scenario, operate):
        assert isinstance(operate(till), Unknown)
        assert fires(f"scenario:{scenario}") == 1
        assert isinstance(till.find(), Approved)
        assert len(till.effects()) == 1

    def test_is_unknown_when_the_answer_trickles_for_longer_than_we_wait_in_all(
        self, till, network, fires, settings
    ):
        settings.PROVIDER_TOTAL_TIMEOUT_SECONDS = 0.5
        registry.reset()
        till.provider = registry.provider()
        network.script("trickle", operation="authorize", reference=till.reference)
        assert till.authorize() == Unknown("total_timeout")
        assert fires("trickle") == 1
        assert isinstance(till.find(), Approved)

    def test_answers_a_slow_request_within_our_patience(self, till, network, fires):
        network.script("slow:0.2", operation="authorize", reference=till.reference)
        assert isinstance(till.authorize(), Approved)
        assert fires("slow") == 1


class TestTroubleBeforeTheEffect:
    @pytest.mark.parametrize(
        ("fault", "outcome"),
        [
            ("500_before", Unknown("http_500_internal_error")),
            ("timeout_before", Unknown("read_timeout")),
            ("429:3", NotSent("rate_limited", 3.0)),
            ("unavailable:2", NotSent("not_processed", 2.0)),
            ("401", NotSent("credentials_refused", None)),
            ("400", Rejected("bad_request", "The request is not understood")),
        ],
    )
    def test_leaves_nothing_and_the_same_key_works_later(self, till, network, fires, fault, outcome):
        network.script(fault, operation="authorize", reference=till.reference)
        assert till.authorize() == outcome
        assert fires(fault.partition(":")[0]) == 1
        assert till.find() == NotFound()
        assert isinstance(till.authorize(key=till.key), Approved)
        assert len(till.effects()) == 1

    @pytest.mark.parametrize("scenario", ["late_before", "error_before"])
    def test_of_a_test_card_spares_the_second_try(self, till, fires, scenario):
        assert isinstance(till.authorize(scenario), Unknown)
        assert till.find() == NotFound()
        assert isinstance(till.authorize(scenario, key=till.key), Approved)
        assert fires(f"scenario:{scenario}") == 1

    def test_of_a_network_that_is_down_is_not_sent(self, till, network):
        authorization = till.authorized()
        network.down()
        assert till.capture(authorization) == NotSent("not_processed", 1.0)
        assert till.provider.health() is False

    def test_when_asking_fails_nothing_is_concluded(self, till, network, fires):
        till.authorize()
        network.script("500_before", "timeout_before", "400", operation="find", idempotency_key=till.key)
        assert [till.find() for _ in range(3)] == [
            Unknown("http_500_internal_error"),
            Unknown("read_timeout"),
            Unknown("find_bad_request"),
        ]
        assert fires("timeout_before") == 1
        assert isinstance(till.find(), Approved)


class TestPending:
    def test_becomes_authorized(self, till, fires):
        assert isinstance(till.authorize("pending_ok"), Pending)
        assert fires("pending_then_ok") == 1
        found = eventually(
            lambda: isinstance(till.find(), Approved) and till.find(), "the pending one is authorized"
        )
        assert isinstance(found, Approved)

    def test_becomes_declined(self, till, fires):
        assert isinstance(till.authorize("pending_fail"), Pending)
        eventually(lambda: isinstance(till.find(), Declined), "the pending one is declined")
        assert fires("pending_then_fail") == 1

    def test_refund_that_fails_may_be_refunded_again(self, till, network, fires):
        authorization = till.captured("refund_pending_fail")
        assert isinstance(till.refund(authorization), Pending)
        assert network.truth(id=authorization)[0]["refunded"] == PRICE.minor
        eventually(lambda: isinstance(till.find(), Declined), "the refund failed")
        assert network.truth(id=authorization)[0]["refunded"] == 0
        assert fires("scenario:refund_pending_fail") == 1

    @pytest.mark.parametrize(
        ("scenario", "kind"), [("bank_pending_ok", Approved), ("bank_pending_fail", Declined)]
    )
    def test_payout_ends_as_its_account_says(self, till, fires, scenario, kind):
        assert isinstance(till.transfer(scenario), Pending)
        eventually(lambda: isinstance(till.find(), kind), f"the payout ends as {kind.__name__}")
        assert fires(f"scenario:{scenario}") == 1
