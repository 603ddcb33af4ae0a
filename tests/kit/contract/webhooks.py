"""Controller 11 of the contract: what providers said of the merchant's payments."""

from typing import Any

from ledger.ids import parse
from payments.models import Payment, ProviderOperation, ProviderWebhook
from tests.factories import payments as rows
from tests.kit.callbacks import said_of
from tests.kit.contract import Call, Row, Scene, Stage, given, like

CONTROLLER = "PaymentWebhookController"
HOOKS = "/api/v1/payment-webhooks/"
READ, WRITE = "webhooks:read", "webhooks:write"
FILTERS: dict[str, Any] = {
    "keeps": (
        "provider=velocitypay", "type=capture.succeeded", "received_from=2020-01-01T00:00:00Z",
        "received_to=2099-01-01T00:00:00Z",
    ),
    "drops": (
        "provider=stripe", "type=capture.declined", "received_to=2020-01-01T00:00:00Z",
        "received_from=2099-01-01T00:00:00Z",
    ),
    "wrong": ("received_from=today", "received_to=2026-01-01"),
}  # fmt: skip
BY_STATUS: dict[str, Any] = {
    "keeps": (*FILTERS["keeps"], "status=failed"),
    "drops": (*FILTERS["drops"], "status=applied"),
    "wrong": (*FILTERS["wrong"], "status=lost"),
}
MISSING: dict[str, Any] = {"missing": "provider_webhook_not_found"}


def _message(scene: Scene, **headers: str) -> tuple[str, dict[str, Any]]:
    """A payment of which nobody knows yet whether it is authorized, and the message that tells it."""
    made = rows.create_payment(scene.northwind)
    asked = rows.create_operation(
        made, "authorize", "authorize", outcome="", provider_reference="", concluded_at=None, ask_at=rows.AT
    )
    callback = said_of(asked)
    signed = {**callback.headers(), **headers}
    return made.public_id, {"provider": "velocitypay", "headers": signed, "payload": callback.body.decode()}


def _kept(scene: Scene) -> Call:
    made, body = _message(scene)
    told = {
        "id": like("whk_"), "status": "received", "is_verified": True, "event_id": like("evt_"),
        "type": "authorization.authorized", "payment_id": made, "operation_id": like("op_"),
        "received_at": given, "next_attempt_at": given, "processed_at": None, "tries": 0,
    }  # fmt: skip
    return Call(body=body, status=201, says=told)


def _kept_before(scene: Scene) -> Call:
    _, body = _message(scene)
    first = scene.shop.client.post(HOOKS, body).json()
    return Call(body=body, says={"id": first["id"]})


def _forged(scene: Scene) -> Call:
    _, body = _message(scene, **{"webhook-signature": "v1,AAAA"})
    told = {"status": "refused", "is_verified": False, "verdict": given, "payment_id": None}
    return Call(body=body, status=201, says=told)


def _about_nobody(scene: Scene) -> Call:
    _, body = _message(scene)
    ProviderOperation.objects.filter(merchant=scene.northwind).update(idempotency_key="op_of_nobody")
    return Call(body=body, status=404, says={"code": "webhook_subject_not_found", "advice": given})


def _checked(fault: str | None, **headers: str) -> Stage:
    def stage(scene: Scene) -> Call:
        _, body = _message(scene, **headers)
        told = {"valid": fault is None, "fault": fault, "provider": "velocitypay"}
        wrong = {"detail": given, "event_id": None}
        right = {"detail": None, "event_id": like("evt_"), "type": "authorization.authorized"}
        return Call(body=body, says={**told, **(wrong if fault else right)})

    return stage


def _two(scene: Scene, state: str = "failed") -> tuple[Payment, list[ProviderWebhook]]:
    paid = rows.captured_payment(scene.northwind)
    return paid, [rows.webhook_about(paid, state=state) for _ in range(2)]


def _list(state: str) -> Stage:
    def stage(scene: Scene) -> Call:
        paid, made = _two(scene, state)
        rows.webhook_about(
            rows.captured_payment(scene.northwind), state="failed" if state == "received" else "received"
        )
        return Call({"paymentId": paid.public_id}, rows=[row.public_id for row in made[::-1]])

    return stage


def _received(scene: Scene) -> dict[str, Any]:
    kept: dict[str, Any] = scene.shop.client.post(HOOKS, _message(scene)[1]).json()
    return kept


def _applied(scene: Scene) -> Call:
    told = {
        "status": "applied", "verdict": "concluded the operation", "tries": 1, "attempts.0.result": given,
        "attempts.0.at": given, "processed_at": given, "next_attempt_at": None, "last_error": None,
    }  # fmt: skip
    return Call({"id": _received(scene)["id"]}, {}, says=told)


def _dead(body: Any, says: dict[str, Any], status: int = 200) -> Stage:
    def stage(scene: Scene) -> Call:
        row = ProviderWebhook.objects.get(pk=parse("whk", _received(scene)["id"]))
        row.fail("nobody knew", row.received_at)
        row.save()
        return Call({"id": row.public_id}, body, status, says)

    return stage


def _not_verified(scene: Scene) -> Call:
    _, body = _message(scene, **{"webhook-signature": "v1,AAAA"})
    kept = scene.shop.client.post(HOOKS, body).json()
    return Call({"id": kept["id"]}, {}, 409, {"code": "webhook_not_verified", "advice": given})


def _busy(scene: Scene) -> Call:
    kept = _received(scene)
    ProviderWebhook.objects.filter(pk=parse("whk", kept["id"])).update(lease_until="2099-01-01T00:00:00Z")
    return Call({"id": kept["id"]}, {}, 409, {"code": "webhook_busy", "retryable": True})


def _in_bulk(scene: Scene) -> Call:
    _two(scene)
    body = {"provider": "velocitypay", "limit": 1, "reason": "the payment exists now"}
    return Call(body=body, status=202, says={"object": "webhook_retries", "scheduled": 1, "left": 1})


def _row(method: str, path: str, scope: str, stage: Stage, **more: Any) -> Row:
    return Row(CONTROLLER, method, HOOKS + path, scope, stage, **more)


FIELDS = (
    ({"provider": "nobody"}, "provider"), ({"headers": []}, "headers"), ({"headers": {"a": 1}}, "headers"),
    ({"payload": {}}, "payload"), ({"payload": None}, "payload"), ({"colour": "red"}, "colour"),
)  # fmt: skip
BUSY = {"busy": _busy, "not verified": _not_verified}

ROWS = (
    _row(
        "POST", "", WRITE, _kept, key="accepted", bad=FIELDS,
        others={"kept before": _kept_before, "forged": _forged, "about nobody's payment": _about_nobody},
    ),
    _row("GET", "payment/{paymentId}", READ, _list("failed"), missing="payment_not_found", **BY_STATUS),
    _row("GET", "unprocessed", READ, _list("received"), **FILTERS),
    _row("GET", "errors", READ, _list("failed"), **BY_STATUS),
    _row(
        "POST", "{id}/process", WRITE, _applied, key="accepted", **MISSING,
        others={"given up": _dead({}, {"code": "state_conflict"}, 409), **BUSY},
        bad=(({"colour": "red"}, "colour"),),
    ),
    _row(
        "POST", "{id}/retry", WRITE, key="accepted", **MISSING,
        stage=_dead({"reason": "The payment exists now."}, {"status": "applied", "last_error": None}),
        others={"waits": _applied, **BUSY}, bad=(({"reason": 1}, "reason"), ({"colour": "red"}, "colour")),
    ),
    _row(
        "POST", "verify-signature", WRITE, _checked(None), key="accepted", bad=FIELDS,
        others={
            "forged": _checked("signature_wrong", **{"webhook-signature": "v1,AAAA"}),
            "too old": _checked("too_old", **{"webhook-timestamp": "1"}),
        },
    ),
    _row(
        "POST", "auto-retry", WRITE, _in_bulk, key="accepted",
        bad=(
            ({"provider": "nobody"}, "provider"), ({"limit": 0}, "limit"), ({"limit": 501}, "limit"),
            ({"reason": ""}, "reason"), ({"colour": "red"}, "colour"),
        ),
    ),
)  # fmt: skip
