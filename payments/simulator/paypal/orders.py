"""Orders: made, approved by their payer, completed once (authorized or captured), or given up."""

from typing import Any

from payments.simulator import objects
from payments.simulator.objects import Body, Record
from payments.simulator.paypal import amounts, books, captures
from payments.simulator.paypal.buyers import Buyer
from payments.simulator.paypal.desk import Desk, Done, iso
from payments.simulator.paypal.errors import PayPalRefused, error, missing

INTENTS = ("AUTHORIZE", "CAPTURE")
HOLD_SECONDS = 29 * 86_400
NEEDS_ACTION = "PAYER_ACTION_REQUIRED"
UNIT_TEXTS = {"custom_id": 127, "invoice_id": 127, "description": 127, "reference_id": 256}


def create(desk: Desk, params: Body) -> Done:
    """POST /v2/checkout/orders: one purchase unit, to be paid with a PayPal wallet."""
    if params.get("intent") not in INTENTS:
        raise PayPalRefused(400, "INVALID_PARAMETER_VALUE", "intent is CAPTURE or AUTHORIZE.")
    units = params.get("purchase_units")
    if not isinstance(units, list) or len(units) != 1 or not isinstance(units[0], dict):
        raise PayPalRefused(422, "UNSUPPORTED_INTENT", "The sandbox has orders of one purchase unit.")
    minor, currency = amounts.read(units[0].get("amount"))
    source = params.get("payment_source", {})
    wallet = source.get("paypal") if isinstance(source, dict) else None
    if not isinstance(wallet, dict):
        raise PayPalRefused(400, "NOT_SUPPORTED", "The sandbox has orders that a PayPal wallet pays.")
    if desk.plan.result == "decline":
        raise PayPalRefused(422, desk.plan.code)
    context = wallet.get("experience_context", {})
    unit: Body = {"reference_id": "default", **_texts(units[0])}
    unit |= {"amount": amounts.money(minor, currency), "payee": {"merchant_id": "SANDBOXMERCHANT"}}
    made = desk.make(
        "order", "", {"intent": params["intent"], "status": NEEDS_ACTION,
                      "payment_source": {"paypal": {}}, "purchase_units": [unit]},
        return_url=_address(context, "return_url"), cancel_url=_address(context, "cancel_url"), buyer="",
    )  # fmt: skip
    made.due_at = desk.now + desk.rules.order_seconds
    desk.save(made)
    return Done(201, shown(desk, made), made)


def show(desk: Desk, order_id: str, _params: Body) -> Done:
    """GET /v2/checkout/orders/{id}."""
    return Done(200, shown(desk, live(desk, order_id)))


def change(desk: Desk, order_id: str, params: Any) -> Done:
    """PATCH /v2/checkout/orders/{id}: the intent, while nothing is completed."""
    order = live(desk, order_id)
    if order.body["status"] == "COMPLETED":
        raise PayPalRefused(422, "ORDER_ALREADY_COMPLETED", "The order cannot be patched after completion.")
    for step in params if isinstance(params, list) else [{}]:
        told = step if isinstance(step, dict) else {}
        if (told.get("op"), told.get("path")) != ("replace", "/intent"):
            raise PayPalRefused(422, "NOT_PATCHABLE", "The sandbox patches the intent of an order.")
        if told.get("value") not in INTENTS:
            raise PayPalRefused(422, "UNSUPPORTED_PATCH_PARAMETER_VALUE", "No such intent.")
        order.body["intent"] = told["value"]
    desk.save(order)
    return Done(204, {})


def authorize(desk: Desk, order_id: str, _params: Body) -> Done:
    """POST …/authorize: reserve the amount of an approved order, once."""
    return _complete(desk, order_id, "AUTHORIZE")


def capture(desk: Desk, order_id: str, _params: Body) -> Done:
    """POST …/capture: take the amount of an approved order, once."""
    return _complete(desk, order_id, "CAPTURE")


def approve(desk: Desk, order: Record, buyer: Buyer) -> None:
    """What a payer's yes on the page does."""
    order.body["status"] = "APPROVED"
    order.private["buyer"] = buyer.name
    account = books.digest("buyer", buyer.name, length=13)
    name = {"given_name": buyer.name.replace("_", " ").title(), "surname": "Sandbox"}
    address = {"country_code": buyer.country}
    email = f"{buyer.name}@buyers.example"
    order.body["payment_source"] = {
        "paypal": {"email_address": email, "account_id": account, "account_status": "VERIFIED",
                   "name": name, "address": address}
    }  # fmt: skip
    order.body["payer"] = {"name": name, "email_address": email, "payer_id": account, "address": address}
    desk.save(order)
    desk.tell("CHECKOUT.ORDER.APPROVED", shown(desk, order))


def expire(desk: Desk, order: Record) -> None:
    """An order that was not completed in time is gone."""
    order.due_at = None
    order.private["is_gone"] = order.body["status"] != "COMPLETED"
    objects.put(desk.connection, order)


def live(desk: Desk, order_id: str) -> Record:
    """An order that is there.

    :raises PayPalRefused: there is none, or it is gone.
    """
    order = desk.get("order", order_id)
    if order.private.get("is_gone"):
        raise missing()
    return order


def shown(desk: Desk, order: Record) -> Body:
    """An order with its parts and links, as PayPal shows it."""
    unit = dict(order.body["purchase_units"][0])
    parts = {
        name: [record.body for record in objects.of_parent(desk.connection, kind, order.id)]
        for name, kind in (
            ("authorizations", "authorization"), ("captures", "capture"), ("refunds", "refund"),
        )
    }  # fmt: skip
    if any(parts.values()):
        unit["payments"] = {name: rows for name, rows in parts.items() if rows}
    path = f"/v2/checkout/orders/{order.id}"
    links = [desk.link(path, "self")]
    if order.body["status"] in ("CREATED", NEEDS_ACTION):
        links.append(desk.link(f"/checkoutnow?token={order.id}", "payer-action"))
    if order.body["status"] == "APPROVED":
        step = order.body["intent"].lower()
        links.append(desk.link(f"{path}/{step}", step, "POST"))
    return {**order.body, "purchase_units": [unit], "links": links}


def _complete(desk: Desk, order_id: str, intent: str) -> Done:
    order = live(desk, order_id)
    if order.body["status"] == "COMPLETED":
        done = "ORDER_ALREADY_CAPTURED" if intent == "CAPTURE" else "ORDER_ALREADY_AUTHORIZED"
        raise PayPalRefused(422, done, "The order is completed.")
    if order.body["intent"] != intent:
        raise PayPalRefused(422, "ACTION_DOES_NOT_MATCH_INTENT", "The order was made with another intent.")
    if order.body["status"] != "APPROVED":
        return Done(422, _act(desk, order, "ORDER_NOT_APPROVED", "Payer has not yet approved the order."))
    if desk.plan.result == "decline":
        raise PayPalRefused(422, desk.plan.code)
    if desk.plan.result == "challenge" and not order.private.get("acted_twice"):
        order.private["acted_twice"] = True
        order.body["status"] = NEEDS_ACTION
        desk.save(order)
        return Done(422, _act(desk, order, "PAYER_ACTION_REQUIRED", "The payer must return to PayPal."))
    order.body["status"], order.due_at = "COMPLETED", None
    desk.save(order)
    if intent == "AUTHORIZE":
        _reserve(desk, order)
    else:
        minor, currency = amounts.read(order.body["purchase_units"][0]["amount"])
        invoice = str(order.body["purchase_units"][0].get("invoice_id", ""))
        captures.make(desk, order, minor, currency, invoice_id=invoice, is_final=True)
    return Done(201, shown(desk, order), order)


def _reserve(desk: Desk, order: Record) -> None:
    unit = order.body["purchase_units"][0]
    is_pending = desk.plan.result.startswith("pending_then")
    later = {"pending_then_ok": "CREATED", "pending_then_fail": "DENIED"}.get(desk.plan.result, "")
    body: Body = {
        "status": "PENDING" if is_pending else "CREATED",
        "amount": unit["amount"],
        "custom_id": unit.get("custom_id", ""),
        "invoice_id": unit.get("invoice_id", ""),
        "expiration_time": iso(desk.now + HOLD_SECONDS),
        "supplementary_data": {"related_ids": {"order_id": order.id}},
    }
    if is_pending:
        body["status_details"] = {"reason": "PENDING_REVIEW"}
    made = desk.make("authorization", order.id, body, later=later)
    made.body["links"] = [desk.link(f"/v2/payments/authorizations/{made.id}", "self")]
    made.due_at = desk.now + desk.rules.pending_seconds if is_pending else None
    desk.save(made)
    if not is_pending:
        desk.tell("PAYMENT.AUTHORIZATION.CREATED", made.body)


def conclude_authorization(desk: Desk, authorization: Record) -> None:
    """End a review."""
    authorization.due_at = None
    authorization.body["status"] = authorization.private["later"]
    authorization.body.pop("status_details", None)
    desk.save(authorization)
    desk.tell(f"PAYMENT.AUTHORIZATION.{authorization.body['status']}", authorization.body)


def _act(desk: Desk, order: Record, issue: str, words: str) -> Body:
    return error(422, issue, words, [desk.link(f"/checkoutnow?token={order.id}", "payer-action")])


def _texts(told: Body) -> Body:
    for name, most in UNIT_TEXTS.items():
        if name in told and not (isinstance(told[name], str) and 0 < len(told[name]) <= most):
            raise PayPalRefused(400, "INVALID_STRING_LENGTH", f"{name} has 1 to {most} characters.")
    return {name: told[name] for name in UNIT_TEXTS if name in told}


def _address(context: Any, name: str) -> str:
    found = context.get(name, "") if isinstance(context, dict) else ""
    if found and not str(found).startswith(("https://", "http://")):
        raise PayPalRefused(400, "INVALID_PARAMETER_SYNTAX", f"{name} is a web address.")
    return str(found)
