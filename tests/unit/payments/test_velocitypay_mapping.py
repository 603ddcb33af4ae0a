"""The mapping is total: every listed row means what MAPPING.md says, everything else is Unknown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Money
from payments.providers.declines import DECLINES
from payments.providers.errors import ProviderRefused, Unanswered
from payments.providers.notices import ProviderNotice
from payments.providers.outcomes import (
    Approved,
    Declined,
    Mismatch,
    NotFound,
    NotSent,
    Pending,
    Rejected,
    Unknown,
)
from payments.providers.velocitypay import mapping, reports
from payments.providers.velocitypay.mapping import Expected
from payments.simulator import scenarios

PRICE = Money(1999, "USD")
KEY = "op_1"
EXPECTED = Expected(KEY, PRICE, "authorize", "pay_1")


def answer(**changes: object) -> dict[str, object]:
    """What the network answers to an authorization, with changes."""
    plain = {
        "id": "auth_1",
        "object": "authorization",
        "status": "authorized",
        "amount": 1999,
        "currency": "USD",
        "reference": "pay_1",
        "idempotency_key": KEY,
    }
    return plain | changes


def error(code: str) -> dict[str, object]:
    return {"error": {"code": code, "message": "a sentence"}}


class TestStatuses:
    @pytest.mark.parametrize(("row", "meaning"), sorted(mapping.STATUSES.items(), key=str))
    def test_each_row_means_its_outcome(self, row, meaning):
        page = "https://challenge.example/1"
        body = answer(object=row[0], status=row[1], decline_code="do_not_honor", fee=0, action_url=page)
        assert isinstance(mapping.operation_outcome(body, Expected(KEY, PRICE)), meaning)

    @given(st.text(max_size=30), st.text(max_size=30))
    def test_anything_unlisted_is_unknown(self, kind, status):
        if (kind, status) not in mapping.STATUSES:
            outcome = mapping.operation_outcome(answer(object=kind, status=status), Expected(KEY, PRICE))
            assert isinstance(outcome, Unknown)

    def test_every_decline_code_leads_to_a_canonical_one(self):
        assert set(mapping.DECLINE_CODES.values()) <= set(DECLINES)

    def test_every_code_that_the_sandbox_can_give_is_listed(self):
        specs = [spec for row in scenarios.BY_NAME.values() for spec in row.faults.values()]
        codes = {
            spec.partition(":")[2].partition("@")[0]
            for spec in specs
            if spec.startswith(("decline:", "pending_then_fail:"))
        }
        assert codes | {"limit_exceeded", "do_not_honor"} <= set(mapping.DECLINE_CODES)

    def test_an_unlisted_decline_code_is_unknown(self):
        body = answer(status="declined", decline_code="made_up")
        assert mapping.operation_outcome(body, EXPECTED) == Unknown("unlisted_decline_code:made_up")

    def test_a_decline_keeps_what_the_network_saw_of_the_method(self):
        outcome = mapping.operation_outcome(
            answer(status="declined", decline_code="lost_card", brand="visa", last4="9987"), EXPECTED
        )
        assert isinstance(outcome, Declined)
        assert outcome.is_hard
        assert dict(outcome.details) == {"brand": "visa", "last4": "9987"}


class TestHttp:
    @pytest.mark.parametrize(
        ("status", "body", "outcome"),
        [
            (200, answer(), Approved("auth_1", PRICE, Money(0, "USD"), {})),
            (200, answer(status="pending"), Pending("auth_1")),
            (200, None, Unknown("bad_body")),
            (200, {}, Unknown("bad_body")),
            (200, answer(amount="1999"), Unknown("bad_body")),
            (200, answer(amount=1999.0), Unknown("bad_body")),
            (200, answer(amount=True), Unknown("bad_body")),
            (200, answer(amount=-1), Unknown("bad_body")),
            (200, answer(currency="XAU"), Unknown("bad_body")),
            (200, answer(id="../x"), Unknown("bad_body")),
            (204, None, Unknown("http_204")),
            (302, None, Unknown("http_302")),
            (400, error("bad_request"), Rejected("bad_request", "a sentence")),
            (404, error("authorization_not_found"), Rejected("authorization_not_found", "a sentence")),
            (404, None, Unknown("http_404")),
            (422, error("capture_too_large"), Rejected("capture_too_large", "a sentence")),
            (401, error("unauthorized"), NotSent("credentials_refused", 7.0)),
            (403, None, NotSent("credentials_refused", 7.0)),
            (429, error("rate_limited"), NotSent("rate_limited", 7.0)),
            (429, None, NotSent("rate_limited", 7.0)),
            (503, error("not_processed"), NotSent("not_processed", 7.0)),
            (503, None, Unknown("http_503")),
            (409, error("in_progress"), Unknown("http_409_in_progress")),
            (409, error("idempotency_conflict"), Unknown("http_409_idempotency_conflict")),
            (500, error("internal_error"), Unknown("http_500_internal_error")),
            (504, None, Unknown("http_504")),
        ],
    )
    def test_each_class_of_answer(self, status, body, outcome):
        assert mapping.outcome(status, body, EXPECTED, retry_after_seconds=7.0) == outcome

    @given(
        st.integers(100, 599),
        st.none()
        | st.dictionaries(
            st.sampled_from([*answer(), "error", "fee"]),
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()),
        ),
    )
    def test_no_answer_whatever_breaks_it_or_passes_for_success(self, status, body):
        outcome = mapping.outcome(status, body, EXPECTED)
        assert not isinstance(outcome, Approved | Declined)
        mapping.found(status, body, EXPECTED)

    def test_only_the_networks_own_word_means_that_nothing_was_done(self):
        assert mapping.found(404, error("operation_not_found"), EXPECTED) == NotFound()
        assert mapping.found(404, None, EXPECTED) == Unknown("http_404")
        assert mapping.found(404, error("no_such_route"), EXPECTED) == Unknown("find_no_such_route")


class TestEcho:
    @pytest.mark.parametrize(
        ("change", "expected", "got"),
        [
            ({"amount": 2000}, "amount=1999", "amount=2000"),
            ({"currency": "EUR"}, "currency=USD", "currency=EUR"),
            ({"reference": "pay_2"}, "reference=pay_1", "reference=pay_2"),
            ({"idempotency_key": "op_2"}, "key=op_1", "key=op_2"),
            ({"object": "capture", "fee": 0}, "object=authorization", "object=capture"),
            ({"amount": 1, "currency": "EUR"}, "currency=USD amount=1999", "currency=EUR amount=1"),
            ({"status": "declined", "amount": 2000}, "amount=1999", "amount=2000"),
        ],
    )
    def test_a_difference_is_held(self, change, expected, got):
        assert mapping.operation_outcome(answer(**change), EXPECTED) == Mismatch(expected, got, "auth_1")

    def test_a_void_says_how_much_it_released(self):
        body = answer(object="void", status="succeeded", amount=500)
        outcome = mapping.operation_outcome(body, Expected(KEY, PRICE, "void", "pay_1"))
        assert isinstance(outcome, Approved)
        assert outcome.amount == Money(500, "USD")

    @pytest.mark.parametrize("fee", [None, "88", -1, 2000, 1.5])
    def test_a_capture_without_a_possible_fee_is_unknown(self, fee):
        body = answer(object="capture", status="succeeded", fee=fee)
        assert mapping.operation_outcome(body, Expected(KEY, PRICE, "capture", "pay_1")) == Unknown(
            "bad_body"
        )


class TestNotices:
    def test_carries_the_outcome_and_is_held_against_what_we_expect(self):
        operation = answer(object="capture", status="succeeded", fee=88)
        notice = mapping.notice(
            {
                "id": "evt_1",
                "type": "capture.succeeded",
                "data": {"operation": operation, "idempotency_key": KEY},
            }
        )
        assert isinstance(notice, ProviderNotice)
        assert notice.outcome == Approved("auth_1", PRICE, Money(88, "USD"), {})
        assert notice.against(PRICE) == notice
        assert notice.against(Money(1, "USD")).outcome == Mismatch("0.01 USD", "19.99 USD", "auth_1")

    def test_of_a_type_that_does_not_fit_its_operation_is_unknown(self):
        notice = mapping.notice(
            {"id": "evt_1", "type": "refund.failed", "data": {"operation": answer(), "idempotency_key": KEY}}
        )
        assert notice is not None
        assert notice.outcome == Unknown("unlisted_event:refund.failed")

    @pytest.mark.parametrize(
        "event", [{}, {"id": 1, "type": "x", "data": {}}, {"id": "e", "type": "x", "data": []}]
    )
    def test_of_another_shape_is_none(self, event):
        assert mapping.notice(event) is None


class TestReports:
    LINE = {
        "kind": "capture",
        "idempotency_key": "op_1",
        "id": "cap_1",
        "amount": 1000,
        "fee": 59,
        "currency": "USD",
        "seq": 1,
    }
    HEAD = {
        "id": "sr_1",
        "currency": "USD",
        "date": "2026-11-20",
        "captured": 1000,
        "fees": 59,
        "refunded": 0,
    }

    def test_pages_are_put_together(self):
        pages = [
            self.HEAD | {"net": 841, "refunded": 100, "operations": [self.LINE]},
            {"operations": [self.LINE | {"kind": "refund", "amount": 100, "fee": 0, "id": "rfnd_1"}]},
        ]
        report = reports.report(pages)
        assert [line.kind for line in report.lines] == ["capture", "refund"]
        assert report.net == Money(841, "USD")

    @pytest.mark.parametrize(
        "pages",
        [
            [],
            [{}],
            [HEAD | {"net": 941, "operations": [LINE | {"kind": "gift"}]}],
            [HEAD | {"net": 941, "operations": [LINE | {"amount": "1000"}]}],
            [HEAD | {"net": 940, "operations": [LINE]}],
            [HEAD | {"net": 941, "operations": []}],
        ],
    )
    def test_one_that_is_malformed_or_does_not_add_up_is_not_believed(self, pages):
        with pytest.raises(Unanswered):
            reports.report(pages)

    def test_a_refusal_is_told_from_silence(self):
        with pytest.raises(ProviderRefused):
            reports.readable(404, error("settlement_report_not_found"))
        with pytest.raises(Unanswered):
            reports.readable(500, error("internal_error"))
