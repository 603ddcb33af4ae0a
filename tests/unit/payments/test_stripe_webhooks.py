"""Stripe's events: which are believed, and what each says of an operation of ours."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from stripe import WebhookSignature

from payments.providers.errors import BadSignature
from payments.providers.outcomes import Approved, Declined, Pending, RequiresAction, Unknown
from payments.providers.stripe import webhooks
from tests.unit.payments.test_stripe_mapping import ERROR, KEY, REDIRECT, captured, intent, refund

SECRET, OLD_SECRET = "whsec_new", "whsec_old"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
AT = int(NOW.timestamp())


def event(event_type: str, subject: dict[str, Any]) -> bytes:
    return json.dumps(
        {"id": "evt_1", "object": "event", "type": event_type, "data": {"object": subject}}
    ).encode()


BODY = event("payment_intent.amount_capturable_updated", intent())


def header(body: bytes = BODY, secret: str = SECRET, at: int = AT) -> str:
    return WebhookSignature.generate_signature_header(body.decode(), secret, at)


def parse(body: bytes = BODY, signature: str | None = None, **headers: str) -> Any:
    given = {"Stripe-Signature": header(body) if signature is None else signature, **headers}
    return webhooks.parse(given, body, (SECRET, OLD_SECRET), NOW, is_live=False)


class TestAMode:
    """C10: what a test's event says is no word about live money, nor the reverse."""

    def event(self, is_live: object) -> bytes:
        return json.dumps({**json.loads(BODY), "livemode": is_live}).encode()

    def read(self, body: bytes, *, is_live: bool) -> Any:
        given = {"Stripe-Signature": header(body)}
        return webhooks.parse(given, body, (SECRET,), NOW, is_live=is_live)

    @pytest.mark.parametrize("is_live", [True, False])
    def test_that_is_ours_is_read(self, is_live):
        assert self.read(self.event(is_live), is_live=is_live).idempotency_key == KEY

    @pytest.mark.parametrize(
        ("said", "is_live"), [(False, True), (True, False), ("true", True), (None, True), (1, False)]
    )
    def test_that_is_the_other_is_refused_though_well_signed(self, said, is_live):
        with pytest.raises(BadSignature) as refused:
            self.read(self.event(said), is_live=is_live)
        assert refused.value.fault == "wrong_mode"


class TestASignature:
    def test_of_either_secret_is_believed(self):
        assert parse().idempotency_key == KEY
        assert parse(signature=header(secret=OLD_SECRET)).event_id == "evt_1"

    def test_is_measured_by_the_moment_of_receipt_and_not_by_the_system_clock(self):
        assert parse(signature=header(at=AT - 300)).event_id == "evt_1"
        assert parse(signature=header(at=AT + 300)).event_id == "evt_1"

    @pytest.mark.parametrize(
        ("signature", "fault"),
        [
            ("", "header_missing"),
            ("nonsense", "timestamp_malformed"),
            ("v1=abc", "timestamp_malformed"),
            ("t=١٢٣,v1=abc", "timestamp_malformed"),
            (header(at=AT - 301), "too_old"),
            (header(at=AT + 301), "too_new"),
            (header(secret="whsec_other"), "signature_wrong"),
            (f"t={AT}", "signature_wrong"),
            (f"t={AT},v1", "signature_wrong"),
            (f"t={AT},v0={'0' * 64}", "signature_wrong"),
            (header().replace(f"t={AT}", f"t={AT + 1}"), "signature_wrong"),
        ],
    )
    def test_that_is_not_right_is_refused_and_named(self, signature, fault):
        with pytest.raises(BadSignature) as refused:
            parse(signature=signature)
        assert refused.value.fault == fault

    @pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"[1]", b"7", BODY + b" "])
    def test_of_another_body_is_refused(self, body):
        with pytest.raises(BadSignature):
            parse(body=body, signature=header())

    @pytest.mark.parametrize("body", [b'{"object": "v2.core.event"}', b"{}", b'{"id": 7, "type": "x"}'])
    def test_of_what_is_no_event_is_refused(self, body):
        with pytest.raises(BadSignature):
            parse(body=body)


@pytest.mark.parametrize(
    ("event_type", "subject", "key", "kind"),
    [
        ("payment_intent.amount_capturable_updated", intent(), KEY, Pending),
        ("payment_intent.amount_capturable_updated", captured(700, 300), "op_3", Pending),
        ("payment_intent.succeeded", captured(700), "op_2", Pending),
        ("payment_intent.succeeded", captured(capture_method="automatic", amount_received=1999, metadata={
            "operation": KEY, "reference": "pay_1"}), KEY, Pending),
        ("payment_intent.payment_failed", intent("requires_payment_method", last_payment_error=ERROR), KEY,
         Declined),
        ("payment_intent.requires_action", intent("requires_action", next_action=REDIRECT), KEY,
         RequiresAction),
        ("payment_intent.processing", intent("processing"), KEY, Pending),
        ("payment_intent.canceled", intent("canceled"), KEY, Declined),
        ("refund.updated", refund(), KEY, Approved),
        ("refund.failed", refund("failed"), KEY, Declined),
        ("charge.refund.updated", refund("pending"), KEY, Pending),
        ("charge.succeeded", {"id": "ch_1", "metadata": {"operation": KEY}}, "", Unknown),
        ("customer.created", {"id": "cus_1"}, "", Unknown),
        ("payment_intent.created", intent("requires_confirmation"), "", Unknown),
        ("refund.updated", refund(metadata={}), "re_1", Approved),
        ("refund.updated", {"metadata": None}, "", Unknown),
    ],
)  # fmt: skip
def test_each_event_says_what_stripe_knows(event_type, subject, key, kind):
    body = event(event_type, subject)
    told = parse(body=body)
    assert (told.type, told.idempotency_key) == (event_type, key)
    assert isinstance(told.outcome, kind)
