"""Stripe's face of the sandbox, driven by the official library over HTTP: laws, keys, test cards, events."""

import threading
import uuid
from typing import Any

import pytest
import stripe

from payments.simulator.stripe import cards
from tests.kit.inbox import Inbox
from tests.kit.network import STRIPE_WEBHOOK_SECRET, Network, eventually, started_network
from tests.kit.stripe import StripeSandbox


@pytest.fixture
def sandbox(network: Network) -> StripeSandbox:
    return StripeSandbox(network)


@pytest.fixture
def library(sandbox: StripeSandbox) -> stripe.StripeClient:
    return sandbox.library()


def key() -> dict[str, Any]:
    return {"idempotency_key": f"op_{uuid.uuid4()}"}


def pay(library: stripe.StripeClient, token: str = "pm_card_visa", **more: Any) -> stripe.PaymentIntent:
    wanted = {"amount": 1999, "currency": "usd", "payment_method": token, "confirm": True, **more}
    return library.v1.payment_intents.create(wanted)  # type: ignore[arg-type]


class TestAnIntent:
    def test_is_taken_at_once_when_capture_is_automatic(self, library):
        intent = pay(library, expand=["latest_charge.balance_transaction"])
        assert (intent.status, intent.amount_received, intent.amount_capturable) == ("succeeded", 1999, 0)
        assert intent.latest_charge.balance_transaction.fee == 88
        assert intent.latest_charge.balance_transaction.net == 1911

    def test_is_captured_in_part_and_the_rest_released(self, library):
        intent = pay(library, capture_method="manual")
        assert (intent.status, intent.amount_capturable) == ("requires_capture", 1999)
        taken = library.v1.payment_intents.capture(intent.id, {"amount_to_capture": 700})
        assert (taken.status, taken.amount_received, taken.amount_capturable) == ("succeeded", 700, 0)
        with pytest.raises(stripe.InvalidRequestError) as refused:
            library.v1.payment_intents.capture(intent.id)
        assert refused.value.code == "payment_intent_unexpected_state"

    def test_is_captured_several_times_only_where_multicapture_is_available(self, library):
        asked = {"card": {"request_multicapture": "if_available"}}
        intent = pay(library, capture_method="manual", payment_method_options=asked)
        first = {"amount_to_capture": 700, "final_capture": False}
        assert library.v1.payment_intents.capture(intent.id, first).status == "requires_capture"
        rest = library.v1.payment_intents.cancel(intent.id)
        assert (rest.status, rest.amount_received, rest.amount_capturable) == ("succeeded", 700, 0)
        other = pay(library, "pm_card_jcb", capture_method="manual", payment_method_options=asked)
        with pytest.raises(stripe.InvalidRequestError):
            library.v1.payment_intents.capture(other.id, first)

    def test_is_cancelled_and_stays_so(self, library):
        intent = pay(library, capture_method="manual")
        assert library.v1.payment_intents.cancel(intent.id).status == "canceled"
        with pytest.raises(stripe.InvalidRequestError):
            library.v1.payment_intents.cancel(intent.id)

    def test_refuses_to_give_back_more_than_was_taken(self, library):
        intent = pay(library)
        library.v1.refunds.create({"payment_intent": intent.id, "amount": 1500})
        with pytest.raises(stripe.InvalidRequestError):
            library.v1.refunds.create({"payment_intent": intent.id, "amount": 500})
        library.v1.refunds.create({"payment_intent": intent.id})
        with pytest.raises(stripe.InvalidRequestError) as refused:
            library.v1.refunds.create({"payment_intent": intent.id})
        assert refused.value.code == "charge_already_refunded"

    @pytest.mark.parametrize(
        ("amount", "currency"), [(49, "usd"), (123456789, "usd"), (550, "ugx"), (5124, "kwd"), (5, "xyz")]
    )
    def test_refuses_amounts_that_stripe_does_not_take(self, library, amount, currency):
        with pytest.raises(stripe.InvalidRequestError):
            pay(library, amount=amount, currency=currency)

    def test_refuses_what_it_does_not_know(self, library):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            pay(library, colour="red")
        assert refused.value.code == "parameter_unknown"
        with pytest.raises(stripe.InvalidRequestError) as missing:
            library.v1.payment_intents.retrieve("pi_none")
        assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
        assert missing.value.request_id.startswith("req_")


class TestAKey:
    def test_has_one_answer_for_ever(self, library, sandbox):
        used = key()
        body = {"amount": 500, "currency": "eur", "metadata": {"operation": used["idempotency_key"]}}
        first = library.v1.payment_intents.create(body, used)
        again = library.v1.payment_intents.create(body, used)
        assert first.id == again.id
        assert again.last_response.headers["idempotent-replayed"] == "true"
        assert len(sandbox.truth("payment_intent", id=first.id)) == 1

    def test_never_serves_two_requests(self, library):
        used = key()
        library.v1.payment_intents.create({"amount": 500, "currency": "eur"}, used)
        with pytest.raises(stripe.IdempotencyError):
            library.v1.payment_intents.create({"amount": 501, "currency": "eur"}, used)

    def test_keeps_a_decline_and_a_500_but_no_refused_request(self, library, sandbox):
        used = key()
        declined = {"amount": 500, "currency": "eur", "confirm": True,
                    "payment_method": "pm_card_visa_chargeDeclined"}  # fmt: skip
        for _ in range(2):
            with pytest.raises(stripe.CardError):
                library.v1.payment_intents.create(declined, used)
        sandbox.script("500_after", operation="authorize")
        broken = key()
        good = {**declined, "payment_method": "pm_card_visa"}
        for _ in range(2):
            with pytest.raises(stripe.APIError):
                library.v1.payment_intents.create(good, broken)
        refused = key()
        with pytest.raises(stripe.InvalidRequestError):
            library.v1.payment_intents.create({"amount": 1, "currency": "usd"}, refused)
        assert library.v1.payment_intents.create({"amount": 100, "currency": "usd"}, refused).amount == 100

    def test_is_taken_while_its_request_runs(self, library, sandbox):
        used = key()
        body = {"amount": 500, "currency": "eur", "confirm": True, "payment_method": "pm_card_visa"}
        sandbox.script("slow:1", operation="authorize", idempotency_key=used["idempotency_key"])
        running = threading.Thread(target=lambda: sandbox.library().v1.payment_intents.create(body, used))
        running.start()
        eventually(lambda: sandbox.faults().get("slow"), "the slow request runs")
        with pytest.raises(stripe.APIError) as busy:
            library.v1.payment_intents.create(body, used)
        running.join()
        assert busy.value.http_status == 409
        assert library.v1.payment_intents.create(body, used).status == "succeeded"


class TestATestCard:
    DECLINING = [card for card in cards.CARDS if card.faults.get("authorize", "").startswith("decline:")]

    @pytest.mark.parametrize("card", DECLINING, ids=lambda card: card.name)
    def test_is_declined_as_its_row_says(self, library, card):
        wanted, _, advice = card.faults["authorize"].removeprefix("decline:").partition("@")
        with pytest.raises(stripe.CardError) as declined:
            pay(library, f"pm_card_{card.suffix}")
        body = declined.value.json_body["error"]
        assert wanted in (body["code"], body.get("decline_code"))
        assert body.get("network_advice_code", "") == advice
        assert body["payment_intent"]["status"] == "requires_payment_method"
        assert body["payment_intent"]["last_payment_error"]["code"] == body["code"]

    def test_is_tokenized_by_number_and_its_number_is_not_kept(self, library, sandbox):
        method = library.v1.payment_methods.create(
            {"type": "card", "card": {"number": "4000000000009995", "exp_month": 12, "exp_year": 2040,
                                      "cvc": "123"}}
        )  # fmt: skip
        with pytest.raises(stripe.CardError) as declined:
            pay(library, method.id)
        assert declined.value.json_body["error"]["decline_code"] == "insufficient_funds"
        assert b"4000000000009995" not in (sandbox.network.folder / "stripe.sqlite3").read_bytes()

    def test_is_kept_for_a_customer(self, library):
        customer = library.v1.customers.create({"email": "ada@example.com"})
        method = library.v1.payment_methods.attach("pm_card_mastercard", {"customer": customer.id})
        listed = library.v1.payment_methods.list({"customer": customer.id})
        assert [row.id for row in listed.data] == [method.id]
        assert library.v1.payment_methods.detach(method.id).customer is None

    def test_makes_a_dispute_that_evidence_wins_or_time_loses(self, library):
        def disputed() -> stripe.Dispute:
            intent = pay(library, "pm_card_createDispute")
            return library.v1.disputes.list({"payment_intent": intent.id}).data[0]

        won, lost = disputed(), disputed()
        assert (won.status, won.reason, won.amount) == ("needs_response", "fraudulent", 1999)
        evidence = {"uncategorized_text": "winning_evidence", "customer_name": "Ada"}
        assert library.v1.disputes.update(won.id, {"evidence": evidence}).status == "under_review"
        assert library.v1.disputes.close(lost.id).status == "lost"
        eventually(lambda: library.v1.disputes.retrieve(won.id).status == "won", "the evidence wins")
        moves = library.v1.disputes.retrieve(won.id).balance_transactions
        assert [move["amount"] for move in moves] == [-1999, 1999]

    def test_refund_fails_late_and_frees_the_money_again(self, library):
        intent = pay(library, "pm_card_refundFail")
        refund = library.v1.refunds.create({"payment_intent": intent.id})
        assert refund.status == "succeeded"
        eventually(lambda: library.v1.refunds.retrieve(refund.id).status == "failed", "the refund fails")
        charge = library.v1.charges.retrieve(str(intent.latest_charge))
        assert (charge.amount_refunded, charge.refunded) == (0, False)


class TestReading:
    def test_search_lags_but_lists_do_not(self, library):
        name = f"op_{uuid.uuid4()}"
        intent = library.v1.payment_intents.create(
            {"amount": 500, "currency": "eur", "metadata": {"operation": name}}
        )
        query = {"query": f'metadata["operation"]:"{name}"'}
        assert library.v1.payment_intents.search(query).data == []
        since = {"created": {"gte": intent.created - 5}, "limit": 1}
        assert library.v1.payment_intents.list(since).data[0].id == intent.id
        eventually(lambda: library.v1.payment_intents.search(query).data, "the search knows it")

    def test_lists_are_paged_newest_first(self, library):
        customer = library.v1.customers.create({"email": "page@example.com"})
        made = [
            library.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id}).id for _ in range(3)
        ]
        listed = library.v1.payment_methods.list({"customer": customer.id, "limit": 2})
        assert [row.id for row in listed.auto_paging_iter()] == made[::-1]

    def test_nobody_reads_without_the_key(self, sandbox):
        stranger = stripe.StripeClient("sk_test_other", base_addresses={"api": sandbox.url})
        with pytest.raises(stripe.AuthenticationError):
            stranger.v1.payment_intents.list()


class TestAnEvent:
    def test_is_signed_so_that_the_library_believes_it(self, tmp_path):
        with Inbox() as inbox, started_network(tmp_path / "n", stripe_callback_url=inbox.url) as network:
            library = StripeSandbox(network).library()
            intent = pay(library, capture_method="manual")
            eventually(lambda: len(inbox.letters) >= 3, "the events arrive")
            headers = {name.lower(): value for name, value in inbox.letters[-1].headers.items()}
            event = stripe.Webhook.construct_event(
                inbox.letters[-1].body, headers["stripe-signature"], STRIPE_WEBHOOK_SECRET
            )
        assert event.type == "payment_intent.amount_capturable_updated"
        assert event.data.object["id"] == intent.id


class TestTheTruth:
    def test_names_every_operation_by_our_key_once(self, sandbox, library):
        def asked(name: str) -> dict[str, Any]:
            return {"operation": f"{mark}-{name}", "reference": mark}

        mark = f"op_{uuid.uuid4().hex}"
        held = pay(library, capture_method="manual", metadata=asked("auth"))
        library.v1.payment_intents.capture(held.id, {"amount_to_capture": 700}, key() | {
            "idempotency_key": f"{mark}-capture"})  # fmt: skip
        given_up = pay(library, capture_method="manual", metadata=asked("held"))
        library.v1.payment_intents.cancel(given_up.id, {}, {"idempotency_key": f"{mark}-void"})
        sold = pay(library, metadata=asked("sale"))
        library.v1.refunds.create({"payment_intent": sold.id, "amount": 99, "metadata": asked("refund")})
        with pytest.raises(stripe.CardError):
            pay(library, "pm_card_chargeDeclined", metadata=asked("declined"))
        rows = [row for row in told(sandbox) if str(row["idempotency_key"]).startswith(mark)]
        assert {
            (
                row["idempotency_key"].removeprefix(f"{mark}-"),
                row["kind"],
                row["status"],
                row["amount"],
                row["fee"],
            )
            for row in rows
        } == {
            ("auth", "authorize", "authorized", 1999, 0),
            ("capture", "capture", "succeeded", 700, 50),
            ("held", "authorize", "authorized", 1999, 0),
            ("void", "void", "succeeded", 1999, 0),
            ("sale", "authorize", "authorized", 1999, 0),
            ("sale:capture", "capture", "succeeded", 1999, 88),
            ("refund", "refund", "succeeded", 99, 0),
            ("declined", "authorize", "declined", 1999, 0),
        }
        assert len(rows) == 8
        assert {(row["reference"], row["currency"]) for row in rows} == {(mark, "USD")}

    def test_names_what_nobody_of_ours_asked_for_by_its_id(self, sandbox, library):
        made = pay(library, "pm_card_createDispute")
        (dispute,) = library.v1.disputes.list({"payment_intent": made.id}).data
        (moved,) = dispute.balance_transactions
        row = next(row for row in told(sandbox) if row["idempotency_key"] == moved.id)
        assert (row["kind"], row["amount"], row["fee"]) == ("withdrawal", 1999, 1500)


def told(sandbox: StripeSandbox) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    page: dict[str, Any] = {"after": 0, "has_more": True}
    while page["has_more"]:
        answer = sandbox.client.get("/sim/operations", params={"after": page["after"]})
        page = answer.raise_for_status().json()
        rows += page["data"]
    return rows
