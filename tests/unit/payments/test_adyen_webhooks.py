"""Adyen's webhooks: which are believed, and what each says of an operation of ours."""

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Money
from payments.providers.adyen import disputes, webhooks
from payments.providers.errors import BadSignature
from payments.providers.notices import DisputeNotice, DisputeStage, DisputeStanding, ProviderNotice
from payments.providers.outcomes import Approved, Declined, Taken, Unknown
from tests.unit.payments.test_adyen_mapping import JSON, PART, PSP

KEY = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
OLD_KEY = "DFB1EB5485895CFA84146406857104ABB4CBCABDC8AAF103A624C8F6A3EAAB00"
ACCOUNT = "OurAccount"
PRICE = Money(1999, "USD")


def item(event: str = "CAPTURE", reference: str = "capture.op_2", **changes: Any) -> dict[str, Any]:
    return {
        "additionalData": {}, "amount": {"currency": "USD", "value": 1999}, "eventCode": event,
        "eventDate": "2026-11-21T12:00:00+01:00", "merchantAccountCode": ACCOUNT,
        "merchantReference": reference, "originalReference": PSP, "paymentMethod": "visa",
        "pspReference": PART, "reason": "", "success": "true", **changes,
    }  # fmt: skip


def signed(told: dict[str, Any], key: str = KEY, *, escaped: bool = True) -> bytes:
    told = copy.deepcopy(told)
    fields = webhooks.signed_fields(told)
    assert fields is not None
    told["additionalData"]["hmacSignature"] = webhooks.sign(fields, key, escaped=escaped)
    return wrapped(told)


def wrapped(*items: Any) -> bytes:
    told = [{"NotificationRequestItem": one} for one in items]
    return json.dumps({"live": "false", "notificationItems": told}).encode()


def parse(body: bytes) -> Any:
    return webhooks.parse(body, (KEY, OLD_KEY), ACCOUNT, is_live=False)


class TestAMode:
    """C10: what a test's webhook says is no word about live money, nor the reverse."""

    def body(self, said: object) -> bytes:
        return json.dumps({**json.loads(signed(item())), "live": said}).encode()

    @pytest.mark.parametrize(("said", "is_live"), [("false", False), ("true", True), (True, True)])
    def test_that_is_ours_is_read(self, said, is_live):
        assert webhooks.parse(self.body(said), (KEY,), ACCOUNT, is_live=is_live).idempotency_key == "op_2"

    @pytest.mark.parametrize(("said", "is_live"), [("true", False), ("false", True), (None, True)])
    def test_that_is_the_other_is_refused_though_well_signed(self, said, is_live):
        with pytest.raises(BadSignature) as refused:
            webhooks.parse(self.body(said), (KEY,), ACCOUNT, is_live=is_live)
        assert refused.value.fault == "wrong_mode"


class TestASale:
    def test_is_concluded_with_its_capture_by_one_word(self):
        told = parse(signed(item("AUTHORISATION", "sale.op_1", originalReference="")))
        assert told.idempotency_key == "op_1"
        assert told.outcome.taken == Taken(PART, PRICE, Money(0, "USD"))

    def test_has_a_capture_that_may_fail_later_under_a_key_of_its_own(self):
        told = parse(signed(item("CAPTURE_FAILED", "sale.op_1")))
        assert told.idempotency_key == "op_1:capture"
        assert isinstance(told.outcome, Declined)

    @pytest.mark.parametrize("event", ["CAPTURE", "CANCELLATION", "AUTHORISATION_ADJUSTMENT"])
    def test_is_not_what_somebody_makes_under_its_reference(self, event):
        assert parse(signed(item(event, "sale.op_1"))).idempotency_key == ""

    def test_is_refunded_by_somebody_as_any_payment(self):
        told = parse(signed(item("REFUND", "sale.op_1")))
        assert (told.idempotency_key, told.refund_of) == (f"adyen_{PART}", PSP)


class TestANewTotal:
    def test_tells_what_was_added_to_what_was_before(self):
        told = parse(signed(item("AUTHORISATION_ADJUSTMENT", "increment.1499.op_5")))
        assert (told.idempotency_key, told.outcome.amount) == ("op_5", Money(500, "USD"))

    def test_below_what_was_before_is_none(self):
        told = parse(signed(item("AUTHORISATION_ADJUSTMENT", "increment.2500.op_5")))
        assert told.outcome == Unknown("bad_body")

    def test_that_is_refused_is_declined(self):
        told = parse(signed(item("AUTHORISATION_ADJUSTMENT", "increment.1499.op_5", success="false")))
        assert isinstance(told.outcome, Declined)


class TestASignature:
    def test_is_the_one_of_adyens_own_example(self):
        fields = ("pspReference", "originalReference", "merchantAccount", "reference", "1000", "EUR",
                  "EVENT", "true")  # fmt: skip
        assert webhooks.sign(fields, OLD_KEY) == "ipnxGCaUZ4l8TUW75a71/ghd2Fe5ffvX0pV4TLTntIc="

    def test_of_either_key_is_believed(self):
        assert parse(signed(item())).idempotency_key == "op_2"
        assert parse(signed(item(), OLD_KEY)).idempotency_key == "op_2"

    @pytest.mark.parametrize("name", [*webhooks.SIGNED, "eventCode", "success", "amount"])
    def test_is_gone_when_a_signed_field_is_changed(self, name):
        body = json.loads(signed(item()))
        told = body["notificationItems"][0]["NotificationRequestItem"]
        told[name] = {"currency": "USD", "value": 1} if name == "amount" else "false"
        with pytest.raises(BadSignature) as refused:
            parse(json.dumps(body).encode())
        assert refused.value.fault == "signature_wrong"

    @pytest.mark.parametrize("given", ["", "AAAA", "not base64!", "é", 7, None])
    def test_that_is_none_is_refused(self, given):
        with pytest.raises(BadSignature):
            parse(wrapped(item(additionalData={"hmacSignature": given})))

    def test_of_a_stranger_is_refused(self):
        with pytest.raises(BadSignature):
            parse(signed(item(), "00" * 32))

    def test_in_the_form_without_escapes_never_speaks_of_our_operations(self):
        # Fields could be shifted across a colon: what has one in it is genuine, and not ours.
        told = parse(signed(item(reference="capture.op_2:1", success="true"), escaped=False))
        assert (told.idempotency_key, told.outcome) == ("", Unknown("not_ours:CAPTURE"))
        assert parse(signed(item(reference="capture.op_2:1"))).idempotency_key == ""

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"{", b"null", wrapped(), wrapped(item(), item()), wrapped("x"), wrapped([]),
         b'{"notificationItems": 3}', b'{"notificationItems": [{"a": 1}]}', b"[" * 100_000],
    )  # fmt: skip
    def test_is_not_looked_for_where_no_item_is(self, body):
        with pytest.raises(BadSignature):
            parse(body)

    @pytest.mark.parametrize("changes", [{"amount": 3}, {"success": "maybe"}, {"eventCode": None}])
    def test_cannot_be_of_an_item_that_is_not_one(self, changes):
        with pytest.raises(BadSignature):
            parse(wrapped(item(additionalData={"hmacSignature": "AAAA"}, **changes)))


class TestAnEvent:
    @pytest.mark.parametrize(
        ("event", "reference", "key"),
        [
            ("AUTHORISATION", "op_1", "op_1"),
            ("CAPTURE", "capture.op_2", "op_2"),
            ("CANCELLATION", "void.op_3", "op_3"),
            ("TECHNICAL_CANCEL", "void.op_3", "op_3"),
            ("REFUND", "refund.op_4", "op_4"),
        ],
    )
    def test_that_succeeded_approves_its_operation(self, event, reference, key):
        told = parse(signed(item(event, reference)))
        assert isinstance(told, ProviderNotice)
        assert isinstance(told.outcome, Approved)
        assert (told.idempotency_key, told.outcome.amount, told.outcome.reference) == (key, PRICE, PART)
        assert told.refund_of == (PSP if event == "REFUND" else "")

    @pytest.mark.parametrize(
        ("event", "reference"),
        [("AUTHORISATION", "op_1"), ("CAPTURE", "capture.op_2"), ("REFUND", "refund.op_4")],
    )
    def test_that_did_not_declines_it(self, event, reference):
        told = parse(signed(item(event, reference, success="false", reason="Not enough balance")))
        assert isinstance(told.outcome, Declined)
        assert told.outcome.code == "insufficient_funds"

    @pytest.mark.parametrize(
        ("event", "reference", "code"),
        [
            ("CAPTURE_FAILED", "capture.op_2", "system_malfunction"),
            ("REFUND_FAILED", "refund.op_4", "no_such_account"),
            ("REFUNDED_REVERSED", "refund.op_4", "do_not_honor"),
            ("OFFER_CLOSED", "op_1", "authentication_failed"),
        ],
    )
    def test_that_names_a_failure_declines_it(self, event, reference, code):
        told = parse(signed(item(event, reference)))
        assert isinstance(told.outcome, Declined)
        assert told.outcome.code == code

    @pytest.mark.parametrize(
        ("event", "reference"),
        [
            ("CAPTURE", "op_1"),  # made in the Customer Area: under the payment's own reference
            ("CAPTURE", "void.op_3"),
            ("AUTHORISATION", "capture.op_2"),
            ("CANCELLATION", "an order"),
            ("REPORT_AVAILABLE", ""),
            ("EXPIRE", "op_1"),
        ],
    )
    def test_that_is_not_of_its_kind_concludes_nothing(self, event, reference):
        told = parse(signed(item(event, reference)))
        assert (told.idempotency_key, type(told.outcome)) == ("", Unknown)

    def test_of_another_account_concludes_nothing(self):
        assert parse(signed(item(merchantAccountCode="Another"))).idempotency_key == ""

    def test_of_a_refund_that_we_did_not_ask_for_has_adyens_own_key(self):
        told = parse(signed(item("REFUND", "op_1")))
        assert (told.idempotency_key, told.refund_of) == (f"adyen_{PART}", PSP)

    def test_is_one_and_the_same_by_what_is_signed(self):
        first = parse(signed(item(eventDate="2026-11-21T12:00:00+01:00")))
        again = parse(signed(item(eventDate="2026-12-24T12:00:00+01:00", reason="x")))
        other = parse(signed(item(success="false")))
        assert first.event_id == again.event_id != other.event_id

    @given(st.data())
    def test_cannot_break_it_whatever_is_in_it(self, data):
        told: Any = item(data.draw(st.sampled_from([*webhooks.EVENTS, *webhooks.FAILURES, *disputes.STEPS])))
        for _ in range(data.draw(st.integers(0, 3))):
            told[data.draw(st.sampled_from(sorted(told)))] = data.draw(JSON)
        try:
            body = signed(told)
        except (AssertionError, TypeError, AttributeError):
            return  # not even Adyen could sign it
        try:
            assert isinstance(parse(body), ProviderNotice | DisputeNotice)
        except BadSignature:
            return


class TestADispute:
    def told(self, event: str, **more: Any) -> DisputeNotice:
        data = {"chargebackReasonCode": " 10.4", "chargebackSchemeCode": "visa",
                "defensePeriodEndsAt": "2026-12-09T00:00:00+01:00", **more}  # fmt: skip
        found = parse(signed(item(event, "op_1", additionalData=data)))
        assert isinstance(found, DisputeNotice)
        return found

    def test_is_named_with_its_reason_and_its_date(self):
        told = self.told("CHARGEBACK")
        assert (told.dispute, told.authorization, told.reason_code, told.scheme) == (
            PART,
            PSP,
            "10.4",
            "visa",
        )
        assert told.due_at == datetime(2026, 12, 8, 23, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("event", "stage", "standing", "sum_minor"),
        [
            ("REQUEST_FOR_INFORMATION", DisputeStage.INQUIRY, DisputeStanding.OPEN, 0),
            ("NOTIFICATION_OF_CHARGEBACK", DisputeStage.CHARGEBACK, DisputeStanding.OPEN, 0),
            ("CHARGEBACK", DisputeStage.CHARGEBACK, DisputeStanding.OPEN, -1999),
            ("CHARGEBACK_REVERSED", DisputeStage.CHARGEBACK, DisputeStanding.OPEN, 0),
            ("ISSUER_RESPONSE_TIMEFRAME_EXPIRED", DisputeStage.CHARGEBACK, DisputeStanding.WON, 0),
            ("SECOND_CHARGEBACK", DisputeStage.CHARGEBACK, DisputeStanding.LOST, -1999),
            ("PREARBITRATION_OPEN", DisputeStage.PRE_ARBITRATION, DisputeStanding.OPEN, 0),
        ],
    )
    def test_is_told_whole_by_each_step(self, event, stage, standing, sum_minor):
        told = self.told(event)
        assert (told.stage, told.standing) == (stage, standing)
        signs = {"withdrawal": -1, "reinstatement": 1}
        assert sum(signs[one.kind] * one.amount.minor for one in told.movements) == sum_minor

    def test_that_adyen_calls_won_is_won_by_its_reversal(self):
        assert self.told("CHARGEBACK_REVERSED", disputeStatus="Won").standing is DisputeStanding.WON

    def test_grows_in_version_within_a_second_too(self):
        versions = [self.told(event).version for event in ("CHARGEBACK", "CHARGEBACK_REVERSED")]
        assert versions[0] < versions[1]
