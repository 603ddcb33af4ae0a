"""Callbacks are believed only when a right signature covers their raw bytes, now."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Money
from payments.providers.errors import BadSignature
from payments.providers.outcomes import Approved
from payments.providers.velocitypay.webhooks import parse
from payments.simulator.callbacks import sign

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"a secret of the tests").decode()
OTHER = "whsec_" + base64.b64encode(b"another secret").decode()
OPERATION = {
    "id": "cap_1",
    "object": "capture",
    "status": "succeeded",
    "amount": 1999,
    "currency": "USD",
    "fee": 88,
    "reference": "pay_1",
    "idempotency_key": "op_1",
}
EVENT = {
    "id": "evt_1",
    "type": "capture.succeeded",
    "data": {"operation": OPERATION, "idempotency_key": "op_1"},
}
BODY = json.dumps(EVENT).encode()


def headers(
    body: bytes = BODY, *, age: int = 0, secrets: tuple[str, ...] = (SECRET,), event_id: str = "evt_1"
):
    """The headers that the network would send."""
    timestamp = int(NOW.timestamp()) - age
    signatures = " ".join(sign(secret, event_id, timestamp, body) for secret in secrets)
    return {"Webhook-Id": event_id, "Webhook-Timestamp": str(timestamp), "Webhook-Signature": signatures}


class TestARightOne:
    def test_is_read(self):
        notice = parse(headers(), BODY, SECRET, NOW)
        assert (notice.event_id, notice.type, notice.idempotency_key) == (
            "evt_1",
            "capture.succeeded",
            "op_1",
        )
        assert notice.outcome == Approved("cap_1", Money(1999, "USD"), Money(88, "USD"), {})

    @pytest.mark.parametrize("age", [-300, -299, 0, 300])
    def test_may_be_300_seconds_off(self, age):
        assert parse(headers(age=age), BODY, SECRET, NOW).event_id == "evt_1"

    def test_may_be_signed_with_several_secrets(self):
        assert parse(headers(secrets=(OTHER, SECRET)), BODY, SECRET, NOW).event_id == "evt_1"
        assert parse(headers(secrets=(SECRET,)), BODY, [OTHER, SECRET], NOW).event_id == "evt_1"


class TestAWrongOne:
    @pytest.mark.parametrize("age", [-301, 301, 86_400])
    def test_too_old_or_too_new(self, age):
        with pytest.raises(BadSignature):
            parse(headers(age=age), BODY, SECRET, NOW)

    def test_of_another_secret(self):
        with pytest.raises(BadSignature):
            parse(headers(secrets=(OTHER,)), BODY, SECRET, NOW)

    def test_with_the_same_meaning_in_other_bytes(self):
        with pytest.raises(BadSignature):
            parse(headers(), json.dumps(EVENT, indent=1).encode(), SECRET, NOW)

    @pytest.mark.parametrize("missing", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
    def test_without_a_header(self, missing):
        given_headers = headers()
        del given_headers[missing]
        with pytest.raises(BadSignature):
            parse(given_headers, BODY, SECRET, NOW)

    @pytest.mark.parametrize(
        "signature",
        ["", "v1", "v1,", "v1,a,b", "v1,é", "v1,!!!!", "v2," + "A" * 44, "\x00", "v1," + "A" * 44, ","],
    )
    def test_with_a_malformed_signature(self, signature):
        with pytest.raises(BadSignature):
            parse(headers() | {"Webhook-Signature": signature}, BODY, SECRET, NOW)

    @pytest.mark.parametrize("timestamp", ["", "now", "-1", "1e9", "\uff19\uff19", "9" * 40, " 1"])
    def test_with_a_malformed_timestamp(self, timestamp):
        with pytest.raises(BadSignature):
            parse(headers() | {"Webhook-Timestamp": timestamp}, BODY, SECRET, NOW)

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b"null", b'{"id":"evt_1"}']
    )
    def test_signed_but_not_readable(self, body):
        with pytest.raises(BadSignature):
            parse(headers(body), body, SECRET, NOW)

    def test_whose_signed_id_is_not_that_of_its_body(self):
        with pytest.raises(BadSignature):
            parse(headers(event_id="evt_2"), BODY, SECRET, NOW)

    @given(
        st.binary(max_size=200),
        st.dictionaries(st.text(max_size=20), st.text(max_size=60), max_size=5),
        st.text(),
    )
    def test_never_raises_anything_else(self, body, extra, signature):
        given_headers = headers() | extra | {"Webhook-Signature": signature}
        with pytest.raises(BadSignature):
            parse(given_headers, body, SECRET, NOW)

    @given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
    def test_with_any_one_byte_changed(self, place, change):
        altered = bytearray(BODY)
        altered[place] ^= change
        with pytest.raises(BadSignature):
            parse(headers(), bytes(altered), SECRET, NOW)

    @given(st.text(max_size=12))
    def test_with_any_event_id(self, event_id):
        with pytest.raises(BadSignature):
            parse(headers() | {"Webhook-Id": event_id}, BODY, SECRET, NOW)
