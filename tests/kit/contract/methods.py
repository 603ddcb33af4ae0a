"""Controller 2 of the contract: payment methods."""

from typing import Any

from tests.kit import cards
from tests.kit.contract import Call, Row, Scene, Stage, given, like

CONTROLLER = "PaymentMethodController"
METHODS = "/api/v1/payment-methods/"
READ, WRITE = "payment-methods:read", "payment-methods:write"


def _body(scene: Scene, **more: Any) -> dict[str, Any]:
    return scene.till.body(encrypted=scene.till.encrypted(), **more)


def _added(scene: Scene) -> Call:
    typed = cards.card()
    told = {
        "id": like("pm_"), "status": "unverified", "type": "card", "default": True, "token": like("tok_"),
        "fingerprint": like("fpr_"), "brand": "visa", "last4": typed["number"][-4:],
        "expiry": {"month": 12, "year": 2040}, "expired": False, "holder": "Carla Jung",
        "customer_id": scene.till.customer, "verification.verified_at": None, "created_at": given,
        "metadata": {"door": "7"}, "removed_at": None,
    }  # fmt: skip
    body = scene.till.body(encrypted=scene.till.encrypted(typed), metadata={"door": "7"})
    return Call(body=body, status=201, says=told)


def _added_and_verified(scene: Scene) -> Call:
    told = {"status": "verified", "verification.method": "zero_amount", "verification.verified_at": given}
    return Call(body=_body(scene, verify=True), status=201, says=told)


def _bank_account(scene: Scene) -> Call:
    body = scene.till.body(type="sepa", details={"holder": "Carla", "iban": "DE89370400440532013000"})
    told = {"type": "sepa", "last4": "3000", "country": "DE", "institution": given, "expiry": None}
    return Call(body=body, status=201, says=told)


def _wallet(scene: Scene) -> Call:
    token = {"provider": "velocitypay", "token": "vpt_wallet", "wallet": "apple_pay", "last4": "4242"}
    body = scene.till.body(type="digital_wallet", provider_token=token)
    told = {"type": "digital_wallet", "institution": "apple_pay", "token": None, "last4": "4242"}
    return Call(body=body, status=201, says=told)


def _given(code: str, param: str, **more: Any) -> Stage:
    def stage(scene: Scene) -> Call:
        return Call(body=scene.till.body(**more), status=422, says={"code": code, "param": param})

    return stage


def _one(scene: Scene) -> Call:
    made = scene.till.card()
    return Call({"id": made["id"]}, says=made)


def _removed(scene: Scene) -> Call:
    made = scene.till.card()
    scene.till.client.send("DELETE", METHODS + made["id"], key=None)
    told = {"status": "removed", "token": None, "holder": None, "removed_at": given, "last4": made["last4"]}
    return Call({"id": made["id"]}, says=told)


def _all(scene: Scene) -> Call:
    made = [scene.till.card(), scene.till.account()]
    return Call({"customerId": scene.till.customer}, rows=[row["id"] for row in made[::-1]])


def _active(scene: Scene) -> Call:
    made = [scene.till.card(verify=True) for _ in range(2)]
    scene.till.card()
    scene.till.card(cards.card(number="4000000000000002"), verify=True)
    return Call({"customerId": scene.till.customer}, rows=[row["id"] for row in made[::-1]])


def _default(scene: Scene) -> Call:
    made = scene.till.card()
    scene.till.account()
    return Call({"customerId": scene.till.customer}, says={"id": made["id"], "default": True})


def _of_type(word: str, kind: str) -> Stage:
    def stage(scene: Scene) -> Call:
        made = [getattr(scene.till, kind)() for _ in range(2)]
        (scene.till.account if kind == "card" else scene.till.card)()
        names = {"customerId": scene.till.customer, "methodType": word}
        return Call(names, rows=[row["id"] for row in made[::-1]])

    return stage


def _no_such_type(scene: Scene) -> Call:
    names = {"customerId": scene.till.customer, "methodType": "gold"}
    return Call(names, status=400, says={"param": "method_type", "detail": given})


def _made_default(scene: Scene) -> Call:
    scene.till.card()
    return Call({"id": scene.till.card()["id"]}, {}, says={"default": True})


def _failed_default(scene: Scene) -> Call:
    scene.till.card()
    made = scene.till.account()
    path = f"{made['id']}/verification-status"
    scene.till.put(path, {"status": "failed", "reason": "unknown"})
    return Call({"id": made["id"]}, {}, 409, {"code": "state_conflict"})


def _gone(body: Any) -> Stage:
    def stage(scene: Scene) -> Call:
        return Call(_removed(scene).names, body, 409, {"code": "state_conflict"})

    return stage


def _judged(kind: str, body: Any, says: dict[str, Any], status: int = 200, **options: Any) -> Stage:
    def stage(scene: Scene) -> Call:
        return Call({"id": getattr(scene.till, kind)(**options)["id"]}, body, status, says)

    return stage


def _taken_away(scene: Scene) -> Call:
    other, made = scene.till.account(), scene.till.card(default=True)
    assert other["default"]
    told = {"status": "removed", "token": None, "holder": None, "default": False, "removed_at": given}
    return Call({"id": made["id"]}, says=told)


def _row(method: str, path: str, scope: str, stage: Stage, **more: Any) -> Row:
    return Row(CONTROLLER, method, METHODS + path, scope, stage, **more)


MISSING: dict[str, Any] = {"missing": "payment_method_not_found"}
IBAN = {"iban": "DE00370400440532013000", "holder": "C"}
ACH = {"routing_number": "111111111", "account_number": "1", "account_type": "checking", "holder": "C"}
CLEAR = {"holder": "4242424242424242"}

ROWS = (
    _row(
        "POST", "", WRITE, _added, key="required",
        others={
            "verified at once": _added_and_verified, "bank account": _bank_account, "wallet": _wallet,
            "an IBAN with wrong digits": _given("iban_invalid", "details.iban", type="sepa", details=IBAN),
            "a routing number with wrong digits": _given(
                "routing_number_invalid", "details.routing_number", type="ach", details=ACH
            ),
            "in no way": _given("payment_method_given_twice_or_not", "encrypted"),
            "a card in clear": _given("card_details_must_be_encrypted", "details", details={"holder": "C"}),
            "not encrypted for us": _given("encrypted_details_invalid", "encrypted", encrypted="ev1.x.y.z.w"),
        },
        bad=(
            ({"customer_id": ""}, "customer_id"), ({"type": "gold"}, "type"), ({"encrypted": 7}, "encrypted"),
            ({"default": "yes"}, "default"), ({"verify": 1}, "verify"), ({"metadata": []}, "metadata"),
            ({"colour": "red"}, "colour"), ({"details": {"number": "x"}}, "details.number"),
            ({"provider_token": {"provider": "VP", "token": "t"}}, "provider_token.provider"),
        ),
    ),
    _row("GET", "{id}", READ, _one, others={"removed": _removed}, **MISSING),
    _row("GET", "customer/{customerId}", READ, _all),
    _row("GET", "customer/{customerId}/active", READ, _active),
    _row("GET", "customer/{customerId}/default", READ, _default, missing="payment_method_no_default"),
    _row(
        "GET", "customer/{customerId}/type/{methodType}", READ, _of_type("card", "card"),
        others={"banks": _of_type("bank", "account"), "no such type": _no_such_type},
    ),
    _row(
        "PUT", "{id}/set-default", WRITE, _made_default, key="accepted", bad=(({"colour": "red"}, "colour"),),
        others={"failed": _failed_default, "removed": _gone({})}, **MISSING,
    ),
    _row(
        "PUT", "{id}/verification-status", WRITE, key="accepted", **MISSING,
        stage=_judged("account", {"status": "verified", "reason": "saw a statement"}, {
            "status": "verified", "verification.method": "merchant", "verification.verified_at": given,
        }),
        others={
            "asks the bank": _judged("card", {"status": "pending"}, {
                "status": "verified", "verification.method": "zero_amount",
            }),
            "deposits": _judged("account", {"status": "pending", "verification": "micro_deposits"}, {
                "status": "pending", "verification.method": "micro_deposits",
            }),
            "failed": _judged("card", {"status": "failed", "reason": "stolen"}, {
                "status": "failed", "verification.reason": "stolen",
            }),
            "a card's bank alone says": _judged("card", {"status": "verified", "reason": "I know"}, {
                "code": "verification_needs_provider",
            }, 409),
            "without a reason": _judged("account", {"status": "verified"}, {
                "code": "reason_missing", "param": "reason",
            }, 422),
            "verified before": _judged("card", {"status": "pending"}, {"code": "state_conflict"}, 409,
                                       verify=True),
            "removed": _gone({"status": "failed", "reason": "r"}),
        },
        bad=(
            ({"status": "good"}, "status"), ({"verification": "smile"}, "verification"),
            ({"amounts": [1]}, "amounts"), ({"amounts": [0, 100]}, "amounts.0"), ({"reason": 1}, "reason"),
            ({"colour": "red"}, "colour"),
        ),
    ),
    _row("DELETE", "{id}", WRITE, _taken_away, others={"removed before": _removed}, **MISSING),
)  # fmt: skip
