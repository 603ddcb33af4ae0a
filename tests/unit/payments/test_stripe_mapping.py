"""Stripe's answers in our words: every row of MAPPING.md, and that nothing others may send breaks it."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Money
from payments.providers.declines import DECLINES
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
    Taken,
    Unknown,
)
from payments.providers.requests import AuthorizeRequest, CaptureRequest, RefundRequest
from payments.providers.stripe import amounts, declines, mapping
from payments.providers.stripe.amounts import NotCarried
from payments.providers.stripe.mapping import Expected

KEY, PRICE = "op_1", Money(1999, "USD")
ZERO = Money(0, "USD")
AUTHORIZE = Expected(KEY, PRICE, "authorize", "pay_1")
CAPTURE = Expected("op_2", Money(700, "USD"), "capture", "pay_1")
VOID = Expected("op_3", PRICE, "void", "pay_1")
REFUND = Expected(KEY, PRICE, "refund", "pay_1")


def intent(status: str = "requires_capture", **changes: Any) -> dict[str, Any]:
    return {
        "id": "pi_1", "object": "payment_intent", "status": status, "amount": 1999, "amount_received": 0,
        "amount_capturable": 1999, "currency": "usd", "capture_method": "manual", "latest_charge": "ch_1",
        "metadata": {"operation": KEY, "reference": "pay_1"}, "last_payment_error": None,
        "next_action": None, "cancellation_reason": None, **changes,
    }  # fmt: skip


def captured(*parts: int, **changes: Any) -> dict[str, Any]:
    """An intent of which parts were captured under op_2, op_3, …"""
    stamps = {f"op_{number}": str(part) for number, part in enumerate(parts, start=2)}
    metadata = {"operation": KEY, "reference": "pay_1", **stamps, "capture": f"op_{len(parts) + 1}"}
    return intent("succeeded", **{"amount_received": sum(parts), "metadata": metadata, **changes})


def charge(amount: int, fee: int, currency: str = "usd", **card: Any) -> dict[str, Any]:
    balance = {"id": "txn_1", "amount": amount, "fee": fee, "currency": currency, "type": "charge"}
    return {"id": "ch_1", "balance_transaction": balance,
            "payment_method_details": {"card": {"brand": "visa", "last4": "4242", **card}}}  # fmt: skip


def refund(status: str = "succeeded", **changes: Any) -> dict[str, Any]:
    return {"id": "re_1", "object": "refund", "status": status, "amount": 1999, "currency": "usd",
            "metadata": {"operation": KEY, "reference": "pay_1"}, **changes}  # fmt: skip


REDIRECT = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://bank.example/3ds"}}
ERROR = {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}

STATUSES: list[tuple[Expected, dict[str, Any], type[Outcome]]] = [
    (AUTHORIZE, intent("requires_capture"), Approved),
    (AUTHORIZE, captured(1999), Approved),
    (AUTHORIZE, intent("processing"), Pending),
    (AUTHORIZE, intent("requires_action", next_action=REDIRECT), RequiresAction),
    (AUTHORIZE, intent("requires_action", next_action={"type": "use_stripe_sdk"}), Unknown),
    (AUTHORIZE, intent("requires_payment_method", last_payment_error=ERROR), Declined),
    (AUTHORIZE, intent("requires_payment_method"), Unknown),
    (AUTHORIZE, intent("requires_confirmation"), Unknown),
    (AUTHORIZE, intent("canceled", latest_charge=None), Declined),
    (AUTHORIZE, intent("canceled"), Declined),
    (AUTHORIZE, intent("something_new"), Unknown),
    (CAPTURE, captured(700), Approved),
    (CAPTURE, captured(700, 300) | {"status": "requires_capture"}, Approved),
    (CAPTURE, captured(700) | {"status": "processing"}, Pending),
    (CAPTURE, captured(700) | {"status": "canceled"}, Unknown),
    (VOID, intent("canceled"), Approved),
    (VOID, captured(700), Approved),
    (VOID, intent("requires_capture"), Unknown),
    (REFUND, refund("succeeded"), Approved),
    (REFUND, refund("pending"), Pending),
    (REFUND, refund("requires_action"), Pending),
    (REFUND, refund("failed", failure_reason="lost_or_stolen_card"), Declined),
    (REFUND, refund("canceled"), Declined),
    (REFUND, refund("something_new"), Unknown),
]


@pytest.mark.parametrize(("expected", "body", "kind"), STATUSES)
def test_each_status_has_its_meaning(expected, body, kind):
    assert isinstance(mapping.described(body, expected), kind)


def test_the_table_of_statuses_is_the_one_tested():
    tested = {(expected.kind, body["status"]) for expected, body, _ in STATUSES}
    assert set(mapping.STATUSES) <= tested


@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [
        (402, ERROR, Declined("insufficient_funds", DECLINES["insufficient_funds"].advice, None, False,
                              {"provider_code": "insufficient_funds"})),
        (402, {"type": "card_error", "code": "brand_new"}, Declined(
            "do_not_honor", DECLINES["do_not_honor"].advice, None, False, {"provider_code": "brand_new"})),
        (402, {"type": "api_error"}, Unknown("http_402")),
        (400, {"type": "invalid_request_error", "code": "amount_too_small", "message": "m"},
         Rejected("amount_too_small", "m")),
        (400, {"type": "invalid_request_error", "message": "m"}, Rejected("invalid_request", "m")),
        (404, {"type": "invalid_request_error", "code": "resource_missing", "message": "m"},
         Rejected("resource_missing", "m")),
        (400, {"type": "idempotency_error"}, Unknown("http_400_idempotency_error")),
        (409, {"type": "idempotency_error", "code": "idempotency_key_in_use"},
         Unknown("http_409_idempotency_error_idempotency_key_in_use")),
        (429, {"type": "invalid_request_error", "code": "lock_timeout"}, NotSent("lock_timeout", 2.0)),
        (401, {"type": "invalid_request_error"}, NotSent("credentials_refused", 2.0)),
        (403, {"type": "invalid_request_error"}, NotSent("credentials_refused", 2.0)),
        (500, {"type": "api_error"}, Unknown("http_500")),
        (503, {"type": "unreadable"}, Unknown("http_503_unreadable")),
        (200, {"type": "api_error"}, Unknown("bad_body")),
        (302, {}, Unknown("http_302")),
    ],
)  # fmt: skip
def test_each_answer_has_its_meaning(status, error, outcome):
    assert mapping.outcome(status, {"error": error}, AUTHORIZE, retry_after_seconds=2.0) == outcome


@pytest.mark.parametrize(
    ("expected", "body", "differing"),
    [
        (AUTHORIZE, intent(amount=2000), "amount=2000"),
        (AUTHORIZE, intent(currency="eur"), "currency=EUR"),
        (AUTHORIZE, intent(metadata={"operation": "op_9", "reference": "pay_1"}), "key=op_9"),
        (AUTHORIZE, intent(metadata={"operation": KEY, "reference": "pay_9"}), "reference=pay_9"),
        (AUTHORIZE, captured(1000, capture_method="automatic"), "captured 10.00 USD"),
        (CAPTURE, captured(700, 300, amount_received=1100), "received=1100"),
        (CAPTURE, captured(600), "amount=600"),
        (CAPTURE, intent("succeeded"), "amount=none"),
        (REFUND, refund(amount=1), "amount=1"),
        (VOID, intent("canceled", currency="eur"), "currency=EUR"),
    ],
)
def test_what_is_about_other_money_is_held(expected, body, differing):
    held = mapping.described(body, expected)
    assert isinstance(held, Mismatch)
    assert held.got == differing


def test_a_decline_about_another_operation_is_held():
    error = {**ERROR, "payment_intent": intent(metadata={"operation": "op_9", "reference": "pay_1"})}
    assert isinstance(mapping.outcome(402, {"error": error}, AUTHORIZE), Mismatch)


class TestAFee:
    def test_is_the_charges(self):
        body = captured(700, latest_charge=charge(700, 50))
        assert mapping.described(body, CAPTURE) == Approved("ch_1:op_2", Money(700, "USD"), Money(50, "USD"))

    @pytest.mark.parametrize(
        "told", ["ch_1", charge(1999, 88), charge(700, 701), charge(700, 50, "eur"), {"id": "ch_1"}, None]
    )
    def test_is_not_told_by_another_or_by_none(self, told):
        outcome = mapping.described(captured(700, latest_charge=told), CAPTURE)
        assert isinstance(outcome, Approved)
        assert (outcome.fee, outcome.details) == (ZERO, {"fee": "not_told"})

    def test_of_a_sale_is_that_of_its_capture(self):
        body = captured(capture_method="automatic", amount_received=1999, latest_charge=charge(1999, 88))
        outcome = mapping.described(body, AUTHORIZE)
        assert isinstance(outcome, Approved)
        assert (outcome.fee, outcome.taken) == (ZERO, Taken("ch_1", PRICE, Money(88, "USD")))


class TestFinding:
    def test_a_capture_without_our_key_never_happened(self):
        assert mapping.found(captured(700), Expected("op_9", PRICE, "capture")) == NotFound()

    def test_a_void_that_released_nothing_never_happened(self):
        assert mapping.found(intent("requires_capture"), VOID) == NotFound()
        assert mapping.found(captured(1999), VOID) == NotFound()

    def test_a_void_tells_how_much_it_released(self):
        assert mapping.found(captured(700), VOID) == Approved("pi_1", Money(1299, "USD"), ZERO)


@pytest.mark.parametrize(
    ("result", "authentication", "liability"),
    [
        ("authenticated", "authenticated", "issuer"),
        ("attempt_acknowledged", "attempted", "issuer"),
        ("exempted", "exempted", "merchant"),
        ("failed", "failed", "merchant"),
        ("not_supported", "not_supported", "merchant"),
        ("processing_error", "failed", "merchant"),
    ],
)
def test_an_authentication_says_who_bears_a_dispute(result, authentication, liability):
    secure = {"result": result, "exemption_indicator": "low_risk"}
    details = mapping.details_of(intent(latest_charge=charge(1, 0, three_d_secure=secure)))
    assert (details["authentication"], details["liability_shift"]) == (authentication, liability)
    assert details["exemption"] == "low_risk"


class TestARequest:
    def test_of_a_sale_asks_for_no_second_capture(self):
        params = mapping.authorize_params(AuthorizeRequest(KEY, PRICE, "pay_1", "tok_visa", capture=True))
        assert params["capture_method"] == "automatic"
        assert "payment_method_options" not in params
        assert params["payment_method_data"] == {"type": "card", "card": {"token": "tok_visa"}}

    def test_without_a_page_to_come_back_to_asks_for_no_challenge(self):
        without = mapping.authorize_params(AuthorizeRequest(KEY, PRICE, "pay_1", "pm_1"))
        assert without["error_on_requires_action"] is True
        page = AuthorizeRequest(KEY, PRICE, "pay_1", "pm_1", return_url="https://shop.example")
        assert mapping.authorize_params(page)["return_url"] == "https://shop.example"

    def test_of_a_capture_says_whether_it_is_the_last(self):
        part = mapping.capture_params(CaptureRequest("op_2", PRICE, "pay_1", "pi_1"))
        last = mapping.capture_params(CaptureRequest("op_2", PRICE, "pay_1", "pi_1", is_last=True))
        assert (part["final_capture"], "final_capture" in last) == (False, False)
        assert part["metadata"] == {"op_2": "1999", "capture": "op_2"}

    def test_keys_fit_into_metadata(self):
        key = f"op_{'0' * 26}"
        params = mapping.refund_params(RefundRequest(key, PRICE, "ref_1", "pi_1"))
        assert all(len(name) <= 40 for name in (*params["metadata"], key))


def test_every_decline_is_canonical():
    assert set(declines.CODES.values()) <= set(DECLINES)


@given(
    st.integers(0, 10**12), st.sampled_from(["USD", "JPY", "UGX", "ISK", "MGA", "KWD", "TND", "CLF", "IQD"])
)
def test_amounts_go_there_and_back_or_not_at_all(minor, currency):
    amount = Money(minor, currency)
    try:
        units = amounts.to_stripe(amount)
    except NotCarried:
        return
    assert amounts.from_stripe(units, currency.lower()) == amount


JUNK = st.none() | st.booleans() | st.integers(-5, 3000) | st.text(max_size=4) | st.just([]) | st.just({})


@given(st.data(), st.sampled_from([AUTHORIZE, CAPTURE, VOID, REFUND]), st.sampled_from([200, 400, 402, 500]))
def test_nothing_that_is_answered_breaks_it(data, expected, status):
    bodies = [captured(700, latest_charge=charge(700, 50)), intent(), refund(),
              {"error": {**ERROR, "payment_intent": intent()}}]  # fmt: skip
    body = copy.deepcopy(data.draw(st.sampled_from(bodies)))
    for _ in range(data.draw(st.integers(0, 3))):
        place = body
        while nested := [name for name in place if isinstance(place[name], dict) and place[name]]:
            if data.draw(st.booleans()):
                break
            place = place[data.draw(st.sampled_from(nested))]
        if place:
            place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JUNK)
    assert mapping.outcome(status, body, expected) is not None
    assert mapping.found(body, expected) is not None


class TestWhatWasPaidBy:
    """Other methods than cards, as an expanded charge tells them; what is odd tells nothing."""

    def told(self, details: object, **more: Any) -> dict[str, str]:
        return mapping.details_of({"latest_charge": {"payment_method_details": details, **more}})

    def test_an_account_is_told_by_bank_and_last_digits(self):
        account = {
            "bank_name": "STRIPE TEST BANK",
            "last4": "6789",
            "fingerprint": "f",
            "routing_number": "1",
        }
        assert self.told({"type": "us_bank_account", "us_bank_account": account}) == {
            "type": "ach", "brand": "STRIPE TEST BANK", "last4": "6789", "fingerprint": "f",
        }  # fmt: skip

    def test_klarna_is_told_with_its_plan_and_its_time(self):
        found = self.told(
            {"type": "klarna", "klarna": {"payment_method_category": "pay_with_financing"}},
            created=0x6A000000,
        )
        assert (found["type"], found["brand"], found["plan"]) == ("bnpl", "klarna", "instalments")
        assert found["authorized_until"].startswith("2026-06-07")

    @pytest.mark.parametrize(
        "odd",
        [
            None,
            "card",
            {},
            {"type": ["klarna"]},
            {"type": "sepa_debit"},
            {"type": "sepa_debit", "sepa_debit": 3},
        ],
    )
    def test_what_is_odd_tells_nothing(self, odd):
        assert self.told(odd) == {}
        assert mapping.details_of({"latest_charge": "ch_1"}) == {}

    @pytest.mark.parametrize("type_", ["us_bank_account", ["us_bank_account"], None])
    def test_why_a_debit_came_back_stands_in_its_charge(self, type_):
        body = intent("requires_payment_method", last_payment_error={"code": "payment_failed"}) | {
            "latest_charge": {"failure_code": "no_account", "payment_method_details": {"type": type_}}
        }
        found = mapping.described(body, AUTHORIZE)
        assert isinstance(found, Declined)
        assert found.code == ("no_such_account" if type_ == "us_bank_account" else "do_not_honor")
