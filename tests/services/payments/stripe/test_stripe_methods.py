"""Cards that Stripe keeps for us: given once, paid with often, asked about without reserving anything."""

import uuid
from datetime import UTC, datetime

import pytest
import stripe

from ledger.money import Money
from payments.providers import registry
from payments.providers.errors import ProviderRefused, ProviderUnavailable
from payments.providers.outcomes import Approved, Declined, NotFound, NotSent, Outcome, Pending, Unknown
from payments.providers.requests import AuthorizeRequest, Sought, VerifyRequest
from payments.simulator.stripe import cards
from tests.kit.network import Network, eventually
from tests.kit.stripe import StripeSandbox

PRICE, NOTHING = Money(1999, "USD"), Money(0, "USD")


@pytest.fixture
def sandbox(network: Network) -> StripeSandbox:
    return StripeSandbox(network)


def secret(scenario: str = "visa", **changes: str) -> dict[str, str]:
    return {"number": cards.BY_NAME[scenario].number, "exp_month": "12", "exp_year": "2040", **changes}


def tokenize(scenario: str = "visa", code: str = "123", **changes: str) -> str:
    tokenizer = registry.tokenizer("stripe")
    assert tokenizer is not None
    return tokenizer.tokenize(secret(scenario, **changes), code)


def pay(token: str, key: str = "") -> Outcome:
    request = AuthorizeRequest(key or f"op_{uuid.uuid4()}", PRICE, "pay_1", token, capture=True)
    return registry.provider("stripe").authorize(request)


def ask(token: str, key: str) -> Outcome:
    return registry.verifier("stripe").verify(VerifyRequest(key, NOTHING, "pm_ours", token))


def look(key: str) -> object:
    now = datetime.now(UTC)
    return registry.provider("stripe").find(key, NOTHING, Sought("verify", "pm_ours", "", now, now))


class TestACardGivenToStripe:
    def test_is_a_customer_of_its_own_and_paid_with_again_and_again(self, sandbox):
        token = tokenize()
        method, customer = token.split(":")
        assert (method[:3], customer[:4], registry.owner_of(token)) == ("pm_", "cus_", "stripe")
        for _ in range(2):
            outcome = pay(token)
            assert isinstance(outcome, Approved)
            assert outcome.details["last4"] == "4242"

    def test_is_not_paid_with_without_its_customer(self, sandbox):
        method = tokenize().split(":")[0]
        with pytest.raises(stripe.InvalidRequestError, match="belongs to a Customer"):
            sandbox.library().v1.payment_intents.create(
                {"amount": 1999, "currency": "usd", "payment_method": method, "confirm": True}
            )

    @pytest.mark.parametrize(
        "wrong", [{"number": "4242424242424241"}, {"exp_year": "2019"}, {"exp_month": "13"}]
    )
    def test_is_refused_when_it_is_none(self, sandbox, wrong):
        with pytest.raises(ProviderRefused):
            tokenize(**wrong)

    def test_is_refused_when_its_bank_says_no(self, sandbox):
        with pytest.raises(ProviderRefused) as refused:
            tokenize("generic_decline")
        assert refused.value.facts["provider_code"] == "card_declined"

    def test_is_a_card_and_no_account(self, network):
        tokenizer = registry.tokenizer("stripe")
        assert tokenizer is not None
        with pytest.raises(ProviderRefused):
            tokenizer.tokenize({"iban": "DE89370400440532013000"}, "")

    def test_waits_while_stripe_does_not_answer(self, sandbox):
        sandbox.client.post("/sim/down", json={"down": True})
        with pytest.raises(ProviderUnavailable):
            tokenize()


class TestAskingWhetherACardIsGood:
    def test_reserves_nothing(self, sandbox):
        key = f"op_{uuid.uuid4()}"
        outcome = ask(tokenize("mastercard"), key)
        assert isinstance(outcome, Approved)
        assert (outcome.amount, outcome.fee, outcome.details["last4"]) == (NOTHING, NOTHING, "4444")
        assert ask("pm_card_visa", f"{key}-2") != outcome
        assert sandbox.truth_of(key) == []
        assert look(key) == outcome

    @pytest.mark.parametrize(
        ("token", "code"),
        [
            ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
            ("tok_chargeDeclinedLostCard", "lost_card"),
            ("pm_card_authenticationRequired", "authentication_required"),
        ],
    )
    def test_tells_why_not(self, sandbox, token, code):
        key = f"op_{uuid.uuid4()}"
        outcome = ask(token, key)
        assert isinstance(outcome, Declined)
        assert outcome.code == code
        found = look(key)
        assert isinstance(found, Declined)
        assert found.code == code

    def test_is_found_after_a_lost_answer_and_made_once(self, sandbox):
        key = f"op_{uuid.uuid4()}"
        fires = sandbox.fires()
        sandbox.script("reset_after", operation="authorize", idempotency_key=key)
        assert isinstance(ask("pm_card_visa", key), Unknown)
        assert fires("reset_after") == 1
        assert isinstance(look(key), Approved)
        made = sandbox.library().v1.setup_intents.list({"limit": 100}).data
        assert sum(one.metadata["operation"] == key for one in made) == 1

    def test_of_which_nothing_was_made_is_not_found(self, network):
        assert look(f"op_{uuid.uuid4()}") == NotFound()

    @pytest.mark.parametrize(("scenario", "meaning"), [("pendingOk", Approved), ("pendingFail", Declined)])
    def test_may_take_its_time(self, sandbox, scenario, meaning):
        key = f"op_{uuid.uuid4()}"
        assert isinstance(ask(f"pm_card_{scenario}", key), Pending)
        eventually(lambda: isinstance(look(key), meaning), "the bank says")

    def test_is_certainly_not_sent_while_stripe_is_down(self, sandbox):
        sandbox.client.post("/sim/down", json={"down": True})
        assert isinstance(ask("pm_card_visa", f"op_{uuid.uuid4()}"), NotSent | Unknown)


def test_a_face_that_was_taken_down_answers_again_after_the_test(network, sandbox):
    sandbox.client.post("/sim/down", json={"down": True})
    network.clear()  # what the fixture does at the end
    assert isinstance(pay("pm_card_visa"), Approved)
