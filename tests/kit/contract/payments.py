"""Controller 1 of the contract: payments."""

from typing import Any

from ledger.ids import parse
from payments.models import ProviderOperation
from tests.kit.contract import (
    MONEY_DROPS,
    MONEY_KEEPS,
    MONEY_WRONG,
    PERIOD_DROPS,
    PERIOD_KEEPS,
    PERIOD_WRONG,
    Call,
    Row,
    Scene,
    Stage,
    given,
    like,
    usd,
)

CONTROLLER = "PaymentController"
CORE = "/api/v1/payments/core/"
READ, WRITE = "payments:read", "payments:write"
KEEPS = (*PERIOD_KEEPS, *MONEY_KEEPS, "method=card", "capture_method=manual")
DROPS = (*PERIOD_DROPS, *MONEY_DROPS, "method=bank_transfer", "capture_method=automatic")
WRONG = (*PERIOD_WRONG, *MONEY_WRONG, "method=cash", "capture_method=later")


def _new(scene: Scene, card: str = "visa", **more: Any) -> dict[str, Any]:
    line = {"vendor_id": scene.ada.public_id, "amount": 6_000}
    body: dict[str, Any] = scene.shop.body(card, vendor_split=[line], metadata={"basket": "7"}, **more)
    return body


def _created(scene: Scene) -> Call:
    body = _new(scene, merchant_reference="web-1", description="A scarf.", customer={"country": "DE"})
    told = {
        "id": like("pay_"), "number": like("PAY-20"), "status": "pending", "next_action": None,
        "amount": usd(10_000), "authorized": usd(0), "capturable": usd(0), "disputed": usd(0),
        "order_id": body["order_id"], "customer_id": body["customer_id"], "metadata": {"basket": "7"},
        "merchant_reference": "web-1", "description": "A scarf.", "decline": None, "created_at": given,
        "closed_at": None, "vendor_split.0.vendor_id": scene.ada.public_id,
        "vendor_split.0.commission": usd(600), "fraud.decision": "approve", "fraud.level": given,
        "provider": "velocitypay", "payment_method.type": "card",
    }  # fmt: skip
    return Call(body=body, status=201, says=told)


def _paid_at_once(scene: Scene) -> Call:
    told = {
        "status": "captured", "captured": usd(10_000), "refundable": usd(10_000), "captured_at": given,
        "provider_reference": given, "payment_method.brand": "visa", "payment_method.last4": "4242",
    }  # fmt: skip
    return Call(body=_new(scene, confirm=True, capture_method="automatic"), status=201, says=told)


def _declined(scene: Scene) -> Call:
    told = {
        "code": "payment_declined", "decline_code": "insufficient_funds", "advice": given,
        "payment.status": "failed", "payment.decline.code": "insufficient_funds", "payment.closed_at": given,
        "payment.decline.advice": given, "payment.decline.retry_later": True,
        "payment.decline.retry_when": "pay_day", "payment.decline.retry_at": given,
    }  # fmt: skip
    return Call(body=_new(scene, "insufficient_funds", confirm=True), status=402, says=told)


def _challenged(scene: Scene) -> Call:
    told = {
        "status": "requires_action", "next_action.type": "redirect_to_url", "next_action.url": like("http"),
        "next_action.return_url": "https://shop.example/back", "next_action.expires_at": given,
    }  # fmt: skip
    body = _new(scene, "challenge", confirm=True, return_url="https://shop.example/back")
    return Call(body=body, status=201, says=told)


def _not_known(scene: Scene) -> Call:
    return Call(body=_new(scene, "pending_ok", confirm=True), status=202, says={"status": "processing"})


def _named_before(scene: Scene) -> Call:
    scene.shop.created(merchant_reference="web-2")
    told = {"code": "merchant_reference_taken", "param": "merchant_reference"}
    return Call(body=_new(scene, merchant_reference="web-2"), status=409, says=told)


def _divided_beyond(scene: Scene) -> Call:
    lines = [{"vendor_id": scene.ada.public_id, "amount": 10_001}]
    body = {**_new(scene), "vendor_split": lines}
    return Call(body=body, status=422, says={"code": "vendor_split_too_large", "param": "vendor_split"})


def _in_the_past(scene: Scene) -> Call:
    body = _new(scene, scheduled_date="2026-01-01T00:00:00Z")
    return Call(body=body, status=422, says={"param": "scheduled_date"})


def _one(by: str, name: str) -> Stage:
    def stage(scene: Scene) -> Call:
        paid = scene.sold("authorized")
        told = {key: paid[key] for key in ("id", "number", "status", "amount", "vendor_split", "created_at")}
        return Call({name: paid[by]}, says={**told, "capturable": usd(10_000), "expires_at": given})

    return stage


def _by_capture(scene: Scene) -> Call:
    paid = scene.sold(capture_method="manual")
    capture = ProviderOperation.objects.get(payment=parse("pay", paid["id"]), kind="capture")
    told = {"id": paid["id"], "capturable": usd(0)}
    return Call({"transactionId": capture.provider_reference}, says=told)


def _list(name: str, **options: str) -> Stage:
    def stage(scene: Scene) -> Call:
        made = [scene.sold("created", **options) for _ in range(2)]
        named = {"orderId": "order-c1", "customerId": "carla-c1", "status": "pending"}[name]
        return Call({name: named}, rows=[row["id"] for row in made[::-1]])

    return stage


def _at(step: str, body: Any, says: dict[str, Any], status: int = 200, card: str = "visa") -> Stage:
    def stage(scene: Scene) -> Call:
        return Call({"id": scene.sold(step, card)["id"]}, body, status, says)

    return stage


def _refused_when(*steps: str, body: Any = None) -> dict[str, Stage]:
    told = {"code": "state_conflict", "advice": given}
    return {step: _at(step, body, told, 409) for step in steps}


def _after(act: str, body: Any, says: dict[str, Any]) -> Stage:
    """What the row answers when the payment has ended before."""

    def stage(scene: Scene) -> Call:
        paid = scene.sold("created")
        scene.shop.client.put(f"{CORE}{paid['id']}/{act}", {"reason": "over"})
        return Call({"id": paid["id"]}, body, 409, says)

    return stage


def _row(method: str, path: str, scope: str, stage: Stage, **more: Any) -> Row:
    return Row(CONTROLLER, method, CORE + path, scope, stage, **more)


CONFLICT = {"code": "state_conflict"}
LISTED: dict[str, Any] = {"keeps": KEEPS, "drops": DROPS, "wrong": WRONG}
BY_STATUS: dict[str, Any] = {
    "keeps": (*KEEPS, "status=pending"),
    "drops": (*DROPS, "status=captured"),
    "wrong": (*WRONG, "status=paid"),
}
ACT: dict[str, Any] = {"scope": WRITE, "missing": "payment_not_found", "key": "accepted"}
NO_FIELDS = (({"colour": "red"}, "colour"),)

ROWS = (
    _row(
        "POST", "", WRITE, _created, key="required",
        others={
            "paid at once": _paid_at_once, "declined": _declined, "challenged": _challenged,
            "not known": _not_known, "named before": _named_before, "divided beyond": _divided_beyond,
            "in the past": _in_the_past,
        },
        bad=(
            ({"amount": {"amount": 0, "currency": "USD"}}, "amount.amount"),
            ({"amount": {"amount": 100, "currency": "usd"}}, "amount.currency"), ({"amount": None}, "amount"),
            ({"order_id": ""}, "order_id"), ({"customer_id": "x" * 101}, "customer_id"),
            ({"payment_method": {"type": "cash", "token": "t"}}, "payment_method.type"),
            ({"payment_method": {"type": "card"}}, "payment_method.token"),
            ({"payment_method": "pm_1"}, "payment_method"), ({"capture_method": "later"}, "capture_method"),
            ({"vendor_split": [{"vendor_id": "x", "amount": 1}]}, "vendor_split.0.vendor_id"),
            ({"vendor_split": [{"vendor_id": f"vnd_{'0' * 26}"}]}, "vendor_split.0.amount"),
            ({"confirm": "yes"}, "confirm"), ({"scheduled_date": "soon"}, "scheduled_date"),
            ({"capture_at": "2026-13-01T00:00:00Z"}, "capture_at"), ({"return_url": "ftp://x"}, "return_url"),
            ({"metadata": {"a": 1}}, "metadata"), ({"customer": {"ip": "home"}}, "customer.ip"),
            ({"description": "x" * 501}, "description"), ({"exemption": "please"}, "exemption"),
            ({"colour": "red"}, "colour"),
        ),
    ),
    _row("GET", "{id}", READ, _one("id", "id"), missing="payment_not_found"),
    _row("GET", "number/{paymentNumber}", READ, _one("number", "paymentNumber"), missing="payment_not_found"),
    _row(
        "GET", "transaction/{transactionId}", READ, _one("provider_reference", "transactionId"),
        missing="payment_not_found", others={"a capture's": _by_capture},
    ),
    _row("GET", "order/{orderId}", READ, _list("orderId", order_id="order-c1"), **BY_STATUS),
    _row("GET", "customer/{customerId}", READ, _list("customerId", customer_id="carla-c1"), **BY_STATUS),
    _row(
        "GET", "status/{status}", READ, _list("status"), **LISTED,
        others={"no such": lambda _: Call({"status": "paid"}, status=400, says={"param": "status"})},
    ),
    _row(
        "PUT", "{id}/authorize", **ACT, bad=NO_FIELDS,
        stage=_at("created", {}, {
            "status": "authorized", "authorized": usd(10_000), "captured": usd(0), "capturable": usd(10_000),
            "authorized_at": given, "expires_at": given, "provider_reference": given,
        }),
        others={
            "declined": _at("created", {}, {
                "decline_code": "lost_card", "advice": given, "payment.decline.retry_now": given,
                "payment.decline.retry_later": False, "payment.decline.retry_at": None,
            }, 402, "lost_card"),
            "not known": _at("created", {}, {"status": "processing"}, 202, "pending_ok"),
            "cancelled": _after("cancel", {}, CONFLICT),
            **_refused_when("authorized", "captured"),
        },
    ),
    _row(
        "PUT", "{id}/capture", **ACT,
        stage=_at("authorized", {"amount": 4_000}, {
            "status": "partly_captured", "captured": usd(4_000), "capturable": usd(6_000),
            "refundable": usd(4_000), "captured_at": given, "vendor_split.0.captured": usd(2_400),
        }),
        others={
            "all that is left": _at("authorized", {}, {"status": "captured", "captured": usd(10_000)}),
            "the last": _at("authorized", {"amount": 1, "final": True}, {"status": "captured",
                                                                      "capturable": usd(0)}),
            "too much": _at("authorized", {"amount": 10_001}, {
                "code": "capture_too_large", "param": "amount",
            }, 422),
            "declined": _at("authorized", {}, {"decline_code": "do_not_honor", "advice": given}, 402,
                            "capture_declined"),
            "not known": _at("authorized", {}, {"status": "processing"}, 202, "capture_late"),
            **_refused_when("created", "captured"),
        },
        bad=(({"amount": 0}, "amount"), ({"amount": "1"}, "amount"), ({"final": 1}, "final"), *NO_FIELDS),
    ),
    _row(
        "PUT", "{id}/complete", **ACT, bad=NO_FIELDS,
        stage=_at("captured", {}, {"status": "completed", "closed_at": given, "refundable": usd(10_000)}),
        others=_refused_when("created", "authorized"),
    ),
    _row(
        "PUT", "{id}/fail", **ACT,
        stage=_at("created", {"reason": "The customer left."}, {
            "status": "failed", "reason": "The customer left.", "closed_at": given,
        }),
        others={
            "cancelled": _after("cancel", {"reason": "r"}, CONFLICT),
            **_refused_when("authorized", "captured", body={"reason": "r"}),
        },
        bad=(({"reason": ""}, "reason"), ({"reason": None}, "reason"), ({"reason": "x" * 301}, "reason"),
             *NO_FIELDS),
    ),
    _row(
        "PUT", "{id}/cancel", **ACT,
        stage=_at("authorized", {"reason": "Out of stock."}, {
            "status": "cancelled", "reason": "Out of stock.", "closed_at": given, "capturable": usd(0),
        }),
        others={
            "before it is authorized": _at("created", {}, {"status": "cancelled"}),
            "not known": _at("authorized", {}, {"status": "processing"}, 202, "void_late"),
            "failed": _after("fail", {}, CONFLICT),
            **_refused_when("captured"),
        },
        bad=(({"reason": 7}, "reason"), *NO_FIELDS),
    ),
)  # fmt: skip
