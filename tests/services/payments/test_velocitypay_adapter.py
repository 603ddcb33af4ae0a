"""The VelocityPay adapter against the real sandbox process: what it does, its laws and its declines."""

import uuid

import pytest

from ledger.money import Money
from payments.providers.outcomes import Approved, Declined, Mismatch, NotFound, Rejected, Unknown
from payments.providers.requests import AuthorizeRequest
from payments.simulator import scenarios
from tests.kit.till import PRICE


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
