"""The customer must act first: what the payment says meanwhile, and every way in which it ends."""

from datetime import timedelta

import pytest

from ledger import clock, jobs
from ledger.models import JournalEntry
from payments.models import Payment
from payments.providers.outcomes import Approved, Pending
from payments.services.calls import operations, recovering
from payments.services.calls.operations import OperationOpen
from payments.services.webhooks import webhook_intake
from tests.kit.books import assert_all_invariants_hold
from tests.kit.callbacks import callback_of
from tests.kit.race import errors, results, together
from tests.kit.shop import work_until
from tests.services.payments.cast import (
    KEY,
    authorized,
    cancelled,
    captured,
    created,
    now_plus,
    operation_of,
    sold,
    types_of,
    usd,
    wish,
)

pytestmark = pytest.mark.django_db(transaction=True)

PAGE_MINUTES = 10


def fresh(payment):
    return Payment.objects.get(pk=payment.pk)


def entries(payment):
    return JournalEntry.objects.filter(source_id=payment.pk).count()


@pytest.fixture
def waiting(northwind, ada, network):
    """Pay with a card whose bank asks for a challenge: `waiting(card, **options of wish)`."""

    def pay(card="challenge", **options):
        token = network.card(card)["token"]
        wanted = wish(token, **{"capture_method": "automatic", "shares": [(ada, 6_000)], **options})
        payment = sold(northwind, wanted)
        assert network.faults()[f"scenario:{card}"]
        return payment

    return pay


class TestWaiting:
    def test_says_where_the_customer_must_go_and_until_when(self, waiting):
        payment = waiting(return_url="https://shop.example/back")
        assert payment.state == "requires_action"
        assert payment.action_url.endswith(f"/challenges/{payment.provider_reference}")
        assert timedelta(minutes=9) < payment.expires_at - clock.now() <= timedelta(minutes=PAGE_MINUTES)
        assert operation_of(payment, "authorize").is_awaited
        recovering.sweep(now_plus(60))
        assert fresh(payment).state == "requires_action"
        assert types_of(payment) == ["created", "requires_action"]
        assert_all_invariants_hold()

    def test_the_page_sends_the_customer_back(self, waiting, network):
        payment = waiting(return_url="https://shop.example/back")
        page = network.client.get(payment.action_url)
        assert "<form" in page.text
        answer = network.act(payment.action_url)
        assert (answer.status_code, answer.headers["location"]) == (303, "https://shop.example/back")

    def test_a_sale_is_taken_when_the_customer_has_passed(self, waiting, network):
        payment = waiting()
        network.act(payment.action_url)
        recovering.sweep(now_plus(60))
        payment = fresh(payment)
        assert (payment.state, payment.captured_minor, entries(payment)) == ("captured", 10_000, 1)
        assert (payment.authentication, payment.liability_shift) == ("authenticated", "issuer")
        jobs.run_due(now_plus(3_600))
        assert fresh(payment).state == "captured"
        assert_all_invariants_hold()

    def test_an_authorization_too_and_the_callback_tells(self, waiting, network):
        payment = waiting(capture_method="manual")
        network.act(payment.action_url, "attempted")
        told = callback_of(network, operation_of(payment, "authorize").idempotency_key)
        webhook_intake.receive("velocitypay", told.headers(), told.body, clock.now())
        work_until(now_plus(0))
        payment = fresh(payment)
        assert (payment.state, payment.authentication) == ("authorized", "attempted")
        assert captured(payment).state == "captured"

    @pytest.mark.parametrize(
        ("card", "result", "code"),
        [
            ("challenge", "failed", "authentication_failed"),
            ("challenge_declined", "authenticated", "insufficient_funds"),
        ],
    )
    def test_it_fails_with_a_reason(self, waiting, network, card, result, code):
        payment = waiting(card)
        network.act(payment.action_url, result)
        recovering.sweep(now_plus(60))
        payment = fresh(payment)
        assert (payment.state, payment.decline_code, payment.authentication) == ("failed", code, result)
        assert_all_invariants_hold()

    def test_an_exemption_that_is_granted_needs_no_challenge(self, waiting):
        payment = waiting("challenge_unless_exempted", exemption="low_value")
        assert (payment.state, payment.exemption, payment.liability_shift) == (
            "captured", "low_value", "merchant",
        )  # fmt: skip
        assert payment.authentication == "exempted"

    def test_a_provider_that_takes_its_time_after_the_challenge_is_processing(self, waiting):
        payment = waiting()
        operation = operation_of(payment, "authorize")
        operations.conclude(operation, Pending(operation.provider_reference), actor=KEY, at=clock.now())
        assert fresh(payment).state == "created"
        assert types_of(payment)[-1] == "action_finished"

    def test_a_manual_authorization_waits_in_the_same_way(self, northwind, network):
        payment = authorized(created(northwind, wish(network.card("challenge")["token"])))
        assert payment.state == "requires_action"


class TestGivingUp:
    def test_nobody_acts_in_time(self, waiting, network):
        payment = waiting()
        jobs.run_due(payment.expires_at - timedelta(seconds=1))
        assert fresh(payment).state == "requires_action"
        jobs.run_due(payment.expires_at + timedelta(seconds=1))
        payment = fresh(payment)
        assert (payment.state, payment.reason) == (
            "failed", "the customer did not finish the authentication in time",
        )  # fmt: skip
        told = {row["kind"]: row["status"] for row in network.truth(reference=payment.public_id)}
        assert told["authorize"] == "declined"
        recovering.sweep(now_plus(3_600))
        assert not payment.operations.filter(concluded_at=None).exists()
        assert types_of(payment)[-2:] == ["cancel_asked", "failed"]
        assert_all_invariants_hold()

    def test_the_merchant_cancels(self, waiting, network):
        payment = cancelled(waiting())
        assert payment.state == "cancelled"
        assert network.act(payment.action_url).status_code == 404
        recovering.sweep(now_plus(60))
        assert not payment.operations.filter(concluded_at=None).exists()
        assert_all_invariants_hold()

    def test_the_void_is_not_known_and_is_found_out(self, waiting, network):
        network.script("reset_after", operation="void")
        payment = waiting()
        seen = cancelled(payment)
        assert (seen.state, seen.is_voiding) == ("requires_action", True)
        with pytest.raises(OperationOpen):
            cancelled(payment)
        recovering.sweep(now_plus(30))
        assert fresh(payment).state == "cancelled"
        assert_all_invariants_hold()

    @pytest.mark.parametrize(("method", "state"), [("automatic", "captured"), ("manual", "cancelled")])
    def test_the_customer_passes_at_the_same_moment(self, waiting, network, method, state):
        payment = waiting(capture_method=method)
        network.act(payment.action_url)
        seen = cancelled(payment)
        recovering.sweep(now_plus(60))
        assert fresh(payment).state == state, seen.state
        assert fresh(payment).is_voiding is False
        recovering.sweep(now_plus(600))
        assert not payment.operations.filter(concluded_at=None, ask_at__isnull=False).exists()
        assert entries(payment) == (1 if state == "captured" else 0)

    def test_the_challenge_fails_at_the_same_moment(self, waiting, network):
        payment = waiting()
        network.act(payment.action_url, "failed")
        cancelled(payment)
        recovering.sweep(now_plus(60))
        assert fresh(payment).state in ("failed", "cancelled")
        assert not payment.operations.filter(concluded_at=None).exists()
        assert_all_invariants_hold()

    def test_a_yes_after_the_end_is_put_before_a_person(self, waiting):
        payment = waiting()
        jobs.run_due(payment.expires_at + timedelta(seconds=1))
        operation = operation_of(payment, "authorize")
        yes = Approved(operation.provider_reference, usd(10_000), usd(0))
        operations.conclude(operation, yes, actor=KEY, at=clock.now())
        operation.refresh_from_db()
        assert (fresh(payment).state, operation.is_held, entries(payment)) == ("failed", True, 0)


@pytest.mark.races
class TestAtOnce:
    def test_passing_and_cancelling_end_in_one_way(self, waiting, network):
        payment = waiting()
        operation = operation_of(payment, "authorize")

        def pass_and_learn():
            network.act(payment.action_url)
            recovering.resolve(operation, at=clock.now())

        outcomes = together(pass_and_learn, lambda: cancelled(payment))
        recovering.sweep(now_plus(60))
        assert len(results(outcomes)) + len(errors(outcomes)) == 2
        taken = {row["kind"] for row in network.truth(reference=payment.public_id)} >= {"capture"}
        assert fresh(payment).state == ("captured" if taken else "cancelled")
        assert entries(payment) == (1 if taken else 0)
        assert_all_invariants_hold()
