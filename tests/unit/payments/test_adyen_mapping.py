"""Adyen's answers in our words: every row of MAPPING.md, and that nothing others may send breaks it."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Money
from payments.providers.adyen import amounts, declines, mapping, methods
from payments.providers.adyen.amounts import NotCarried
from payments.providers.adyen.mapping import Expected
from payments.providers.declines import DECLINES
from payments.providers.errors import ProviderRefused, Unanswered
from payments.providers.outcomes import (
    Approved,
    Declined,
    Mismatch,
    NotSent,
    Outcome,
    Pending,
    Rejected,
    RequiresAction,
    Taken,
    Unknown,
)
from payments.providers.requests import AuthorizeRequest, VerifyRequest

PSP, PART = "QFQTPCQ8HXSKGK82", "BCDFGHJKLMNPQRST"
PRICE = Money(1999, "USD")
AUTHORIZE = Expected("authorize", "op_1", PRICE)
CAPTURE = Expected("capture", "op_2", Money(700, "USD"), PSP)
VOID = Expected("void", "op_3", PRICE, PSP)
REFUND = Expected("refund", "op_4", Money(500, "USD"), PSP)
INCREMENT = Expected("increment", "op_5", Money(500, "USD"), PSP, PRICE)
SALE = Expected("sale", "op_1", PRICE)
TOKEN = "adyen_shopper-1.ABCDEFGH12345678"
REDIRECT = {"type": "redirect", "method": "GET", "url": "https://checkoutshopper.example/3ds"}


def payment(result: str = "Authorised", **changes: Any) -> dict[str, Any]:
    return {
        "resultCode": result, "pspReference": PSP, "merchantReference": "op_1",
        "amount": {"currency": "USD", "value": 1999}, "paymentMethod": {"brand": "mc", "type": "scheme"},
        "additionalData": {"cardSummary": "4444", "paymentMethod": "mc"}, **changes,
    }  # fmt: skip


def received(expected: Expected = CAPTURE, **changes: Any) -> dict[str, Any]:
    body = {
        "status": "received", "pspReference": PART, "paymentPspReference": PSP,
        "reference": expected.reference, "merchantAccount": "ours",
    }  # fmt: skip
    amount = {} if expected.kind == "void" else {"amount": amounts.to_adyen(expected.amount)}
    return {**body, **amount, **changes}


def error(code: str, kind: str = "validation") -> dict[str, Any]:
    return {"status": 422, "errorCode": code, "message": "No", "errorType": kind}


def outcome(status: int, body: Any, expected: Expected = AUTHORIZE) -> Outcome:
    return mapping.outcome(status, body, expected, retry_after_seconds=3.0 if status == 429 else None)


class TestAPayment:
    def test_that_is_authorised_names_card_and_authentication(self):
        data = {
            "cardSummary": "4444", "paymentMethod": "mc", "alias": "H1", "cardIssuingCountry": "NL",
            "threeDAuthenticatedResponse": "Y", "liabilityShift": "true",
        }  # fmt: skip
        found = outcome(200, payment(additionalData=data))
        assert found == Approved(
            PSP, PRICE, Money(0, "USD"),
            {"type": "card", "brand": "mastercard", "last4": "4444", "fingerprint": "H1", "country": "NL",
             "authentication": "authenticated", "liability_shift": "issuer"},
        )  # fmt: skip

    @pytest.mark.parametrize("kind", ["sale", "finish"])
    def test_that_was_a_sale_is_captured_too(self, kind):
        expected = Expected(kind, "op_1", PRICE)
        found = outcome(200, payment(merchantReference="sale.op_1"), expected)
        assert isinstance(found, Approved)
        assert found.taken == Taken(PSP, PRICE, Money(0, "USD"))
        assert isinstance(outcome(200, payment(merchantReference="sale.op_2"), expected), Mismatch)

    def test_that_was_no_sale_is_not_captured(self):
        found = outcome(200, payment(), Expected("finish", "op_1", PRICE))
        assert isinstance(found, Approved)
        assert found.taken is None
        assert isinstance(outcome(200, payment(), SALE), Mismatch)
        assert isinstance(outcome(200, payment(merchantReference="sale.op_1")), Mismatch)

    def test_that_a_lender_pays_tells_the_plan(self):
        data = {"paymentMethod": "klarna_account", "installments.value": "3"}
        found = outcome(200, payment(additionalData=data))
        assert isinstance(found, Approved)
        assert found.details == {
            "type": "bnpl", "brand": "klarna", "plan": "instalments", "instalments": "3",
        }  # fmt: skip

    @pytest.mark.parametrize("result", ["Pending", "Received"])
    def test_that_is_not_decided_waits(self, result):
        assert outcome(200, payment(result)) == Pending(PSP)

    @pytest.mark.parametrize(
        ("result", "code", "ours"),
        [
            ("Refused", "12", "insufficient_funds"),
            ("Error", "4", "system_malfunction"),
            ("Cancelled", "16", "authentication_failed"),
            ("Refused", "999", "do_not_honor"),
        ],
    )
    def test_that_is_refused_says_why(self, result, code, ours):
        found = outcome(200, payment(result, refusalReasonCode=code, refusalReason="Words"))
        assert isinstance(found, Declined)
        assert (found.code, found.reference, found.details["provider_code"]) == (ours, PSP, code)

    @pytest.mark.parametrize(
        ("brand", "advice", "kept"),
        [
            ("mc", "03 : Do not try again", "03"),
            ("mc", "26", "26"),
            ("visa", "03 : Do not try again", None),
            ("mc", "soon", None),
            ("mc", "", None),
        ],
    )
    def test_that_is_refused_carries_what_mastercard_advises(self, brand, advice, kept):
        data = {"paymentMethod": brand, "merchantAdviceCode": advice}
        found = outcome(200, payment("Refused", refusalReasonCode="12", additionalData=data))
        assert isinstance(found, Declined)
        assert found.details.get("advice_code") == kept

    def test_that_needs_its_payer_has_a_page(self):
        body = {"resultCode": "RedirectShopper", "action": REDIRECT, "merchantReference": "op_1"}
        assert outcome(200, body) == RequiresAction(REDIRECT["url"], "op_1")

    @pytest.mark.parametrize(
        "action",
        [None, "x", {}, {**REDIRECT, "type": "sdk"}, {**REDIRECT, "url": "javascript:x"},
         {**REDIRECT, "url": "https://x/" + "a" * 2000}, {**REDIRECT, "method": "POST"}],
    )  # fmt: skip
    def test_that_needs_an_action_without_a_page_is_unknown(self, action):
        assert isinstance(outcome(200, payment("RedirectShopper", action=action)), Unknown)

    @pytest.mark.parametrize("result", ["ChallengeShopper", "IdentifyShopper", "PresentToShopper", "New"])
    def test_with_an_unlisted_result_is_unknown(self, result):
        assert outcome(200, payment(result)) == Unknown(f"unlisted_result:{result}")

    @pytest.mark.parametrize(
        "changes",
        [
            {"amount": {"currency": "USD", "value": 2000}},
            {"amount": {"currency": "EUR", "value": 1999}},
            {"amount": "many"},
            {"merchantReference": "op_9"},
        ],
    )
    def test_about_other_money_is_held(self, changes):
        assert isinstance(outcome(200, payment(**changes)), Mismatch)

    def test_that_is_authorised_in_part_is_held(self):
        assert isinstance(
            outcome(200, payment("PartiallyAuthorised", amount={"currency": "USD", "value": 5})), Mismatch
        )

    @pytest.mark.parametrize(
        "changes", [{"amount": None}, {"pspReference": "../x"}, {"merchantReference": None}]
    )
    def test_that_names_too_little_is_not_believed(self, changes):
        assert outcome(200, payment(**changes)) == Unknown("bad_body")


class TestAModification:
    @pytest.mark.parametrize("expected", [CAPTURE, VOID, REFUND])
    def test_is_only_received(self, expected):
        assert outcome(201, received(expected), expected) == Pending(PART)

    @pytest.mark.parametrize(
        "changes",
        [{"reference": "capture.op_9"}, {"paymentPspReference": PART},
         {"amount": {"currency": "USD", "value": 1}}],
    )  # fmt: skip
    def test_of_something_else_is_held(self, changes):
        assert isinstance(outcome(201, received(**changes), CAPTURE), Mismatch)

    @pytest.mark.parametrize("changes", [{"status": "done"}, {"pspReference": None}, {"status": None}])
    def test_with_a_strange_answer_is_unknown(self, changes):
        assert isinstance(outcome(201, received(**changes), CAPTURE), Unknown)

    def test_carries_its_kind_before_its_key(self):
        assert [mapping.operation_of(one.reference) for one in (AUTHORIZE, CAPTURE, VOID, REFUND)] == [
            ("authorize", "op_1"), ("capture", "op_2"), ("void", "op_3"), ("refund", "op_4"),
        ]  # fmt: skip
        assert mapping.operation_of("an order: of 2026") == ("", "")


class TestAnError:
    @pytest.mark.parametrize(
        ("status", "body", "expected"),
        [
            (401, error("000", "security"), NotSent("credentials_refused")),
            (403, error("901", "security"), NotSent("credentials_refused")),
            (429, None, NotSent("rate_limited", 3.0)),
            (422, error("137"), Rejected("adyen_137", "No")),
            (400, error("702"), Rejected("adyen_702", "No")),
            (422, error("704"), Unknown("http_422_704")),
            (422, None, Unknown("http_422")),
            (500, error("905", "internal"), Unknown("http_500_905")),
            (503, None, Unknown("http_503")),
            (302, None, Unknown("http_302")),
            (200, None, Unknown("bad_body")),
        ],
    )
    def test_is_told_by_its_status(self, status, body, expected):
        assert outcome(status, body) == expected


class TestDeclines:
    def test_are_all_canonical(self):
        ours = {code for _, code in declines.REASONS.values()} | set(declines.MODIFICATIONS.values())
        assert ours <= set(DECLINES)

    def test_are_known_by_number_and_by_words(self):
        for code, (words, ours) in declines.REASONS.items():
            assert declines.canonical(code, "") == ours
            assert declines.canonical("", f" {words.upper()} ") == ours
        assert declines.canonical("", "Never heard of") == "do_not_honor"


class TestARequest:
    def asked(self, **changes: Any) -> dict[str, Any]:
        back = changes.pop("back", "https://house.example/returns/op_1/")
        request = AuthorizeRequest("op_1", PRICE, "pay_1", TOKEN, **changes)
        body = methods.payment_body(request, "ours", back)
        assert body is not None
        return body

    def test_names_the_stored_method_and_our_key(self):
        body = self.asked()
        assert body["paymentMethod"] == {"type": "scheme", "storedPaymentMethodId": "ABCDEFGH12345678"}
        assert (body["shopperReference"], body["reference"]) == ("shopper-1", "op_1")
        assert body["amount"] == {"currency": "USD", "value": 1999}
        assert body["additionalData"] == {"manualCapture": "true", "authorisationType": "PreAuth"}
        assert "authenticationData" not in body

    def test_asks_for_no_challenge_where_nobody_could_finish_it(self):
        never = {"attemptAuthentication": "never"}
        assert self.asked(back="")["authenticationData"] == never
        assert self.asked(exemption="merchant_initiated")["authenticationData"] == never

    @pytest.mark.parametrize(
        ("exemption", "theirs"), [("low_value", "lowValue"), ("corporate", "secureCorporate")]
    )
    def test_asks_for_an_exemption(self, exemption, theirs):
        assert self.asked(exemption=exemption)["additionalData"]["scaExemption"] == theirs

    @pytest.mark.parametrize("token", ["pm_card_visa", "adyen_", "adyen_a.b", "adyen_x.ABCDEFGH/../1"])
    def test_is_not_made_with_anothers_token(self, token):
        request = VerifyRequest("op_1", Money(0, "USD"), "pm_1", token)
        assert methods.payment_body(request, "ours", "") is None

    def test_of_a_sale_has_it_captured_by_itself(self):
        body = self.asked(capture=True)
        assert (body["reference"], body["captureDelayHours"], body["additionalData"]) == ("sale.op_1", 0, {})

    def test_by_a_card_out_of_a_wallet_says_so(self):
        request = AuthorizeRequest("op_1", PRICE, "pay_1", "adyen_applepay.shopper-1.ABCDEFGH12345678")
        body = methods.payment_body(request, "ours", "")
        assert body is not None
        assert body["paymentMethod"] == {"type": "applepay", "storedPaymentMethodId": "ABCDEFGH12345678"}
        assert body["shopperReference"] == "shopper-1"

    def test_by_a_plan_tells_the_lender_what_is_sold_and_where_the_payer_lives(self):
        request = AuthorizeRequest("op_1", Money(1999, "EUR"), "pay_1", "klarna.DE")
        body = methods.payment_body(request, "ours", "https://house.example/returns/op_1/")
        assert body is not None
        assert (body["paymentMethod"], body["countryCode"]) == ({"type": "klarna"}, "DE")
        assert sum(line["amountIncludingTax"] for line in body["lineItems"]) == 1999
        assert "shopperReference" not in body

    def test_for_more_names_the_new_total(self):
        body = mapping.modification_body(INCREMENT, "ours")
        assert body["amount"] == {"currency": "USD", "value": 2499}
        assert body["reference"] == "increment.1999.op_5"

    def test_stores_cards_alone(self):
        secret = {"number": "4111111111111111", "exp_month": "3", "exp_year": "2030", "holder": "Ada"}
        body = methods.storing_body(secret, "737", "ours", "shopper")
        assert body["paymentMethod"] == {
            "type": "scheme", "number": "4111111111111111", "expiryMonth": "03", "expiryYear": "2030",
            "holderName": "Ada", "cvc": "737",
        }  # fmt: skip
        with pytest.raises(ProviderRefused):
            methods.storing_body({"iban": "DE"}, "", "ours", "shopper")

    def test_believes_no_token_that_is_none(self):
        assert methods.stored({"id": "ABCDEFGH12345678"}, "shopper-1") == TOKEN
        with pytest.raises(Unanswered):
            methods.stored({"id": "../x"}, "shopper-1")


class TestAmounts:
    @pytest.mark.parametrize(
        ("amount", "value"),
        [
            (Money(1999, "USD"), 1999),
            (Money(500, "JPY"), 500),
            (Money(1234, "KWD"), 1234),
            (Money(1000, "CLP"), 100_000),
            (Money(1000, "ISK"), 100_000),
            (Money(1000, "IDR"), 10),
            (Money(1000, "CVE"), 10),
        ],
    )
    def test_have_adyens_decimals(self, amount, value):
        assert amounts.to_adyen(amount) == {"currency": amount.currency, "value": value}
        assert amounts.from_adyen({"currency": amount.currency, "value": value}) == amount

    @pytest.mark.parametrize("amount", [Money(1050, "IDR"), Money(1, "CVE"), Money(1, "CLF")])
    def test_that_do_not_fit_are_not_sent(self, amount):
        with pytest.raises(NotCarried):
            amounts.to_adyen(amount)

    @given(st.integers(0, 10**12), st.sampled_from(["USD", "JPY", "ISK", "CLP", "IDR", "CVE", "KWD", "CLF"]))
    def test_go_there_and_back_or_not_at_all(self, minor, currency):
        amount = Money(minor, currency)
        try:
            told = amounts.to_adyen(amount)
        except NotCarried:
            return
        assert amounts.from_adyen(told) == amount


# Copied: an example is put into another, and the next one must not find it there.
JSON = st.sampled_from(
    [None, True, 0, -1, 10**30, 1.5, "", "x", "Authorised", [], [1], {}, {"value": "1"}]
).map(copy.deepcopy)


@given(
    st.data(),
    st.sampled_from([AUTHORIZE, CAPTURE, VOID, REFUND, INCREMENT, SALE]),
    st.sampled_from([200, 201, 400, 422, 500]),
)
def test_nothing_that_is_answered_breaks_it(data, expected, status):
    bodies = [payment(), payment("Refused"), payment("RedirectShopper", action=REDIRECT), received(),
              error("1")]  # fmt: skip
    body: Any = copy.deepcopy(data.draw(st.sampled_from(bodies)))
    for _ in range(data.draw(st.integers(0, 3))):
        place = body
        name = data.draw(st.sampled_from(sorted(place)))
        if isinstance(place[name], dict) and place[name] and data.draw(st.booleans()):
            place = place[name]
            name = data.draw(st.sampled_from(sorted(place)))
        place[name] = data.draw(JSON)
    found = outcome(status, body, expected)
    assert isinstance(found, Outcome)
    if isinstance(found, Approved):
        assert found.amount == expected.amount
