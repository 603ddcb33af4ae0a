"""Controller 3 of the contract: payment transactions, each one vendor's share of a payment."""

from typing import Any

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

CONTROLLER = "PaymentTransactionController"
SHARES = "/api/v1/payments/"
READ, WRITE = "payments:read", "payments:write"
LISTED: dict[str, Any] = {
    "keeps": (*PERIOD_KEEPS, *MONEY_KEEPS, "status=pending"),
    "drops": (*PERIOD_DROPS, *MONEY_DROPS, "status=captured"),
    "wrong": (*PERIOD_WRONG, *MONEY_WRONG, "status=paid"),
}
MISSING: dict[str, Any] = {"missing": "payment_transaction_not_found"}


def _recorded(scene: Scene, step: str = "created", amount: int = 6_000, **more: Any) -> Call:
    paid = getattr(scene.shop, step)()
    told = {
        "id": like("ptx_"), "status": "pending", "payment_id": paid["id"], "payment_number": paid["number"],
        "order_id": paid["order_id"], "customer_id": paid["customer_id"], "vendor_id": scene.ada.public_id,
        "amount": usd(6_000), "captured": usd(0), "net": usd(0), "disputed": usd(0), "created_at": given,
        "commission.rate_bps": 1_000, "commission.total": usd(600), "provider": "velocitypay",
        "gateway_reference": None, "closed_at": None,
    }  # fmt: skip
    body = {"payment_id": paid["id"], "vendor_id": scene.ada.public_id, "amount": amount}
    return Call(body=body, status=201, says=more or told)


def _not_recorded(status: int, code: str, param: str, **options: Any) -> Stage:
    def stage(scene: Scene) -> Call:
        call = _recorded(scene, **options)
        return Call(body=call.body, status=status, says={"code": code, "param": param})

    return stage


def _second(scene: Scene) -> Call:
    call = _recorded(scene)
    scene.shop.client.post(SHARES, {**call.body, "amount": 1})
    return Call(body=call.body, status=409, says={"code": "share_exists", "param": "vendor_id"})


def _share(paid: dict[str, Any]) -> dict[str, str]:
    return {"id": paid["vendor_split"][0]["id"]}


def _one(scene: Scene) -> Call:
    paid = scene.sold()
    told = {
        "status": "captured", "captured": usd(6_000), "refundable": usd(6_000), "net": usd(5_400),
        "commission.captured": usd(600), "gateway_reference": paid["provider_reference"],
        "captured_at": given,
    }  # fmt: skip
    return Call(_share(paid), says=told)


def _refunded(scene: Scene) -> Call:
    paid = scene.sold()
    scene.shop.refunded(
        paid, amount=1_000, vendor_split=[{"transaction_id": _share(paid)["id"], "amount": 1_000}]
    )
    told = {
        "refunded": usd(1_000),
        "refundable": usd(5_000),
        "commission.given_back": usd(100),
        "net": usd(4_500),
    }
    return Call(_share(paid), says=told)


def _list(name: str, **options: str) -> Stage:
    def stage(scene: Scene) -> Call:
        found = []
        for _ in range(2):
            paid = scene.sold("created", **options)
            found.append(_share(paid)["id"])
        names = {"orderId": "order-c3", "customerId": "carla-c3", "vendorId": scene.ada.public_id}
        return Call({name: names[name]}, rows=found[::-1])

    return stage


def _behind(scene: Scene) -> Call:
    vendors = (scene.ada, scene.bruno)
    lines = [{"vendor_id": vendor.public_id, "amount": 1_000} for vendor in vendors]
    paid = scene.sold("authorized", vendor_split=lines)
    rows = sorted((line["id"] for line in paid["vendor_split"]), reverse=True)
    return Call({"transactionId": paid["provider_reference"]}, rows=rows)


def _done(step: str, says: dict[str, Any], status: int = 200, reference: str = "") -> Stage:
    def stage(scene: Scene) -> Call:
        paid = scene.sold(step)
        body = {"gateway_reference": reference or paid["provider_reference"]}
        return Call(_share(paid), body, status, says)

    return stage


def _failed(step: str, says: dict[str, Any], status: int = 200) -> Stage:
    def stage(scene: Scene) -> Call:
        return Call(_share(scene.sold(step)), {"reason": "Ada cannot deliver."}, status, says)

    return stage


def _given_back(
    body: Any, says: dict[str, Any], status: int = 201, card: str = "visa", step: str = "captured"
) -> Stage:
    def stage(scene: Scene) -> Call:
        return Call(_share(scene.sold(step, card)), body, status, says)

    return stage


def _above_the_limit(scene: Scene) -> Call:
    scene.northwind.refund_approval_above = {"USD": 999}
    scene.northwind.save()
    told = {"object": "refund", "status": "requested", "approved_at": None}
    return Call(_share(scene.sold()), {"amount": 1_000}, 202, told)


def _named_before(scene: Scene) -> Call:
    paid = scene.sold()
    scene.shop.refund_asked(paid, amount=1, merchant_reference="back-3")
    told = {"code": "merchant_reference_taken", "param": "merchant_reference"}
    return Call(_share(paid), {"merchant_reference": "back-3"}, 409, told)


def _row(method: str, path: str, scope: str, stage: Stage, **more: Any) -> Row:
    return Row(CONTROLLER, method, SHARES + path, scope, stage, **more)


BACK = {"object": "refund", "number": like("REF-20"), "status": "completed", "provider_reference": given}
CONFLICT = {"code": "state_conflict", "advice": given}

ROWS = (
    _row(
        "POST", "", WRITE, _recorded, key="required",
        others={
            "more than the payment": _not_recorded(422, "allocation_too_large", "amount", amount=10_001),
            "a second of the vendor": _second,
            "authorized": _not_recorded(409, "payment_closed_to_shares", "payment_id", step="authorized"),
            "captured": _not_recorded(409, "payment_closed_to_shares", "payment_id", step="captured"),
        },
        bad=(
            ({"payment_id": "x"}, "payment_id"), ({"vendor_id": 1}, "vendor_id"), ({"amount": 0}, "amount"),
            ({"amount": 1.5}, "amount"), ({"colour": "red"}, "colour"),
        ),
    ),
    _row("GET", "{id}", READ, _one, others={"refunded in part": _refunded}, **MISSING),
    _row("GET", "transaction/{transactionId}", READ, _behind, missing="payment_not_found", **LISTED),
    _row("GET", "order/{orderId}", READ, _list("orderId", order_id="order-c3"), **LISTED),
    _row("GET", "customer/{customerId}", READ, _list("customerId", customer_id="carla-c3"), **LISTED),
    _row("GET", "vendor/{vendorId}", READ, _list("vendorId"), missing="vendor_not_found", **LISTED),
    _row(
        "PUT", "{id}/complete", WRITE, key="accepted", **MISSING,
        stage=_done("captured", {"status": "completed", "closed_at": given, "gateway_reference": given}),
        others={
            "not captured": _done("authorized", CONFLICT, 409),
            "a reference that nobody gave": _done("captured", {
                "code": "gateway_reference_unknown", "param": "gateway_reference",
            }, 409, "auth_nobody"),
        },
        bad=(({"gateway_reference": ""}, "gateway_reference"), ({"colour": "red"}, "colour")),
    ),
    _row(
        "PUT", "{id}/fail", WRITE, key="accepted", **MISSING,
        stage=_failed("created", {"status": "failed", "reason": "Ada cannot deliver.", "closed_at": given}),
        others={"captured": _failed("captured", CONFLICT, 409)},
        bad=(({"reason": ""}, "reason"), ({"reason": None}, "reason"), ({"colour": "red"}, "colour")),
    ),
    _row(
        "POST", "{id}/refund", "refunds:write", key="required", **MISSING,
        stage=_given_back({"amount": 1_000, "reason": "torn", "merchant_reference": "back-1"}, {
            **BACK, "amount": usd(1_000), "reason": "torn", "merchant_reference": "back-1",
            "vendor_split.0.amount": usd(1_000), "vendor_split.0.commission_back": usd(100),
        }),
        others={
            "all of it": _given_back({}, {**BACK, "amount": usd(6_000)}),
            "above the limit": _above_the_limit, "named before": _named_before,
            "too much": _given_back({"amount": 6_001}, {"code": "refund_too_large", "param": "amount"}, 422),
            "refused": _given_back({}, {"code": "refund_declined", "advice": given,
                                        "refund.status": "failed", "refund.failure.code": given},
                                   402, "refund_fails"),
            "not known": _given_back({}, {"status": "processing"}, 202, "refund_pending_ok"),
            "not captured": _given_back({}, {"code": "payment_not_refundable"}, 409, step="authorized"),
        },
        bad=(
            ({"amount": 0}, "amount"), ({"amount": "1"}, "amount"), ({"reason": 1}, "reason"),
            ({"metadata": {"a": 1}}, "metadata"), ({"colour": "red"}, "colour"),
        ),
    ),
)  # fmt: skip
