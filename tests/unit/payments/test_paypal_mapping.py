"""PayPal's words: every row of the tables, and any JSON at all comes to an outcome."""

from contextlib import suppress

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
    Pending,
    Rejected,
    RequiresAction,
    Unknown,
)
from payments.providers.paypal import amounts, declines, disputes, mapping, orders, refunds, reports, webhooks
from payments.providers.paypal.mapping import Expected
from payments.providers.requests import AuthorizeRequest

KEY, REFERENCE = "op_1", "pay_1"
PRICE = Money(1999, "USD")
EXPECTED = Expected(KEY, PRICE, REFERENCE)
OUTCOMES = (Approved, Declined, Mismatch, NotFound, NotSent, Pending, Rejected, RequiresAction, Unknown)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def money(value="19.99", currency="USD"):
    return {"currency_code": currency, "value": value}


def part(status, reference="PART1", amount=None, **more):
    return {"id": reference, "status": status, "amount": amount or money(), **more}


def order(status="PAYER_ACTION_REQUIRED", intent="AUTHORIZE", made_as=None, amount=None, **payments):
    unit = {"reference_id": made_as or intent, "custom_id": KEY, "invoice_id": REFERENCE,
            "amount": amount or money(), "payments": payments}  # fmt: skip
    links = [
        {"rel": "self", "href": "https://x/o"},
        {"rel": "payer-action", "href": "https://x/pay?token=O1"},
    ]
    return {"id": "O1", "status": status, "intent": intent, "purchase_units": [unit], "links": links}


def refund(status, value, number="", capture="C1", reference="R1"):
    up = {"rel": "up", "href": f"https://x/v2/payments/captures/{capture}"}
    return part(status, reference, money(value), custom_id=f"refund.{KEY}{number}", links=[up])


class TestAmounts:
    @pytest.mark.parametrize(
        ("amount", "value"),
        [(Money(1999, "USD"), "19.99"), (Money(5, "EUR"), "0.05"), (Money(75, "JPY"), "75"),
         (Money(750_000, "HUF"), "7500"), (Money(9_900, "TWD"), "99")],
    )  # fmt: skip
    def test_go_both_ways(self, amount, value):
        told = amounts.to_paypal(amount)
        assert told == {"currency_code": amount.currency, "value": value}
        assert amounts.from_paypal(told) == amount

    @pytest.mark.parametrize(
        "amount", [Money(1, "KWD"), Money(1, "UGX"), Money(7_550, "HUF"), Money(1, "TWD")]
    )
    def test_that_do_not_fit_are_not_written(self, amount):
        with pytest.raises(amounts.NotCarried):
            amounts.to_paypal(amount)

    @pytest.mark.parametrize(
        "told",
        [money("1.999"), money("-1.00"), money("1e3"), money("٣.00"), money("7.50", "JPY"), money("1", "XXX"),
         {"value": "1"}, {"currency_code": "USD", "value": 1}, None, "1.00", money("")],
    )  # fmt: skip
    def test_that_are_none_are_not_read(self, told):
        assert amounts.from_paypal(told) is None

    def test_below_zero_are_read_where_they_may_be(self):
        assert amounts.signed(money("-0.59")) == Money(-59, "USD")

    @given(st.integers(0, 10**12), st.sampled_from(sorted(amounts.CARRIED - amounts.WITHOUT_DECIMALS)))
    def test_lose_nothing(self, minor, currency):
        assert amounts.from_paypal(amounts.to_paypal(Money(minor, currency))) == Money(minor, currency)


class TestAnOrder:
    def test_asks_for_what_is_wanted(self):
        asked = AuthorizeRequest(
            KEY, PRICE, REFERENCE, "paypal", capture=True, return_url="https://shop/back"
        )
        body = mapping.order_body(asked)
        (unit,) = body["purchase_units"]
        assert (body["intent"], unit["reference_id"]) == ("CAPTURE", "CAPTURE")
        assert (unit["custom_id"], unit["invoice_id"], unit["amount"]) == (KEY, REFERENCE, money())
        context = body["payment_source"]["paypal"]["experience_context"]
        assert context["return_url"] == context["cancel_url"] == "https://shop/back"

    @pytest.mark.parametrize(
        ("body", "outcome"),
        [
            (order(), RequiresAction("https://x/pay?token=O1", "O1")),
            (order("CREATED"), RequiresAction("https://x/pay?token=O1", "O1")),
            (order("APPROVED"), Pending("O1")),
            (order("SOMETHING"), Unknown("unlisted_status:order.SOMETHING")),
            (order("COMPLETED", authorizations=[part("PENDING")]), Pending("O1")),
            (order("COMPLETED", authorizations=[part("NEW")]), Unknown("unlisted_status:authorization.NEW")),
            (order("COMPLETED", "CAPTURE", captures=[part("PENDING")]), Pending("O1")),
            (None, Unknown("bad_body")),
            ({**order(), "links": []}, Unknown("action_without_a_page")),
            ({**order(), "links": [{"rel": "payer-action", "href": "javascript:x"}]},
             Unknown("action_without_a_page")),
        ],
    )  # fmt: skip
    def test_means(self, body, outcome):
        assert mapping.order_outcome(body, EXPECTED) == outcome

    @pytest.mark.parametrize("status", ["CREATED", "CAPTURED", "PARTIALLY_CAPTURED"])
    def test_that_is_authorized_is_approved(self, status):
        body = order("COMPLETED", authorizations=[part(status, expiration_time="2026-12-20T10:00:00Z")])
        body["payment_source"] = {"paypal": {"account_id": "PAYER1", "address": {"country_code": "DE"}}}
        found = mapping.order_outcome(body, EXPECTED)
        assert isinstance(found, Approved)
        assert (found.reference, found.amount, found.taken) == ("O1", PRICE, None)
        assert found.details == {
            "type": "digital_wallet", "brand": "paypal", "fingerprint": "paypal_PAYER1", "country": "DE",
            "authorized_until": "2026-12-20T10:00:00Z",
        }  # fmt: skip

    @pytest.mark.parametrize("status", ["COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"])
    def test_that_is_sold_is_approved_with_its_capture(self, status):
        capture = part(status, "C1", seller_receivable_breakdown={"paypal_fee": money("0.88")})
        found = mapping.order_outcome(order("COMPLETED", "CAPTURE", captures=[capture]), EXPECTED)
        assert isinstance(found, Approved)
        assert found.taken is not None
        assert (found.taken.reference, found.taken.fee) == ("C1", Money(88, "USD"))

    @pytest.mark.parametrize(
        "body",
        [order("VOIDED"), order("APPROVED", "CAPTURE", "AUTHORIZE"),
         *[order("COMPLETED", authorizations=[part(one)]) for one in ("VOIDED", "DENIED", "EXPIRED")],
         order("COMPLETED", "CAPTURE", captures=[part("DECLINED")]),
         order("COMPLETED", "CAPTURE", captures=[part("FAILED")])],
    )  # fmt: skip
    def test_that_came_to_nothing_is_declined(self, body):
        found = mapping.order_outcome(body, EXPECTED)
        assert isinstance(found, Declined)
        assert found.details["provider_code"]

    @pytest.mark.parametrize(
        ("expected", "body"),
        [
            (Expected("op_2", PRICE, REFERENCE), order()),
            (Expected(KEY, PRICE, "pay_2"), order()),
            (Expected(KEY, Money(2000, "USD"), REFERENCE), order()),
            (EXPECTED, order(amount=money("19.99", "EUR"))),
            (EXPECTED, order("COMPLETED", authorizations=[part("CREATED", amount=money("19.98"))])),
            (EXPECTED, order("COMPLETED", authorizations=[part("CREATED", amount=money("19.99", "EUR"))])),
            (EXPECTED, order("COMPLETED", "CAPTURE", captures=[part("COMPLETED", amount=money("19.98"))])),
        ],
    )
    def test_about_something_else_is_held(self, expected, body):
        assert isinstance(mapping.order_outcome(body, expected), Mismatch)


class TestACapture:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [("COMPLETED", Approved), ("PENDING", Pending), ("DECLINED", Declined), ("X", Unknown)],
    )
    def test_means(self, status, kind):
        found = mapping.capture_outcome(part(status, invoice_id=KEY), EXPECTED)
        assert isinstance(found, kind)

    def test_without_its_fee_says_so(self):
        found = mapping.capture_outcome(part("COMPLETED", invoice_id=KEY), EXPECTED)
        assert isinstance(found, Approved)
        assert (found.fee, found.details) == (Money(0, "USD"), {"fee": "not_told"})

    def test_is_found_by_its_key(self):
        mine, other = part("COMPLETED", "C1", invoice_id=KEY), part("COMPLETED", "C2", invoice_id="op_2")
        read = orders.read(order("COMPLETED", authorizations=[part("CAPTURED")], captures=[other, mine]))
        assert read is not None
        assert isinstance(mapping.found_capture(read, EXPECTED), Approved)
        assert mapping.found_capture(read, Expected("op_3", PRICE)) == NotFound()


class TestAVoid:
    def test_says_what_it_released(self):
        body = order("COMPLETED", authorizations=[part("VOIDED", "A1")], captures=[
            part("COMPLETED", "C1", money("7.00")), part("DECLINED", "C2", money("5.00"))])  # fmt: skip
        read = orders.read(body)
        assert read is not None
        assert mapping.found_void(read) == Approved("A1", Money(1299, "USD"), Money(0, "USD"))

    def test_of_an_order_is_its_turned_intent(self):
        turned, standing = (
            orders.read(order("APPROVED", "CAPTURE", "AUTHORIZE")),
            orders.read(order("APPROVED")),
        )
        assert turned is not None
        assert standing is not None
        assert mapping.found_void(turned) == Approved("O1", Money(0, "USD"), Money(0, "USD"))
        assert mapping.found_void(standing) == NotFound()
        assert mapping.turned_intent(standing) == [{"op": "replace", "path": "/intent", "value": "CAPTURE"}]


class TestARefund:
    @staticmethod
    def read(captures, made=()):
        rows = [part("COMPLETED", f"C{n}", money(value)) for n, value in enumerate(captures, start=1)]
        found = orders.read(order("COMPLETED", captures=rows, refunds=list(made)))
        assert found is not None
        return found

    def test_comes_out_of_the_oldest_capture_that_can_bear_it(self):
        pieces = refunds.plan(self.read(["4.00", "9.00", "8.00"]), KEY, Money(600, "USD"))
        assert pieces == [refunds.Piece("C2", Money(600, "USD"))]

    def test_comes_out_of_several_when_none_can(self):
        pieces = refunds.plan(self.read(["4.00", "9.00", "8.00"]), KEY, Money(1_900, "USD"))
        assert [(one.capture, one.amount.minor, one.number) for one in pieces] == [
            ("C2", 900, 1), ("C3", 800, 2), ("C1", 200, 3),
        ]  # fmt: skip

    def test_goes_on_where_it_stopped(self):
        read = self.read(["4.00", "9.00"], [refund("COMPLETED", "9.00", ".1", "C2")])
        assert refunds.found(read, KEY, Money(1_200, "USD")) == NotFound()
        assert refunds.plan(read, KEY, Money(1_200, "USD")) == [refunds.Piece("C1", Money(300, "USD"), 2)]

    def test_is_not_planned_when_too_little_is_left(self):
        read = self.read(["4.00", "9.00"], [refund("COMPLETED", "9.00", ".1", "C2")])
        assert refunds.plan(read, "op_2", Money(500, "USD")) == []

    @pytest.mark.parametrize(
        ("made", "kind"),
        [
            ([], NotFound),
            ([refund("COMPLETED", "9.00")], Approved),
            ([refund("PENDING", "9.00")], Pending),
            ([refund("FAILED", "9.00")], Declined),
            ([refund("NEW", "9.00")], Unknown),
            ([refund("COMPLETED", "8.00")], NotFound),
            (
                [refund("COMPLETED", "4.00", ".1", "C1"), refund("COMPLETED", "5.00", ".2", "C2", "R2")],
                Approved,
            ),
            ([refund("COMPLETED", "4.00", ".1", "C1"), refund("PENDING", "5.00", ".2", "C2", "R2")], Pending),
            ([refund("COMPLETED", "4.00", ".1", "C1"), refund("FAILED", "5.00", ".2", "C2", "R2")], Mismatch),
            (
                [refund("COMPLETED", "4.00", ".1", "C1"), refund("COMPLETED", "6.00", ".2", "C2", "R2")],
                Mismatch,
            ),
        ],
    )
    def test_is_found_by_its_parts(self, made, kind):
        found = refunds.found(self.read(["4.00", "9.00"], made), KEY, Money(900, "USD"))
        assert isinstance(found, kind)


class TestAnError:
    @staticmethod
    def body(issue):
        return {"name": "UNPROCESSABLE_ENTITY", "message": "no", "details": [{"issue": issue}]}

    @pytest.mark.parametrize("issue", sorted(declines.ISSUES))
    def test_that_is_a_no_is_canonical(self, issue):
        found = mapping.refused(422, self.body(issue))
        assert isinstance(found, Declined)
        assert found.code in DECLINES
        assert found.details == {"provider_code": issue}

    @pytest.mark.parametrize("issue", sorted(declines.LOOK))
    def test_that_says_something_stands_there_is_looked_at(self, issue):
        assert isinstance(mapping.refused(422, self.body(issue)), Unknown)

    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (400, {"name": "INVALID_REQUEST", "details": []}, Rejected),
            (422, {"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": "AMOUNT_MISMATCH"}]}, Rejected),
            (404, {"name": "RESOURCE_NOT_FOUND"}, Rejected),
            (401, {"name": "AUTHENTICATION_FAILURE"}, NotSent),
            (403, {"name": "NOT_AUTHORIZED", "details": [{"issue": "PERMISSION_DENIED"}]}, NotSent),
            (403, {"name": "NOT_AUTHORIZED", "details": [{"issue": "PAYEE_ACCOUNT_NOT_VERIFIED"}]}, Declined),
            (429, None, NotSent),
            (409, {"name": "RESOURCE_CONFLICT"}, Unknown),
            (500, {"name": "INTERNAL_SERVER_ERROR"}, Unknown),
            (503, None, Unknown),
            (404, None, Unknown),
            (422, {"error": "not theirs"}, Unknown),
        ],
    )
    def test_means(self, status, body, kind):
        assert isinstance(mapping.refused(status, body), kind)


class TestAnyJson:
    @given(JSON)
    def test_comes_to_an_outcome(self, body):
        told = body if isinstance(body, dict) else {"value": body}
        assert isinstance(mapping.order_outcome(told, EXPECTED), OUTCOMES)
        assert isinstance(mapping.capture_outcome(told, EXPECTED), OUTCOMES)
        assert isinstance(mapping.refund_part_outcome(told, PRICE, "refund.op_1"), OUTCOMES)
        assert isinstance(mapping.refused(422, told), OUTCOMES)
        assert isinstance(disputes.found(told, KEY, "challenge", PRICE), OUTCOMES)
        webhooks.notice(told)

    @given(JSON, st.sampled_from(["purchase_units", "links", "status", "intent", "id", "payment_source"]))
    def test_in_place_of_a_field_of_an_order_comes_to_an_outcome(self, value, name):
        body = {**order("COMPLETED", authorizations=[part("CREATED")]), name: value}
        assert isinstance(mapping.order_outcome(body, EXPECTED), OUTCOMES)

    @given(JSON, st.sampled_from(["payments", "amount", "custom_id", "invoice_id", "reference_id"]))
    def test_in_place_of_a_field_of_its_unit_comes_to_an_outcome(self, value, name):
        body = order("COMPLETED", "CAPTURE", captures=[part("COMPLETED")])
        body["purchase_units"][0][name] = value
        assert isinstance(mapping.order_outcome(body, EXPECTED), OUTCOMES)

    @given(JSON)
    def test_as_a_report_is_refused_with_our_own_error(self, body):
        told = body if isinstance(body, dict) else {"transaction_details": body}
        with suppress(reports.Unanswered):
            assert all(isinstance(row, reports.Moved) for row in reports.rows(told))
