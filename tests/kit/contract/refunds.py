"""Controller 4 of the contract: refunds."""

from typing import Any

from ledger import clock
from ledger.actors import SYSTEM
from ledger.ids import parse
from payments.services.refunds import requesting_refunds
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
from tests.kit.shop import good

CONTROLLER = "RefundController"
REFUNDS = "/api/v1/refunds/"
READ, WRITE = "refunds:read", "refunds:write"
PERIOD: dict[str, Any] = {
    "keeps": (*PERIOD_KEEPS, *MONEY_KEEPS),
    "drops": (*PERIOD_DROPS, *MONEY_DROPS),
    "wrong": (*PERIOD_WRONG, *MONEY_WRONG),
}
LISTED: dict[str, Any] = {
    "keeps": (*PERIOD["keeps"], "status=approved"),
    "drops": (*PERIOD["drops"], "status=completed"),
    "wrong": (*PERIOD["wrong"], "status=paid"),
}
MISSING: dict[str, Any] = {"missing": "refund_not_found"}


def _wanted(scene: Scene) -> Call:
    paid = scene.sold()
    share = paid["vendor_split"][0]["id"]
    body = {
        "payment_id": paid["id"], "amount": 1_000, "reason": "torn", "merchant_reference": "back-4",
        "metadata": {"ticket": "9"}, "vendor_split": [{"transaction_id": share, "amount": 1_000}],
    }  # fmt: skip
    told = {
        "id": like("ref_"), "number": like("REF-20"), "status": "approved", "amount": usd(1_000),
        "payment_id": paid["id"], "payment_number": paid["number"], "order_id": paid["order_id"],
        "customer_id": paid["customer_id"], "reason": "torn", "merchant_reference": "back-4",
        "metadata": {"ticket": "9"}, "vendor_split.0.transaction_id": share, "created_at": given,
        "approved_at": given, "processed_at": None, "closed_at": None, "failure": None,
    }  # fmt: skip
    return Call(body=body, status=201, says=told)


def _asked(says: dict[str, Any], status: int, step: str = "captured", **more: Any) -> Stage:
    def stage(scene: Scene) -> Call:
        return Call(body={"payment_id": scene.sold(step)["id"], **more}, status=status, says=says)

    return stage


def _limited(scene: Scene) -> dict[str, Any]:
    scene.northwind.refund_approval_above = {"USD": 999}
    scene.northwind.save()
    return scene.sold()


def _above_the_limit(scene: Scene) -> Call:
    told = {"status": "requested", "approved_at": None}
    return Call(body={"payment_id": _limited(scene)["id"]}, status=201, says=told)


def _named_before(scene: Scene) -> Call:
    paid = scene.sold()
    scene.shop.refund_asked(paid, amount=1, merchant_reference="back-5")
    body = {"payment_id": paid["id"], "merchant_reference": "back-5"}
    return Call(
        body=body, status=409, says={"code": "merchant_reference_taken", "param": "merchant_reference"}
    )


def _strange_share(scene: Scene) -> Call:
    other = scene.sold()["vendor_split"][0]["id"]
    body = {"payment_id": scene.sold()["id"], "vendor_split": [{"transaction_id": other, "amount": 1}]}
    return Call(body=body, status=422, says={"code": "refund_split_invalid", "param": "vendor_split"})


def _share_twice(scene: Scene) -> Call:
    paid = scene.sold()
    line = {"transaction_id": paid["vendor_split"][0]["id"], "amount": 1}
    body = {"payment_id": paid["id"], "vendor_split": [line, line]}
    return Call(body=body, status=400, says={"param": "vendor_split"})


def _made(scene: Scene, card: str = "visa") -> dict[str, Any]:
    return scene.shop.refund_asked(scene.sold("captured", card), amount=1_000)


def _one(by: str, name: str) -> Stage:
    def stage(scene: Scene) -> Call:
        made = _made(scene)
        return Call({name: made[by]}, says=made)

    return stage


def _rejected(scene: Scene) -> Call:
    made = scene.shop.refund_asked(_limited(scene))
    requesting_refunds.reject(
        merchant_id=scene.northwind.pk, refund_id=parse("ref", made["id"]), reason="Not torn at all.",
        actor=SYSTEM, at=clock.now(),
    )  # fmt: skip
    told = {
        "status": "rejected", "decision_reason": "Not torn at all.", "approved_at": None, "closed_at": given,
    }  # fmt: skip
    return Call({"id": made["id"]}, says=told)


def _list(name: str, by: str) -> Stage:
    def stage(scene: Scene) -> Call:
        paid = scene.sold()
        made = [scene.shop.refund_asked(paid, amount=100) for _ in range(2)]
        scene.shop.client.post(f"{REFUNDS}{_made(scene)['id']}/fail", {"reason": "kept"})
        return Call({name: made[0][by]}, rows=[row["id"] for row in made[::-1]])

    return stage


def _at(card: str, says: dict[str, Any], status: int = 200, body: Any = None) -> Stage:
    def stage(scene: Scene) -> Call:
        return Call({"id": _made(scene, card)["id"]}, {} if body is None else body, status, says)

    return stage


def _ended(says: dict[str, Any], status: int = 409, body: Any = None, card: str = "visa") -> Stage:
    """After the refund was processed."""

    def stage(scene: Scene) -> Call:
        made = _made(scene, card)
        scene.shop.client.post(f"{REFUNDS}{made['id']}/process")
        return Call({"id": made["id"]}, {} if body is None else body, status, says)

    return stage


def _under_way(scene: Scene) -> Call:
    """After the network took the refund and for long said no more."""
    made = _made(scene)
    scene.shop.network.script("pending_then_ok:600", operation="refund")
    good(scene.shop.client.post(f"{REFUNDS}{made['id']}/process"), 202)
    return Call({"id": made["id"]}, KEPT, 409, {"code": "refund_under_way"})


def _waits(scene: Scene) -> Call:
    made = scene.shop.refund_asked(_limited(scene))
    return Call({"id": made["id"]}, {}, 409, {"code": "refund_awaits_approval", "advice": given})


def _row(method: str, path: str, scope: str, stage: Stage, **more: Any) -> Row:
    return Row(CONTROLLER, method, REFUNDS + path, scope, stage, **more)


DONE = {
    "status": "completed", "provider_reference": given, "processed_at": given, "closed_at": given,
    "vendor_split.0.commission_back": usd(60),
}  # fmt: skip
KEPT = {"reason": "The customer keeps the scarf."}

ROWS = (
    _row(
        "POST", "", WRITE, _wanted, key="required",
        others={
            "above the limit": _above_the_limit,
            "too much": _asked({"code": "refund_too_large", "param": "amount"}, 422, amount=10_001),
            "not captured": _asked({"code": "payment_not_refundable", "param": "payment_id"}, 409,
                                   "authorized"),
            "named before": _named_before, "another's share": _strange_share, "a share twice": _share_twice,
        },
        bad=(
            ({"payment_id": "pay_1"}, "payment_id"), ({"amount": 0}, "amount"), ({"reason": ""}, "reason"),
            ({"amount": "10"}, "amount"), ({"metadata": 1}, "metadata"), ({"colour": "red"}, "colour"),
            ({"vendor_split": [{"transaction_id": "x", "amount": 1}]}, "vendor_split.0.transaction_id"),
            ({"merchant_reference": "x" * 101}, "merchant_reference"),
        ),
    ),
    _row("GET", "{id}", READ, _one("id", "id"), others={"rejected": _rejected}, **MISSING),
    _row("GET", "refund-number/{refundNumber}", READ, _one("number", "refundNumber"), **MISSING),
    _row("GET", "payment/{paymentId}", READ, _list("paymentId", "payment_id"), missing="payment_not_found",
         **LISTED),
    _row("GET", "order/{orderId}", READ, _list("orderId", "order_id"), **LISTED),
    _row(
        "GET", "status/{status}", READ, _list("status", "status"), **PERIOD,
        others={"no such": lambda _: Call({"status": "paid"}, status=400, says={"param": "status"})},
    ),
    _row(
        "POST", "{id}/process", WRITE, _at("visa", DONE), key="required", **MISSING,
        others={
            "refused": _at("refund_fails", {"code": "refund_declined", "decline_code": given,
                                            "advice": given, "refund.status": "failed"}, 402),
            "not known": _at("refund_pending_ok", {"status": "processing", "processed_at": given,
                                             "closed_at": None}, 202),
            "waits for a second person": _waits,
            "completed": _ended({"code": "state_conflict"}),
        },
        bad=(({"colour": "red"}, "colour"),),
    ),
    _row(
        "POST", "{id}/complete", WRITE, _ended(DONE, 200, card="refund_late"), key="accepted", **MISSING,
        others={"not processed": _at("visa", {"code": "refund_not_completed_at_provider"}, 409)},
        bad=(({"colour": "red"}, "colour"),),
    ),
    _row(
        "POST", "{id}/fail", WRITE, key="accepted", **MISSING,
        stage=_at("visa", {"status": "failed", "failure.code": "failed_by_merchant",
                           "failure.message": KEPT["reason"], "closed_at": given}, body=KEPT),
        others={
            "completed": _ended({"code": "refund_already_completed"}, body=KEPT),
            "under way": _under_way,
        },
        bad=(({"reason": ""}, "reason"), ({"reason": None}, "reason"), ({"colour": "red"}, "colour")),
    ),
)  # fmt: skip
