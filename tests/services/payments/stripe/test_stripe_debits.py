"""ACH and SEPA debits at Stripe, over HTTP: taken at once, known later, sent back before or after."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import stripe

from ledger import clock
from ledger.ids import parse
from ledger.money import Money
from payments.models import Dispute, Payment, ProviderOperation
from payments.services.calls import recovering
from settlements import selectors
from settlements.models import FundedOperation
from tests.kit import settling
from tests.kit.books import assert_all_invariants_hold
from tests.kit.network import eventually
from tests.kit.shop import CORE, REFUNDS, Shop, good, run_jobs
from tests.kit.stripe import StripeSandbox
from tests.services.payments.stripe.test_paying_with_stripe import intent_of, send

pytestmark = pytest.mark.django_db
CURRENCIES = {"ach": "USD", "sepa": "EUR"}
PAYS = {"ach": "pm_usBankAccount_success", "sepa": "pm_success_de"}
FUNDS = {"ach": "pm_usBankAccount_insufficientFunds", "sepa": "pm_insufficientFunds_de"}
TAKES_BACK = {"ach": "pm_usBankAccount_dispute", "sepa": "pm_disputed_de"}
KINDS = pytest.mark.parametrize("kind", ["ach", "sepa"])
ACCOUNT = {
    "account_holder_type": "individual",
    "account_number": "000123456789",
    "routing_number": "110000000",
}


@pytest.fixture
def sandbox(shop: Shop) -> StripeSandbox:
    return StripeSandbox(shop.network)


def draw(shop: Shop, kind: str, token: str, status: int = 202, **options: Any) -> dict[str, Any]:
    """Order a payment by debit of 42.00."""
    method = options.pop("payment_method", {"type": kind, "token": token})
    wanted = {"confirm": True, "capture_method": "automatic", "currency": CURRENCIES[kind], **options}
    return good(shop.client.post(CORE, shop.body(payment_method=method, amount=4_200, **wanted)), status)


def known(shop: Shop, sandbox: StripeSandbox, made: dict[str, Any]) -> dict[str, Any]:
    """Let the bank's answer come to Stripe, its event to us, and return the payment."""
    eventually(lambda: intent_of(sandbox, made)["status"] != "processing", "the bank answers")
    intent = intent_of(sandbox, made)
    kind = "succeeded" if intent["status"] == "succeeded" else "payment_failed"
    assert send(f"payment_intent.{kind}", intent, f"evt_{intent['id']}").status_code == 200
    run_jobs()
    recovering.sweep(clock.now() + timedelta(seconds=1))
    return shop.payment(made["id"])


def operation_of(made: dict[str, Any], kind: str) -> ProviderOperation:
    return ProviderOperation.objects.get(payment_id=parse(Payment.PREFIX, made["id"]), kind=kind)


@KINDS
def test_is_processing_until_the_bank_has_paid_and_goes_back_as_a_transfer(shop, sandbox, kind):
    made = draw(shop, kind, PAYS[kind])
    assert (made["status"], made["provider"]) == ("processing", "stripe")
    paid = known(shop, sandbox, made)
    assert (paid["status"], paid["captured"]["amount"]) == ("captured", 4_200)
    assert paid["payment_method"]["type"] == kind
    assert paid["payment_method"]["last4"] == ("6789" if kind == "ach" else "3000")
    assert operation_of(made, "capture").fee_minor == (33 if kind == "ach" else 35)
    asked = shop.refund_asked(paid, amount=1_200)
    refund = good(shop.client.post(f"{REFUNDS}{asked['id']}/process"), 202)
    assert refund["status"] == "processing"
    key = operation_of(made, "refund").idempotency_key
    eventually(lambda: sandbox.truth_of(key)[0]["status"] == "succeeded", "the transfer is made")
    recovering.sweep(clock.now() + timedelta(minutes=5))
    assert shop.refund(asked["id"])["status"] == "completed"
    assert_all_invariants_hold()


@KINDS
def test_that_the_bank_sends_back_fails(shop, sandbox, kind):
    made = known(shop, sandbox, draw(shop, kind, FUNDS[kind]))
    assert (made["status"], made["decline"]["code"]) == ("failed", "insufficient_funds")
    assert made["decline"]["retry_at"]
    assert_all_invariants_hold()


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("accountClosed", "no_such_account"),
        ("noAccount", "no_such_account"),
        ("debitNotAuthorized", "authorization_revoked"),
    ],
)
def test_says_why_in_our_words(shop, sandbox, token, code):
    made = known(shop, sandbox, draw(shop, "ach", f"pm_usBankAccount_{token}"))
    assert (made["status"], made["decline"]["code"]) == ("failed", code)


@KINDS
def test_that_is_taken_back_after_it_paid_is_a_lost_dispute(shop, sandbox, kind):
    made = draw(shop, kind, TAKES_BACK[kind])
    assert known(shop, sandbox, made)["status"] == "captured"
    intent = intent_of(sandbox, made)
    (dispute,) = eventually(
        lambda: sandbox.truth("dispute", payment_intent=intent["id"]), "the bank takes it back"
    )
    for number, told in enumerate(("created", "funds_withdrawn", "closed", "created")):
        assert send(f"charge.dispute.{told}", dispute, f"evt_{dispute['id']}_{number}").status_code == 200
    run_jobs()
    kept = Dispute.objects.get(provider_reference=dispute["id"])
    assert (kept.state, kept.amount_minor, kept.fee_minor) == ("lost", 4_200, 1_500)
    movements = ProviderOperation.objects.filter(subject_id=kept.pk).values_list("kind", "amount_minor")
    assert list(movements) == [("withdrawal", 4_200)]
    assert_all_invariants_hold()


@pytest.mark.parametrize(("result", "status"), [("success", "captured"), ("fail", "failed")])
def test_an_account_that_nobody_verified_is_verified_by_its_holder_first(shop, sandbox, result, status):
    method = sandbox.library().v1.payment_methods.create(
        {"type": "us_bank_account", "us_bank_account": ACCOUNT, "billing_details": {"name": "Carla Jung"}}  # type: ignore[typeddict-item]
    )
    made = draw(shop, "ach", method.id, 201)
    assert made["status"] == "requires_action"
    until = datetime.fromisoformat(made["next_action"]["expires_at"])
    assert timedelta(days=9) < until - datetime.now(UTC) < timedelta(days=11)
    page = httpx.get(made["next_action"]["url"], trust_env=False)
    assert "Verify your bank account" in page.text
    httpx.post(made["next_action"]["url"], data={"result": result}, trust_env=False)
    assert known(shop, sandbox, made)["status"] == status
    assert_all_invariants_hold()


@KINDS
@pytest.mark.parametrize(
    ("options", "why"),
    [({"capture_method": "manual"}, "only at once"), ({"currency": "GBP"}, "does not take GBP")],
)
def test_is_refused_where_stripe_cannot_before_anything_is_written(
    shop, sandbox, northwind, kind, options, why
):
    refused = draw(shop, kind, PAYS[kind], 422, **options)
    assert refused["code"] == "no_provider"
    assert why in refused["detail"]
    assert not Payment.objects.filter(merchant=northwind).exists()


@KINDS
def test_is_one_step_also_when_it_is_authorized_later(shop, sandbox, kind):
    made = draw(shop, kind, PAYS[kind], 201, confirm=False)
    asked = good(shop.client.put(f"{CORE}{made['id']}/authorize"), 202)
    assert asked["status"] == "processing"
    assert operation_of(made, "authorize").request["capture"] is True
    assert known(shop, sandbox, made)["status"] == "captured"


@KINDS
def test_draws_on_a_stored_account_that_stripe_holds(shop, sandbox, kind):
    body = {
        "customer_id": "carla",
        "type": kind,
        "provider_token": {"provider": "stripe", "token": PAYS[kind]},
    }
    stored = good(shop.client.post("/api/v1/payment-methods/", body), 201)
    made = draw(shop, kind, "", payment_method=stored["id"], customer_id="carla")
    assert (made["provider"], made["payment_method"]["type"]) == ("stripe", kind)
    assert known(shop, sandbox, made)["status"] == "captured"


def test_pays_out_what_was_paid_and_leaves_out_what_came_back(own_network, northwind, merchant_client):
    """One payout: a debit that paid with its fee, one that was sent back, one that was taken back."""
    shop, at = Shop(merchant_client, own_network), clock.now()
    there = StripeSandbox(own_network)
    tokens = ("pm_success_de", "pm_insufficientFunds_de", "pm_disputed_de", "pm_success_de")
    orders = [draw(shop, "sepa", token) for token in tokens]
    ended = [known(shop, there, made)["status"] for made in orders]
    assert ended == ["captured", "failed", "captured", "captured"]
    (dispute,) = eventually(lambda: there.truth("dispute"), "one is taken back")
    assert send("charge.dispute.created", dispute, f"evt_{dispute['id']}").status_code == 200
    run_jobs()
    settling.take_in(northwind, settling.statement_file(own_network, at), at)
    assert not list(selectors.open_breaks(northwind.pk).values_list("reason", "detail"))
    funded = FundedOperation.objects.filter(match__merchant=northwind).order_by("amount_minor")
    assert [(row.amount_minor, row.fee_minor) for row in funded] == [(-4_200, 1_500), *[(4_200, 35)] * 3]
    assert_all_invariants_hold()


class TestTheFace:
    """What the sandbox refuses as Stripe does, by the official library."""

    def draw(self, sandbox: StripeSandbox, **more: Any) -> stripe.PaymentIntent:
        wanted = {
            "amount": 4_200, "currency": "usd", "payment_method": PAYS["ach"], "confirm": True,
            "payment_method_types": ["us_bank_account"],
            "mandate_data": {"customer_acceptance": {"type": "offline"}},
            "payment_method_options": {
                "us_bank_account": {"mandate_options": {"collection_method": "paper"}}
            },
            **more,
        }  # fmt: skip
        return sandbox.library().v1.payment_intents.create(wanted)  # type: ignore[arg-type]

    def test_tells_the_account_that_was_drawn_on(self, sandbox):
        intent = self.draw(sandbox)
        assert intent.status == "processing"
        library = sandbox.library().v1
        paid = eventually(
            lambda: (one := library.payment_intents.retrieve(intent.id)).status == "succeeded" and one, "paid"
        )
        charge = library.charges.retrieve(str(paid.latest_charge))
        told = charge.payment_method_details
        assert (told.type, told.us_bank_account.last4) == ("us_bank_account", "6789")

    @pytest.mark.parametrize(
        ("changed", "param"),
        [
            ({"mandate_data": {}}, "mandate_data"),
            ({"payment_method_options": {}}, "mandate_data"),
            ({"currency": "eur"}, "currency"),
            ({"capture_method": "manual"}, "capture_method"),
            ({"payment_method_types": ["card"]}, "payment_method"),
        ],
    )
    def test_refuses_what_cannot_be_drawn(self, sandbox, changed, param):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            self.draw(sandbox, **changed)
        assert refused.value.param == param

    def test_wants_who_holds_an_account(self, sandbox):
        account = {"type": "sepa_debit", "sepa_debit": {"iban": "DE89370400440532013000"}}
        with pytest.raises(stripe.InvalidRequestError):
            sandbox.library().v1.payment_methods.create(account)  # type: ignore[arg-type]


def test_is_of_our_amount(shop, sandbox):
    """The books have what the bank paid: nothing else, nothing twice."""
    made = draw(shop, "sepa", PAYS["sepa"])
    for _ in range(2):
        known(shop, sandbox, made)
    payment = Payment.objects.get(pk=parse(Payment.PREFIX, made["id"]))
    assert Money(payment.captured_minor, payment.currency) == Money(4_200, "EUR")
