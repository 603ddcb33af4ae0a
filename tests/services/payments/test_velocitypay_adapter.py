"""The VelocityPay adapter against the real sandbox process: every fault, and proof that it fired."""

import uuid
from collections.abc import Callable

import pytest

from ledger.money import Money
from payments.providers import registry
from payments.providers.base import (
    AuthorizeRequest,
    CaptureRequest,
    RefundRequest,
    TransferRequest,
    VoidRequest,
)
from payments.providers.outcomes import (
    Approved,
    Declined,
    Mismatch,
    NotFound,
    NotSent,
    Outcome,
    Pending,
    Rejected,
    Unknown,
)
from payments.providers.velocitypay.client import VelocityPay
from payments.simulator import scenarios
from tests.kit.network import Network, eventually

PRICE = Money(1999, "USD")


class Till:
    """A merchant's till: builds requests with fresh keys and one reference for a whole payment."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.provider: VelocityPay = registry.provider()
        self.reference = f"pay_{uuid.uuid4().hex[:20]}"
        self.key = ""

    def authorize(self, scenario: str = "visa", amount: Money = PRICE, key: str = "") -> Outcome:
        token = self.network.card(scenario)["token"]
        return self.provider.authorize(AuthorizeRequest(self._key(key), amount, self.reference, token))

    def capture(self, authorization: str, amount: Money = PRICE, key: str = "") -> Outcome:
        return self.provider.capture(CaptureRequest(self._key(key), amount, self.reference, authorization))

    def void(self, authorization: str, key: str = "") -> Outcome:
        return self.provider.void(VoidRequest(self._key(key), PRICE, self.reference, authorization))

    def refund(self, authorization: str, amount: Money = PRICE, key: str = "") -> Outcome:
        return self.provider.refund(RefundRequest(self._key(key), amount, self.reference, authorization))

    def transfer(self, scenario: str = "bank_ok", amount: Money = PRICE, key: str = "") -> Outcome:
        destination = {"holder": "Ada", "iban": scenarios.BY_NAME[scenario].number}
        return self.provider.transfer(TransferRequest(self._key(key), amount, self.reference, destination))

    def authorized(self, scenario: str = "visa", amount: Money = PRICE) -> str:
        outcome = self.authorize(scenario, amount)
        assert isinstance(outcome, Approved)
        return outcome.reference

    def captured(self, scenario: str = "visa", amount: Money = PRICE) -> str:
        authorization = self.authorized(scenario, amount)
        assert isinstance(self.capture(authorization, amount), Approved)
        return authorization

    def find(self, amount: Money = PRICE) -> object:
        return self.provider.find(self.key, amount)

    def effects(self) -> list[dict[str, object]]:
        return self.network.truth(idempotency_key=self.key)

    def _key(self, key: str) -> str:
        self.key = key or f"op_{uuid.uuid4()}"
        return self.key


@pytest.fixture
def till(network: Network) -> Till:
    return Till(network)


@pytest.fixture
def fires(network: Network) -> Callable[[str], int]:
    """How often a fault has fired since the test began."""
    before = network.faults()
    return lambda name: network.faults().get(name, 0) - before.get(name, 0)


class TestAnOrdinaryPayment:
    def test_is_authorized_with_the_method_seen_by_the_network(self, till):
        outcome = till.authorize("mastercard")
        assert isinstance(outcome, Approved)
        assert outcome.amount == PRICE
        assert outcome.fee == Money(0, "USD")
        assert outcome.details["brand"] == "mastercard"
        assert outcome.details["last4"] == "4444"
        assert outcome.details["type"] == "card"
        assert "5555555555554444" not in repr(outcome)

    def test_is_captured_in_parts_with_the_fee_of_each(self, till):
        authorization = till.authorized(amount=Money(10_000, "USD"))
        first = till.capture(authorization, Money(7_000, "USD"))
        second = till.capture(authorization, Money(3_000, "USD"))
        assert isinstance(first, Approved)
        assert isinstance(second, Approved)
        assert (first.fee, second.fee) == (Money(233, "USD"), Money(117, "USD"))

    def test_releases_what_was_not_captured(self, till):
        authorization = till.authorized(amount=Money(10_000, "USD"))
        till.capture(authorization, Money(4_000, "USD"))
        outcome = till.void(authorization)
        assert isinstance(outcome, Approved)
        assert outcome.amount == Money(6_000, "USD")

    def test_is_refunded_in_parts(self, till):
        authorization = till.captured()
        assert isinstance(till.refund(authorization, Money(1_000, "USD")), Approved)
        assert isinstance(till.refund(authorization, Money(999, "USD")), Approved)

    @pytest.mark.parametrize("amount", [Money(1999, "JPY"), Money(1999, "KWD"), Money(1, "EUR")])
    def test_keeps_minor_units_of_any_exponent(self, till, amount):
        authorization = till.captured(amount=amount)
        (truth,) = till.network.truth(id=authorization)
        assert (truth["amount"], truth["currency"], truth["captured"]) == (
            amount.minor,
            amount.currency,
            amount.minor,
        )

    def test_is_paid_by_bank_transfer_at_the_bank_fee(self, till, network):
        token = network.bank()["token"]
        outcome = till.provider.authorize(
            AuthorizeRequest(f"op_{uuid.uuid4()}", PRICE, till.reference, token)
        )
        assert isinstance(outcome, Approved)
        captured = till.capture(outcome.reference)
        assert isinstance(captured, Approved)
        assert captured.fee == Money(16, "USD")

    def test_sends_a_payout(self, till):
        outcome = till.transfer()
        assert isinstance(outcome, Approved)
        assert till.effects()[0]["status"] == "paid"

    def test_health_is_answered(self, till):
        assert till.provider.health() is True


class TestTheNetworksLaws:
    def test_refuses_to_capture_more_than_authorized(self, till):
        authorization = till.authorized()
        assert till.capture(authorization, Money(2000, "USD")) == Rejected(
            "capture_too_large", "Only 1999 is left to capture"
        )
        assert till.effects() == []

    def test_refuses_to_refund_more_than_captured(self, till):
        authorization = till.captured()
        till.refund(authorization, Money(1500, "USD"))
        outcome = till.refund(authorization, Money(500, "USD"))
        assert outcome == Rejected("refund_too_large", "Only 499 is left to refund")

    def test_refuses_to_capture_what_is_voided(self, till):
        authorization = till.authorized()
        till.void(authorization)
        outcome = till.capture(authorization)
        assert isinstance(outcome, Rejected)
        assert outcome.code == "invalid_state"

    def test_gives_one_effect_and_one_answer_to_a_key(self, till):
        key = f"op_{uuid.uuid4()}"
        first, second = till.authorize(key=key), till.authorize(key=key)
        assert first == second
        assert len(till.effects()) == 1

    def test_never_lets_a_key_serve_two_requests(self, till):
        authorization = till.authorized()
        key = f"op_{uuid.uuid4()}"
        till.capture(authorization, Money(100, "USD"), key=key)
        outcome = till.capture(authorization, Money(200, "USD"), key=key)
        assert outcome == Unknown("http_409_idempotency_conflict")
        found = till.find(Money(200, "USD"))
        assert isinstance(found, Mismatch)
        assert (found.expected, found.got) == ("amount=200", "amount=100")

    def test_refuses_an_unknown_token(self, till):
        outcome = till.provider.authorize(AuthorizeRequest("op_unknown-token", PRICE, "pay_x", "vpt_none"))
        assert isinstance(outcome, Rejected)
        assert outcome.code == "token_unknown"

    def test_never_puts_a_foreign_reference_into_a_path(self, till):
        outcome = till.capture("../transfers")
        assert isinstance(outcome, Rejected)
        assert outcome.code == "bad_reference"

    def test_finds_nothing_under_a_key_never_used(self, till):
        assert till.provider.find("op_never-used", PRICE) == NotFound()


DECLINING = {
    name: scenario.faults["authorize"].removeprefix("decline:")
    for name, scenario in scenarios.BY_NAME.items()
    if scenario.faults.get("authorize", "").startswith("decline:") and scenario in scenarios.CARDS
}


class TestADecline:
    @pytest.mark.parametrize("name", sorted(DECLINING))
    def test_is_named_in_our_words(self, till, fires, name):
        outcome = till.authorize(name)
        assert isinstance(outcome, Declined)
        assert till.effects()[0]["code"] == DECLINING[name]
        assert fires(f"scenario:{name}") == 1

    def test_is_hard_for_a_stolen_card_and_does_not_tell_the_payer(self, till):
        outcome = till.authorize("stolen_card")
        assert isinstance(outcome, Declined)
        assert outcome.is_hard
        assert "stolen" not in outcome.message.lower()

    def test_is_soft_for_missing_funds(self, till):
        outcome = till.authorize("insufficient_funds")
        assert isinstance(outcome, Declined)
        assert not outcome.is_hard

    def test_comes_above_the_networks_limit(self, till):
        outcome = till.authorize(amount=Money(scenarios.CARD_LIMIT_MINOR + 1, "USD"))
        assert isinstance(outcome, Declined)
        assert outcome.code == "limit_exceeded"

    def test_of_a_capture_and_of_a_refund(self, till, fires):
        declined = till.capture(till.authorized("capture_declined"))
        failed = till.refund(till.captured("refund_fails"))
        assert isinstance(declined, Declined)
        assert isinstance(failed, Declined)
        assert failed.code == "no_such_account"
        assert fires("decline") == 2

    def test_of_a_payout_to_a_closed_account(self, till, fires):
        outcome = till.transfer("bank_closed")
        assert isinstance(outcome, Declined)
        assert fires("scenario:bank_closed") == 1


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
