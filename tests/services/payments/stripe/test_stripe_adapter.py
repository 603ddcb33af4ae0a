"""The Stripe adapter against the sandbox over HTTP: what only Stripe has (the rest: the matrix)."""

from datetime import UTC, datetime, timedelta

import pytest

from ledger.money import Money
from payments.providers import registry
from payments.providers.errors import ProviderRefused
from payments.providers.notices import DisputeNotice, DisputeStage, DisputeStanding, MovementKind
from payments.providers.outcomes import (
    Approved,
    Declined,
    Mismatch,
    NotFound,
    Rejected,
    RequiresAction,
    Unknown,
)
from payments.providers.requests import (
    AcceptRequest,
    AuthorizeRequest,
    ChallengeRequest,
    EvidenceItem,
    IncrementRequest,
    Sought,
    TransferRequest,
    capture_key,
)
from payments.providers.stripe import webhooks
from payments.simulator.stripe import cards
from tests.kit.network import Network, eventually
from tests.kit.tills import PRICE, StripeDesk, Till

BACK = "https://shop.example/back?order=7"


@pytest.fixture
def desk(network: Network) -> StripeDesk:
    return StripeDesk(network)


@pytest.fixture
def till(desk: StripeDesk) -> Till:
    return Till(desk)


def challenged(till: Till, scenario: str = "authenticationRequired", **more: object) -> RequiresAction:
    outcome = till.authorize(scenario=scenario, return_url=BACK, **more)
    assert isinstance(outcome, RequiresAction), outcome
    till.authorization = outcome.reference
    return outcome


class TestAnAuthorization:
    def test_tells_the_card_and_until_when_it_holds(self, till):
        outcome = till.authorize(scenario="mastercard")
        assert isinstance(outcome, Approved)
        assert (outcome.details["brand"], outcome.details["last4"]) == ("mastercard", "4444")
        until = datetime.fromisoformat(outcome.details["authorized_until"])
        assert timedelta(days=6.9) < until - datetime.now(UTC) < timedelta(days=7)

    def test_that_is_a_sale_tells_the_fee_of_its_capture(self, till):
        outcome = till.authorize(capture=True)
        assert isinstance(outcome, Approved)
        assert outcome.taken is not None
        assert (outcome.taken.amount, outcome.taken.fee) == (PRICE, Money(88, "USD"))
        assert outcome.taken.reference.startswith("ch_")
        assert till.find() == outcome
        assert capture_key(till.key) != till.key

    def test_takes_a_token_of_a_browser(self, till, desk):
        card = {"card[number]": "5555555555554444", "card[exp_month]": "12", "card[exp_year]": "2040"}
        token = desk.sandbox.client.post("/v1/tokens", data=card).raise_for_status().json()["id"]
        request = AuthorizeRequest(f"{till.reference}-key", PRICE, till.reference, token)
        outcome = till.provider.authorize(request)
        assert isinstance(outcome, Approved)
        assert outcome.details["last4"] == "4444"

    def test_is_found_before_the_search_knows_it_and_after(self, till, desk):
        fires = desk.fires()
        desk.script("reset_after", operation="authorize", reference=till.reference)
        assert isinstance(till.authorize(), Unknown)
        assert fires("reset_after") == 1
        assert isinstance(till.find(), Approved)
        now = datetime.now(UTC)
        elsewhere = Sought("authorize", till.reference, "", now - timedelta(days=2), now - timedelta(days=1))
        eventually(
            lambda: isinstance(till.provider.find(till.key, PRICE, elsewhere), Approved),
            "the search knows it",
        )
        assert till.effects() == 1

    def test_is_not_declared_absent_when_only_the_search_was_asked(self, till):
        assert till.provider.find("op_never-used", PRICE) == Unknown("search_lags")

    def test_that_another_has_captured_is_held(self, till, desk):
        till.authorized()
        desk.sandbox.client.post(
            f"/v1/payment_intents/{till.authorization}/capture",
            data={"amount_to_capture": "100", "final_capture": "false"},
        ).raise_for_status()
        held = till.capture(Money(300, "USD"), is_last=False)
        assert isinstance(held, Mismatch)
        assert (held.expected, held.got) == ("received=300", "received=400")


class TestAChallenge:
    @pytest.mark.parametrize(
        "scenario", ["authenticationRequired", "threeDSecure2Required", "authenticationRequiredOnSetup"]
    )
    def test_that_the_payer_passes_authorizes_and_moves_liability(self, till, network, scenario):
        action = challenged(till, scenario)
        assert action.redirect_url.startswith(f"{network.url}/stripe/3ds/{action.reference}?")
        assert till.find() == action
        back = network.client.post(action.redirect_url, data={"result": "success"})
        assert back.status_code == 303
        assert back.headers["location"].startswith(f"{BACK}&payment_intent={action.reference}")
        assert back.headers["location"].endswith("redirect_status=succeeded")
        outcome = till.find()
        assert isinstance(outcome, Approved)
        assert outcome.details["authentication"] == "authenticated"
        assert outcome.details["liability_shift"] == "issuer"
        assert isinstance(till.capture(), Approved)

    @pytest.mark.parametrize("result", ["fail", "timeout"])
    def test_that_the_payer_fails_declines(self, till, network, result):
        action = challenged(till)
        back = network.client.post(action.redirect_url, data={"result": result})
        assert back.headers["location"].endswith("redirect_status=failed")
        outcome = till.find()
        assert isinstance(outcome, Declined)
        assert outcome.code == "authentication_failed"

    def test_that_is_passed_may_still_be_declined_by_the_bank(self, till, network):
        action = challenged(till, "authenticationRequiredChargeDeclinedInsufficientFunds")
        network.client.post(action.redirect_url, data={"result": "success"})
        outcome = till.find()
        assert isinstance(outcome, Declined)
        assert outcome.code == "insufficient_funds"

    def test_of_a_sale_takes_the_money_when_it_is_passed(self, till, network):
        action = challenged(till, capture=True)
        network.client.post(action.redirect_url, data={"result": "success"})
        outcome = till.find()
        assert isinstance(outcome, Approved)
        assert outcome.taken is not None

    def test_is_given_up_by_a_void_and_cannot_be_passed_any_more(self, till, network):
        action = challenged(till)
        authorize_key = till.key
        assert isinstance(till.void(), Approved)
        assert isinstance(till.find(), Approved)
        page = network.client.get(action.redirect_url)
        assert "already decided" in page.text
        network.client.post(action.redirect_url, data={"result": "success"})
        till.kind, till.key = "authorize", authorize_key
        assert isinstance(till.find(), Declined)

    def test_that_nobody_could_finish_is_declined(self, till):
        for more in ({}, {"return_url": BACK, "exemption": "merchant_initiated"}):
            outcome = till.authorize(scenario="authenticationRequired", **more)
            assert isinstance(outcome, Declined)
            assert outcome.code == "authentication_required"

    def test_page_is_shown_only_to_who_has_its_key(self, till, network):
        action = challenged(till)
        assert network.client.get(f"{action.redirect_url}x").status_code == 404
        assert network.client.post(action.redirect_url, data={"result": "please"}).status_code == 400


class TestADecline:
    CANONICAL = {
        "generic_decline": "do_not_honor",
        "insufficient_funds": "insufficient_funds",
        "lost_card": "lost_card",
        "stolen_card": "stolen_card",
        "expired_card": "expired_card",
        "incorrect_cvc": "cvc_mismatch",
        "processing_error": "system_malfunction",
        "velocity_exceeded": "limit_exceeded",
        "fraudulent": "suspected_fraud_issuer",
        "highest_risk": "suspected_fraud_issuer",
        "advised_later": "insufficient_funds",
        "advised_never": "do_not_honor",
        "charge_fails": "do_not_honor",
        "challenge_lookup_fails": "authentication_failed",
    }

    def test_of_every_declining_card_is_in_the_table(self):
        declining = {
            card.name for card in cards.CARDS if card.faults.get("authorize", "").startswith("decline:")
        }
        assert declining == set(self.CANONICAL)

    @pytest.mark.parametrize("name", sorted(CANONICAL))
    def test_is_named_in_our_words_by_answer_and_by_question(self, till, name):
        outcome = till.authorize(scenario=cards.BY_NAME[name].suffix)
        assert isinstance(outcome, Declined)
        assert outcome.code == self.CANONICAL[name]
        assert till.find() == outcome
        assert "stolen" not in outcome.message.lower()


class TestTheUnits:
    @pytest.mark.parametrize(
        ("amount", "units"),
        [(Money(500, "UGX"), 50_000), (Money(75, "ISK"), 7_500), (Money(1_000, "JPY"), 1_000),
         (Money(5_120, "KWD"), 5_120), (Money(50_000, "MGA"), 500)],
    )  # fmt: skip
    def test_are_stripes_own(self, till, desk, amount, units):
        till.authorized(amount)
        (intent,) = desk.sandbox.truth_of(till.key)
        assert (intent["amount"], intent["currency"]) == (units, amount.currency.lower())
        captured = till.capture(amount)
        assert isinstance(captured, Approved)
        assert captured.amount == amount

    @pytest.mark.parametrize("amount", [Money(5_124, "KWD"), Money(150, "MGA"), Money(1_000, "IQD")])
    def test_that_stripe_cannot_write_are_not_sent(self, till, amount):
        outcome = till.authorize(amount)
        assert isinstance(outcome, Rejected)
        assert outcome.code == "amount_not_carried"
        assert till.effects() == 0

    def test_that_stripe_refuses_are_our_mistake(self, till):
        outcome = till.authorize(Money(10, "USD"))
        assert isinstance(outcome, Rejected)
        assert outcome.code == "amount_too_small"


class TestCapturesAndRefunds:
    def test_a_card_without_multicapture_is_captured_once(self, till):
        till.authorized(scenario="jcb")
        assert isinstance(till.capture(Money(700, "USD"), is_last=False), Rejected)
        assert isinstance(till.capture(Money(700, "USD"), is_last=True), Approved)
        assert isinstance(till.void(), Rejected)

    def test_a_refund_that_fails_late_is_found_declined(self, till):
        till.captured(scenario="refundFail")
        assert isinstance(till.refund(), Approved)
        eventually(lambda: isinstance(till.find(), Declined), "the refund fails")
        again = till.refund()
        assert isinstance(again, Approved)

    def test_many_refunds_are_looked_through(self, till):
        till.captured(Money(50_000, "USD"))
        keys = []
        for _ in range(12):
            assert isinstance(till.refund(Money(10, "USD")), Approved)
            keys.append(till.key)
        till.key = keys[0]
        assert isinstance(till.find(Money(10, "USD")), Approved)


class TestADispute:
    @pytest.fixture
    def disputed(self, till, desk):
        """A captured payment whose card disputes it; returns the dispute as Stripe shows it."""

        def pay(scenario="createDispute"):
            till.captured(scenario=scenario)
            (dispute,) = desk.sandbox.truth("dispute", payment_intent=till.authorization)
            return dispute

        return pay

    def told(self, desk, dispute, event_type):
        """What the last event of a type says of a dispute."""
        params = {"type": event_type, "limit": 100}
        events = desk.sandbox.client.get("/v1/events", params=params).raise_for_status().json()["data"]
        event = next(one for one in events if one["data"]["object"]["id"] == dispute["id"])
        notice = webhooks.notice(event)
        assert isinstance(notice, DisputeNotice)
        return notice

    def challenge(self, dispute, *evidence, key="op_challenge"):
        request = ChallengeRequest(f"{key}-{dispute['id']}", PRICE, "dis_1", dispute["id"], evidence)
        outcome = registry.provider("stripe").challenge(request)
        now = datetime.now(UTC)
        sought = Sought("challenge", "dis_1", dispute["id"], now, now)
        return outcome, registry.provider("stripe").find(request.idempotency_key, PRICE, sought)

    def test_tells_what_was_withdrawn_and_until_when_to_answer(self, till, desk, disputed):
        notice = self.told(desk, disputed(), "charge.dispute.created")
        assert notice.authorization == till.authorization
        assert (notice.stage, notice.standing) == (DisputeStage.CHARGEBACK, DisputeStanding.OPEN)
        assert (notice.amount, notice.scheme, notice.reason_code) == (PRICE, "visa", "10.4")
        (movement,) = notice.movements
        assert (movement.kind, movement.amount) == (MovementKind.WITHDRAWAL, PRICE)
        assert movement.fee == Money(1500, "USD")
        assert notice.due_at is not None
        assert timedelta(days=8) < notice.due_at - notice.opened_at < timedelta(days=10)

    def test_inquiry_withdraws_nothing(self, desk, disputed):
        notice = self.told(desk, disputed("createDisputeInquiry"), "charge.dispute.created")
        assert (notice.stage, notice.movements) == (DisputeStage.INQUIRY, ())

    def test_is_won_by_evidence_and_the_money_comes_back(self, desk, disputed):
        dispute = disputed()
        receipt = EvidenceItem("receipt", "", "receipt.pdf", "application/pdf", b"%PDF-1.7\r\nbody")
        words = EvidenceItem("explanation", "winning_evidence")
        outcome, found = self.challenge(dispute, words, receipt)
        assert isinstance(outcome, Approved)
        assert found == outcome
        (now,) = desk.sandbox.truth("dispute", id=dispute["id"])
        assert now["evidence"]["receipt"].startswith("file_")
        eventually(
            lambda: desk.sandbox.truth("dispute", id=dispute["id"], status="won"), "the dispute is won"
        )
        notice = self.told(desk, dispute, "charge.dispute.closed")
        assert notice.standing is DisputeStanding.WON
        assert [move.fee.minor for move in notice.movements] == [1500, -1500]

    def test_is_accepted(self, desk, disputed):
        dispute = disputed()
        adapter = registry.provider("stripe")
        request = AcceptRequest(f"op_accept-{dispute['id']}", PRICE, "dis_1", dispute["id"])
        outcome = adapter.accept_dispute(request)
        assert isinstance(outcome, Approved)
        now = datetime.now(UTC)
        sought = Sought("accept", "dis_1", dispute["id"], now, now)
        assert adapter.find(request.idempotency_key, PRICE, sought) == outcome
        assert self.told(desk, dispute, "charge.dispute.closed").standing is DisputeStanding.ACCEPTED
        again, _ = self.challenge(dispute, EvidenceItem("explanation", "late"))
        assert isinstance(again, Rejected)

    def test_answer_that_is_lost_is_found(self, desk, disputed):
        dispute = disputed()
        desk.script("reset_after", operation="challenge")
        outcome, found = self.challenge(dispute, EvidenceItem("explanation", "we sent it"))
        assert isinstance(outcome, Unknown)
        assert isinstance(found, Approved)

    def test_that_was_not_answered_is_found_unanswered(self, disputed):
        dispute = disputed()
        now = datetime.now(UTC)
        for kind in ("challenge", "accept"):
            sought = Sought(kind, "dis_1", dispute["id"], now, now)
            assert registry.provider("stripe").find("op_never", PRICE, sought) == NotFound()

    def test_takes_no_more_files_than_stripe_has_places_for(self, disputed):
        pdf = [EvidenceItem("receipt", "", f"{n}.pdf", "application/pdf", b"%PDF-1") for n in range(3)]
        outcome, _ = self.challenge(disputed(), *pdf)
        assert outcome == Rejected("too_many_files", "Stripe takes one file of each kind and one other")


def test_what_stripe_is_not_asked_for_is_refused_here(network):
    adapter = registry.provider("stripe")
    increment = IncrementRequest("op_increment", PRICE, "pay_x", "pi_x")
    assert isinstance(adapter.increment(increment), Rejected)
    assert isinstance(adapter.transfer(TransferRequest("op_transfer", PRICE, "po_x", {})), Rejected)
    for unknown in ("po_1", "../balance"):
        with pytest.raises(ProviderRefused):
            adapter.settlement_report(unknown)
    assert adapter.health() is True


def test_a_token_says_whose_it_is(network):
    assert registry.owner_of("pm_card_visa") == "stripe"
    assert registry.owner_of("tok_visa") == "stripe"
    assert registry.owner_of("tok_mfrggzdfmztwq2lknnwg23tpobyxe43u") is None  # our own vault's
    assert registry.owner_of("vpt_0123") == "velocitypay"
    assert registry.owner_of("something") is None
