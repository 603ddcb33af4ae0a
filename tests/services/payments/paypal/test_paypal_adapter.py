"""The PayPal adapter over real HTTP, where PayPal differs: orders, tokens, refunds of single captures."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest

from ledger import clock
from ledger.money import Money
from payments.providers import registry
from payments.providers.outcomes import (
    Approved,
    Declined,
    Mismatch,
    NotFound,
    NotSent,
    Outcome,
    Pending,
    Rejected,
    RequiresAction,
    Unknown,
)
from payments.providers.requests import (
    AuthorizeRequest,
    IncrementRequest,
    Sought,
    TransferRequest,
)
from payments.simulator.paypal.buyers import BUYERS
from tests.kit.network import Network
from tests.kit.paypal import PayPalSandbox
from tests.kit.tills import PRICE, PayPalDesk, Till

BACK = "https://shop.example/back"
PART = Money(700, "USD")


@pytest.fixture
def desk(network: Network) -> PayPalDesk:
    return PayPalDesk(network)


@pytest.fixture
def till(desk: PayPalDesk) -> Till:
    return Till(desk)


@pytest.fixture
def sandbox(desk: PayPalDesk) -> PayPalSandbox:
    return desk.sandbox


def page_of(till: Till, **more: Any) -> str:
    action = till.authorize(return_url=BACK, **more)
    assert isinstance(action, RequiresAction), action
    return action.redirect_url


class TestAnOrder:
    def test_waits_for_its_payer_and_tells_the_wallet(self, till, sandbox):
        page = page_of(till)
        assert isinstance(till.find(), RequiresAction)
        sandbox.approve(page, "bruno")
        found = till.find()
        assert isinstance(found, Approved)
        assert found.details["brand"] == "paypal"
        assert found.details["country"] == "DE"
        assert found.details["fingerprint"].startswith("paypal_")
        assert "bruno" not in str(found)

    def test_that_several_ask_about_at_once_is_completed_once(self, till, sandbox):
        sandbox.approve(page_of(till, capture=True))
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda _: till.find(), range(6)))
        assert {type(one) for one in found} <= {Approved, Unknown}
        assert isinstance(till.find(), Approved)
        assert till.effects() == 1

    def test_that_its_payer_turned_from_goes_on_waiting(self, till, sandbox):
        page = page_of(till)
        assert sandbox.cancel(page).headers["location"].startswith(f"{BACK}?token=")
        assert isinstance(till.find(), RequiresAction)

    @pytest.mark.parametrize("capture", [True, False])
    def test_that_was_given_up_cannot_be_completed_any_more(self, till, sandbox, capture):
        page = page_of(till, capture=capture)
        order = till.known[till.key]
        sandbox.approve(page)
        authorize_key, till.authorization = till.key, order
        assert till.void() == Approved(order, Money(0, "USD"), Money(0, "USD"))
        assert till.find() == Approved(order, Money(0, "USD"), Money(0, "USD"))
        token = sandbox.client.post("/v1/oauth2/token").raise_for_status().json()["access_token"]
        step = "capture" if capture else "authorize"
        late = httpx.post(
            f"{sandbox.url}/v2/checkout/orders/{order}/{step}", headers={"authorization": f"Bearer {token}"},
            trust_env=False,
        )  # fmt: skip
        assert late.json()["details"][0]["issue"] == "ACTION_DOES_NOT_MATCH_INTENT"
        till.kind, till.key = "authorize", authorize_key
        found = till.find()
        assert isinstance(found, Declined)
        assert found.code == "authentication_failed"
        assert till.effects() == 0

    def test_that_is_paid_is_not_given_up(self, till, sandbox):
        sandbox.approve(page_of(till, capture=True))
        paid = till.find()
        assert isinstance(paid, Approved)
        till.authorization = paid.reference
        refused = till.void()
        assert isinstance(refused, Rejected)
        assert refused.code == "already_captured"

    def test_that_is_gone_is_declined_when_it_is_old(self, till):
        page_of(till)
        till.known[till.key] = "0123456789ABCDEF0"
        assert till.find() == Unknown("find_INVALID_RESOURCE_ID")
        then = clock.now() - timedelta(hours=3, seconds=1)
        old = Sought("authorize", till.reference, "", then, then, "0123456789ABCDEF0")
        found = till.provider.find(till.key, PRICE, old)
        assert isinstance(found, Declined)
        assert found.details == {"provider_code": "ORDER_GONE"}

    def test_by_another_token_is_not_sent(self, till):
        outcome = till.provider.authorize(AuthorizeRequest("op_1", PRICE, "pay_1", "paypal_other"))
        assert isinstance(outcome, Rejected)

    @pytest.mark.parametrize("amount", [Money(100, "KWD"), Money(150, "HUF")])
    def test_of_an_amount_that_paypal_cannot_write_is_not_sent(self, till, amount):
        outcome = till.authorize(amount)
        assert isinstance(outcome, Rejected)
        assert outcome.code == "amount_not_carried"

    @pytest.mark.parametrize(
        "buyer", [one for one in BUYERS if one.faults.get("complete", "").startswith("decline")]
    )
    def test_of_every_declining_buyer_is_declined(self, till, sandbox, buyer):
        sandbox.approve(page_of(till), buyer.name)
        found = till.find()
        assert isinstance(found, Declined)
        assert found.details["provider_code"] == buyer.faults["complete"].partition(":")[2]

    @pytest.mark.parametrize("fault", ["huge", "gzip_bomb", "many_headers", "truncated_json"])
    def test_answered_with_rubbish_is_not_known(self, till, sandbox, fault):
        sandbox.approve(page_of(till))
        sandbox.script(fault, operation="complete", reference=till.reference)
        assert isinstance(till.find(), Unknown)
        assert isinstance(till.find(), Approved)
        assert till.effects() == 1


class TestAToken:
    def test_that_was_revoked_costs_one_try(self, till, sandbox):
        till.authorized()
        sandbox.client.delete("/sim/tokens").raise_for_status()
        assert isinstance(till.capture(key="op_revoked"), NotSent)
        assert isinstance(till.capture(key="op_revoked"), Approved)

    def test_that_is_refused_sends_nothing(self, till, settings):
        settings.PAYPAL_CLIENT_SECRET = "another"
        registry.reset()
        assert till.authorize() == NotSent("token_refused")
        assert till.provider.health() is False


class TestARefund:
    def test_goes_on_where_its_second_part_was_lost(self, till, sandbox):
        till.authorized()
        till.capture(PART, is_last=False)
        till.capture(Money(1299, "USD"))
        sandbox.script("ok", "500_before", operation="refund", reference=till.reference)
        lost = till.refund(Money(1500, "USD"))
        assert isinstance(lost, Unknown)
        assert till.find(Money(1500, "USD")) == NotFound()
        again = till.refund(Money(1500, "USD"), key=till.key)
        assert isinstance(again, Approved)
        assert again.amount == Money(1500, "USD")
        assert till.find(Money(1500, "USD")) == again
        assert [one["amount"]["value"] for one in sandbox.truth("refund", till.key)] == ["12.99", "2.01"]

    def test_whose_second_part_is_refused_is_held(self, till, sandbox):
        till.authorized()
        till.capture(PART, is_last=False)
        till.capture(Money(1299, "USD"))
        sandbox.script("ok", "decline:REFUND_NOT_ALLOWED", operation="refund", reference=till.reference)
        assert isinstance(till.refund(Money(1500, "USD")), Mismatch)

    def test_in_another_currency_is_refused_here(self, till):
        till.captured()
        assert isinstance(till.refund(Money(100, "EUR")), Rejected)

    def test_that_is_too_large_is_refused_here(self, till):
        till.captured()
        outcome = till.refund(Money(2_000, "USD"))
        assert isinstance(outcome, Rejected)
        assert outcome.code == "refund_too_large"


class TestWhenPayPalIsDown:
    def test_nothing_was_asked(self, till, sandbox):
        till.authorized()
        sandbox.client.post("/sim/down", json={"down": True}).raise_for_status()
        outcomes: list[Outcome] = [till.capture(), till.void(), till.refund()]
        assert {type(one) for one in outcomes} == {NotSent}

    def test_a_reading_that_is_broken_moves_nothing(self, till, sandbox):
        till.authorized()
        sandbox.script("truncated_json", operation="find", reference=till.reference)
        assert till.capture() == NotSent("bad_body")


def test_a_review_is_pending_until_it_ends(till, sandbox):
    sandbox.approve(page_of(till), "review_fail")
    assert isinstance(till.find(), Pending)


def test_what_paypal_is_not_asked_for_is_refused_here(network):
    paypal = registry.provider("paypal")
    assert isinstance(paypal.increment(IncrementRequest("op_1", PRICE, "pay_1", "O1")), Rejected)
    assert isinstance(paypal.transfer(TransferRequest("op_1", PRICE, "ref", {})), Rejected)


def test_without_its_app_it_is_not_among_the_providers(network, settings):
    assert "paypal" in registry.names()
    settings.PAYPAL_CLIENT_SECRET = ""
    assert "paypal" not in registry.names()
    assert registry.owner_of("paypal") is None
