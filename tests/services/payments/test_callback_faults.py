"""Every fault of a callback, as one table: what is answered, what is kept, and that no money moved on it.

Each row proves that its fault was there (the answer, the row kept, or what the row says); the payment waits
for an authorization whose answer was lost, so that any message that were believed would show.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.http import HttpResponse

from ledger import clock
from ledger.locks import phase
from payments import locks
from payments.models import Payment, ProviderOperation, ProviderWebhook
from payments.services.webhooks import webhook_applying
from tests.factories import payments as rows
from tests.factories import vendors as factory
from tests.kit.callbacks import Callback, apply_due, said_of, send
from vendors.models import Merchant

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("signed")]

OTHER_SECRET = "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldA=="
WAITS, AUTHORIZED = "created", "authorized"


@dataclass
class Scene:
    """A payment whose authorization nobody here knows the end of, and the provider's genuine message."""

    operation: ProviderOperation
    genuine: Callback

    def said(self, **changes: Any) -> Callback:
        return said_of(self.operation, **changes)

    def raw(self, body: bytes) -> Callback:
        return Callback(self.genuine.event_id, body)

    def reworded(self, **options: Any) -> bytes:
        return json.dumps(json.loads(self.genuine.body), **options).encode()

    def event(self, **changes: Any) -> Callback:
        return self.raw(json.dumps({**json.loads(self.genuine.body), **changes}).encode())


@pytest.fixture
def scene(northwind: Merchant) -> Scene:
    payment = rows.create_payment(northwind)
    with phase():
        locks.payment(northwind.pk, payment.pk)
        operation = rows.create_operation(
            payment, "authorize", "authorize", outcome="unknown", concluded_at=None, ask_at=clock.now(),
            provider_reference="",
        )  # fmt: skip
    return Scene(operation, said_of(operation))


def at(scene: Scene, seconds: int) -> HttpResponse:
    return send(scene.genuine, scene.genuine.headers(at=int(clock.now().timestamp()) + seconds))


def with_header(name: str, value: str) -> Callable[[Scene], HttpResponse]:
    return lambda scene: send(scene.genuine, {**scene.genuine.headers(), name: value})


def with_body(change: Callable[[Scene], bytes]) -> Callable[[Scene], HttpResponse]:
    """The genuine headers over other bytes."""
    return lambda scene: send(scene.genuine, body=change(scene))


def signed_body(body: bytes) -> Callable[[Scene], HttpResponse]:
    """Other bytes, rightly signed: the provider itself sends nonsense."""
    return lambda scene: send(scene.raw(body))


def flipped(scene: Scene) -> bytes:
    body = bytearray(scene.genuine.body)
    body[len(body) // 2] ^= 1
    return bytes(body)


FORGED: dict[str, Callable[[Scene], HttpResponse]] = {
    "signature_wrong: another secret": lambda s: send(s.genuine, s.genuine.headers(secret=OTHER_SECRET)),
    "signature_wrong: one bit of the body": with_body(flipped),
    "signature_wrong: keys in another order": with_body(lambda s: s.reworded(sort_keys=True)),
    "signature_wrong: laid out anew": with_body(lambda s: s.reworded(indent=1)),
    "signature_wrong: another charset": with_body(lambda s: s.genuine.body.decode().encode("utf-16")),
    "signature_wrong: cut off": with_body(lambda s: s.genuine.body[:-10]),
    "signature_wrong: empty body": with_body(lambda s: b""),
    "signature_wrong: another message's id": with_header("webhook-id", "evt_another"),
    "signature_wrong: the word v1": with_header("webhook-signature", "v1"),
    "signature_wrong: parts too many": with_header("webhook-signature", "v1,a,b"),
    "signature_wrong: not base64": with_header("webhook-signature", "v1,===="),
    "signature_wrong: not ASCII": with_header("webhook-signature", "v1,é"),
    "signature_wrong: another version": with_header("webhook-signature", "v9,AAAA"),
    "header_missing: no signature": with_header("webhook-signature", ""),
    "header_missing: no id": with_header("webhook-id", ""),
    "header_missing: no timestamp": with_header("webhook-timestamp", ""),
    "timestamp_malformed: a word": with_header("webhook-timestamp", "noon"),
    "timestamp_malformed: too long": with_header("webhook-timestamp", "9" * 40),
    "too_old: replayed after 301 s": lambda s: at(s, -301),
    "too_new: over 300 s ahead": lambda s: at(s, 330),
    "unreadable: broken JSON": signed_body(b'{"id": "evt'),
    "unreadable: no JSON": signed_body(b"<html></html>"),
    "unreadable: a list": signed_body(b"[]"),
    "unreadable: wrong charset": signed_body("{'é'}".encode("latin-1")),
    "unreadable: NUL bytes": signed_body(b"\x00" * 64),
    "unreadable: nested too deep": signed_body(b"[" * 60_000),
    "unreadable: no operation in it": lambda s: send(s.event(data={})),
    "unreadable: the id of another message": lambda s: send(s.event(id="evt_another")),
}


@pytest.mark.parametrize("fault", FORGED)
def test_what_is_not_provably_the_provider_s_is_refused(scene: Scene, fault: str) -> None:
    before = _kept()
    answer = FORGED[fault](scene)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert answer.json()["fault"] == fault.partition(":")[0]  # it was this fault and no other
    (kept,) = ProviderWebhook.objects.exclude(pk__in=before)
    assert (kept.is_verified, kept.state, kept.apply_at) == (False, "refused", None)
    _work()
    assert _payment(scene).state == WAITS
    # The genuine one is not kept out by what was refused under its id.
    assert send(scene.genuine).status_code == 200
    _work()
    assert _payment(scene).state == AUTHORIZED


ODD: dict[str, tuple[Callable[[Scene], Callback], str, str, str]] = {
    # fault: the message, its state afterwards, what its row says, the payment's state
    "wrong amount": (
        lambda s: s.said(amount=9_999), "applied", webhook_applying.CONCLUDED, WAITS,
    ),
    "wrong currency": (
        lambda s: s.said(currency="EUR"), "applied", webhook_applying.CONCLUDED, WAITS,
    ),
    "no such currency": (lambda s: s.said(currency="XXQ"), "ignored", "bad_body", WAITS),
    "amount is a text": (lambda s: s.said(amount="10000"), "ignored", "bad_body", WAITS),
    "amount below zero": (lambda s: s.said(amount=-1), "ignored", "bad_body", WAITS),
    "unknown status": (
        lambda s: s.said(status="pondered"), "ignored", "unlisted_status:authorization.pondered", WAITS,
    ),
    "unknown event type": (
        lambda s: s.event(type="authorization.reconsidered"), "ignored",
        "unlisted_event:authorization.reconsidered", WAITS,
    ),
    "unknown decline code": (
        lambda s: s.said(status="declined", decline_code="bad_hair"), "ignored",
        "unlisted_decline_code:bad_hair", WAITS,
    ),
    "unknown key": (
        lambda s: s.said(idempotency_key="op_nobody"), "received", webhook_applying.NOT_OURS, WAITS,
    ),
    "pending": (lambda s: s.said(status="pending"), "applied", webhook_applying.CONCLUDED, WAITS),
    "genuine": (lambda s: s.genuine, "applied", webhook_applying.CONCLUDED, AUTHORIZED),
}  # fmt: skip


@pytest.mark.parametrize("fault", ODD)
def test_what_the_provider_says_oddly_moves_no_money(scene: Scene, fault: str) -> None:
    make, state, words, standing = ODD[fault]
    callback = make(scene)
    assert send(callback).status_code == 200
    _work()
    kept = ProviderWebhook.objects.get(event_id=callback.event_id, is_verified=True)
    assert (kept.state, kept.verdict or kept.last_error) == (state, words)
    assert _payment(scene).state == standing
    scene.operation.refresh_from_db()
    # Other money is held for a person: nobody asks, nothing is booked.
    assert scene.operation.is_held == (fault in ("wrong amount", "wrong currency"))


class TestTime:
    def test_twice_at_once_is_once(self, scene: Scene) -> None:
        assert [send(scene.genuine).status_code for _ in range(3)] == [200, 200, 200]
        _work()
        assert ProviderWebhook.objects.filter(event_id=scene.genuine.event_id).count() == 1
        assert _payment(scene).state == AUTHORIZED

    def test_again_under_another_id_changes_nothing(self, scene: Scene) -> None:
        send(scene.genuine)
        _work()
        before = _payment(scene)
        scene.operation.refresh_from_db()
        again = scene.said()
        assert again.event_id != scene.genuine.event_id
        send(again)
        _work()
        assert ProviderWebhook.objects.get(event_id=again.event_id).verdict == webhook_applying.KNOWN
        assert _payment(scene).version == before.version

    def test_replayed_within_the_tolerance_changes_nothing(self, scene: Scene) -> None:
        headers = scene.genuine.headers(at=int(clock.now().timestamp()) - 290)
        assert [send(scene.genuine, headers).status_code for _ in range(2)] == [200, 200]
        _work()
        before = _payment(scene).version
        assert send(scene.genuine, headers).status_code == 200
        _work()
        assert (_payment(scene).state, _payment(scene).version) == (AUTHORIZED, before)

    def test_early_waits_for_its_operation(self, scene: Scene) -> None:
        key = scene.operation.idempotency_key
        _rename(scene, "op_not_yet")
        send(scene.genuine)
        _work()
        kept = ProviderWebhook.objects.get(event_id=scene.genuine.event_id)
        assert (kept.state, kept.tries, kept.merchant_id) == ("received", 1, None)  # staff alone sees it
        _rename(scene, key)
        apply_due(clock.now() + timedelta(seconds=2))
        assert _payment(scene).state == AUTHORIZED

    def test_late_finds_it_concluded(self, scene: Scene) -> None:
        send(scene.genuine)
        _work()
        late = scene.said(status="pending")
        send(late)
        _work()
        assert ProviderWebhook.objects.get(event_id=late.event_id).state == "applied"
        assert _payment(scene).state == AUTHORIZED


def test_another_merchant_s_money_is_moved_for_that_merchant_alone(scene: Scene) -> None:
    southwind = factory.create_merchant("Southwind")
    theirs = rows.create_operation(rows.captured_payment(southwind), "void", "void:x")
    send(said_of(theirs))
    _work()
    assert theirs.webhooks.get().merchant_id == southwind.pk
    assert _payment(scene).state == WAITS


@pytest.mark.parametrize(("size", "status"), [(64 * 1024, 401), (64 * 1024 + 1, 413), (9_000_000, 413)])
def test_a_huge_body_is_read_no_further_than_its_limit(scene: Scene, size: int, status: int) -> None:
    before = ProviderWebhook.objects.count()
    assert send(scene.genuine, body=b"x" * size).status_code == status
    assert ProviderWebhook.objects.count() == before + (status == 401)


def _kept() -> list[UUID]:
    return list(ProviderWebhook.objects.values_list("pk", flat=True))


def _work() -> None:
    apply_due(clock.now())


def _payment(scene: Scene) -> Payment:
    return Payment.objects.get(pk=scene.operation.payment_id)


def _rename(scene: Scene, key: str) -> None:
    ProviderOperation.objects.filter(pk=scene.operation.pk).update(idempotency_key=key)
