"""Callbacks of the network: verified raw, kept once, answered at once, applied in a job, parked if early."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import clock
from ledger.actors import Actor
from ledger.ids import parse, show, uuid7
from payments import selectors
from payments.models import ProviderOperation, ProviderWebhook
from payments.services.webhooks import webhook_applying
from tests.kit.callbacks import URL, Callback, apply_due, callback_of, send
from tests.kit.network import Network
from tests.kit.shop import CORE, REFUNDS, Shop, good, run_jobs

pytestmark = pytest.mark.django_db


def key_of(shown: dict[str, Any], kind: str) -> str:
    subject = parse(shown["id"].partition("_")[0], shown["id"])
    return ProviderOperation.objects.get(subject_id=subject, kind=kind).idempotency_key


def webhook(callback: Callback) -> ProviderWebhook:
    return ProviderWebhook.objects.get(event_id=callback.event_id, is_verified=True)


class TestReceive:
    def test_is_kept_once_and_answered_at_once(self, shop: Shop) -> None:
        callback = callback_of(shop.network, key_of(shop.authorized(), "authorize"))
        for _ in range(3):
            response = send(callback)
            assert (response.status_code, response.json()) == (200, {"received": True})
        kept = webhook(callback)
        assert (kept.state, kept.tries, kept.source) == ("received", 0, "127.0.0.0/24")
        assert kept.apply_at == kept.received_at

    def test_applies_what_was_not_known(self, shop: Shop) -> None:
        made = good(shop.client.post(CORE, shop.body("late", confirm=True)), 202)
        callback = callback_of(shop.network, key_of(made, "authorize"))
        send(callback)
        run_jobs()
        assert shop.payment(made["id"])["status"] == "authorized"
        kept = webhook(callback)
        assert (kept.state, kept.operation.idempotency_key) == ("applied", key_of(made, "authorize"))

    def test_changes_nothing_that_is_known(self, shop: Shop) -> None:
        paid = shop.authorized()
        callback = callback_of(shop.network, key_of(paid, "authorize"))
        send(callback)
        run_jobs()
        assert webhook(callback).state == "applied"
        assert shop.payment(paid["id"]) == paid

    def test_completes_a_pending_refund(self, shop: Shop) -> None:
        made = shop.refund_asked(shop.captured("refund_pending_ok"))
        good(shop.client.post(f"{REFUNDS}{made['id']}/process"), 202)
        send(callback_of(shop.network, key_of(made, "refund"), status="succeeded"))
        run_jobs()
        assert shop.refund(made["id"])["status"] == "completed"

    def test_turns_back_a_refund_that_failed_late(self, shop: Shop) -> None:
        paid = shop.captured()
        done = shop.refunded(paid, amount=4_000)
        late = callback_of(
            shop.network, key_of(done, "refund"), status="failed", decline_code="account_closed"
        )
        send(late)
        run_jobs()
        assert webhook(late).state == "applied"
        assert shop.refund(done["id"])["status"] == "failed"
        assert shop.payment(paid["id"])["refundable"]["amount"] == 10_000

    def test_ignores_a_message_that_it_does_not_know(self, shop: Shop) -> None:
        paid = shop.authorized()
        callback = callback_of(shop.network, key_of(paid, "authorize"), status="pondered")
        assert send(callback).status_code == 200
        run_jobs()
        assert webhook(callback).state == "ignored"
        assert shop.payment(paid["id"]) == paid


class TestParking:
    def test_waits_for_an_operation_that_is_not_there_yet(self, shop: Shop, network: Network) -> None:
        stranger = _stranger(shop)
        assert send(stranger).status_code == 200
        run_jobs()
        kept = webhook(stranger)
        assert (kept.state, kept.tries) == ("received", 1)
        run_jobs(later_seconds=600)
        assert webhook(stranger).tries > 1

    def test_ends_as_a_dead_letter(self, shop: Shop) -> None:
        stranger = _stranger(shop)
        send(stranger)
        at = clock.now()
        for _ in range(webhook_applying.TRIES_MAX + 3):
            apply_due(at)
            at += timedelta(seconds=webhook_applying.PAUSE_MAX_SECONDS * 2)
        kept = webhook(stranger)
        assert (kept.state, kept.tries) == ("failed", webhook_applying.TRIES_MAX)
        assert (kept.apply_at, kept.lease_until, len(kept.attempts)) == (None, None, kept.tries)

    def test_a_person_can_try_a_dead_letter_again(self, shop: Shop) -> None:
        made = good(shop.client.post(CORE, shop.body("late", confirm=True)), 202)
        key = key_of(made, "authorize")
        callback = callback_of(shop.network, key)
        ProviderOperation.objects.filter(idempotency_key=key).update(idempotency_key="op_elsewhere")
        send(callback)
        at = clock.now()
        for _ in range(webhook_applying.TRIES_MAX):
            apply_due(at)
            at += timedelta(seconds=webhook_applying.PAUSE_MAX_SECONDS * 2)
        assert webhook(callback).state == "failed"
        ProviderOperation.objects.filter(idempotency_key="op_elsewhere").update(idempotency_key=key)
        webhook_applying.retry(
            merchant_id=selectors.ALL,
            webhook_id=webhook(callback).pk,
            actor=Actor("staff", "7", "grace"),
            reason="found",
            at=clock.now(),
        )
        assert webhook(callback).state == "applied"
        assert shop.payment(made["id"])["status"] == "authorized"


class TestRefusals:
    @pytest.fixture
    def callback(self, shop: Shop) -> Callback:
        return callback_of(shop.network, key_of(shop.authorized(), "authorize"))

    @pytest.mark.parametrize("offset", [-301, 330, -(10**9)])
    def test_refuses_a_message_too_old_or_too_new(self, callback: Callback, offset: int) -> None:
        at = int(clock.now().timestamp()) + offset
        _refused(callback, callback.headers(at=at))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("webhook-signature", ""), ("webhook-signature", "v1"), ("webhook-signature", "v1,a,b"),
            ("webhook-signature", "v1,é"), ("webhook-signature", "v1,===="), ("webhook-signature", "v2,AAAA"),
            ("webhook-timestamp", ""), ("webhook-timestamp", "now"), ("webhook-timestamp", "9" * 30),
            ("webhook-timestamp", "١٢٣"), ("webhook-id", ""), ("webhook-id", "evt_another"),
        ],
    )  # fmt: skip
    def test_refuses_bad_headers(self, callback: Callback, name: str, value: str) -> None:
        _refused(callback, {**callback.headers(), name: value})

    @pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
    def test_refuses_missing_headers(self, callback: Callback, name: str) -> None:
        headers = callback.headers()
        headers.pop(name)
        _refused(callback, headers)

    def test_refuses_another_secret(self, callback: Callback) -> None:
        _refused(callback, callback.headers(secret="whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldA=="))

    def test_verifies_the_raw_bytes(self, callback: Callback) -> None:
        again = json.dumps(json.loads(callback.body), indent=1).encode()
        _refused(callback, callback.headers(), again)

    @pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\x00\xff", b"[" * 50_000, b'{"id": 1}'])
    def test_refuses_what_is_signed_and_not_readable(self, shop: Shop, body: bytes) -> None:
        odd = Callback(f"evt_{uuid4().hex}", body)
        _refused(odd, odd.headers())

    def test_refuses_a_body_that_is_too_large(self, callback: Callback) -> None:
        assert send(callback, body=b"x" * 70_000).status_code == 413

    def test_refuses_an_unknown_provider(self, client: Any) -> None:
        assert client.post("/webhooks/nobody/", b"{}", content_type="application/json").status_code == 404

    def test_refuses_other_methods(self, client: Any) -> None:
        assert client.get(URL).status_code == 405

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(
        event_id=st.text(st.characters(codec="latin-1", exclude_characters="\r\n\x00"), max_size=300),
        timestamp=st.text(st.characters(codec="latin-1", exclude_characters="\r\n\x00"), max_size=30),
        signature=st.text(st.characters(codec="latin-1", exclude_characters="\r\n\x00"), max_size=3_000),
        body=st.binary(max_size=300),
    )
    def test_answers_401_to_anything(
        self, shop: Shop, event_id: str, timestamp: str, signature: str, body: bytes
    ) -> None:
        headers = {
            "webhook-id": event_id, "webhook-timestamp": timestamp, "webhook-signature": signature,
        }  # fmt: skip
        assert send(Callback("x", body), headers).status_code == 401


def _refused(callback: Callback, headers: dict[str, str], body: bytes | None = None) -> None:
    before = list(ProviderWebhook.objects.values_list("pk", flat=True))
    response = send(callback, headers, body)
    assert response.status_code == 401, response.content
    assert response.json()["code"] == "bad_signature"
    (kept,) = ProviderWebhook.objects.exclude(pk__in=before)
    assert (kept.is_verified, kept.state) == (False, "refused")
    assert kept.apply_at is None


def _stranger(shop: Shop) -> Callback:
    """A genuine callback about an operation that is not ours (yet)."""
    key = show("op", uuid7())
    body = {
        "amount": 100, "currency": "USD", "token": shop.network.card()["token"], "reference": "elsewhere",
    }  # fmt: skip
    headers = {"Idempotency-Key": key}
    shop.network.client.post("/v1/authorizations", json=body, headers=headers).raise_for_status()
    return callback_of(shop.network, key)
