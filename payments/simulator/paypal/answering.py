"""How PayPal's answers leave: whole, bent by a fault, or in place of the effect."""

import copy
import dataclasses
from typing import Any

from payments.simulator import answers
from payments.simulator.answers import Answer
from payments.simulator.faults import Plan
from payments.simulator.objects import Body
from payments.simulator.paypal.errors import PayPalRefused, error

PLAIN = ("reset_after", "truncated_json", "trickle", "many_headers", "html_200", "huge", "gzip_bomb")
BROKEN = error(500, "INTERNAL_SERVER_ERROR", "An internal server error has occurred.")


def refusal(refused: PayPalRefused) -> Answer:
    """The answer of a request that was refused; nothing is kept under its key."""
    headers = (("retry-after", refused.retry_after),) if refused.retry_after else ()
    return Answer(refused.status, refused.as_body(), headers=headers)


def before(plan: Plan, late_seconds: float) -> tuple[float, PayPalRefused]:
    """What a request meets that is not carried out: how long it waits, and its refusal."""
    seconds = f"{plan.seconds:g}"
    wait = late_seconds if plan.before == "timeout_before" else 0.0
    found = {
        "timeout_before": PayPalRefused(504, "GATEWAY_TIMEOUT"),
        "unavailable": PayPalRefused(503, "SERVICE_UNAVAILABLE", retry_after=seconds),
        "429": PayPalRefused(429, "RATE_LIMIT_REACHED", retry_after=seconds),
        "401": PayPalRefused(401, "INVALID_TOKEN"),
        "400": PayPalRefused(400, "INVALID_PARAMETER_VALUE"),
    }.get(plan.before)
    return wait, found or PayPalRefused(500, "INTERNAL_SERVER_ERROR")


def after(plan: Plan, status: int, body: Body, late_seconds: float) -> tuple[float, Answer]:
    """How long the answer of a request that was carried out waits, and how it looks."""
    if plan.after == "500_after":
        return 0.0, Answer(500, BROKEN)
    if plan.after == "409_after":
        words = "A previous request on this resource is currently in progress."
        return 0.0, Answer(409, error(409, "PREVIOUS_REQUEST_IN_PROGRESS", words))
    if plan.after in PLAIN:
        return 0.0, dataclasses.replace(answers.after(plan, body, late_seconds), status=status)
    wait = late_seconds if plan.after == "timeout_after" else plan.seconds if plan.after == "slow" else 0.0
    return wait, Answer(status, _bent(plan, body))


def _bent(plan: Plan, body: Body) -> Body:
    if plan.after not in ("wrong_amount", "wrong_currency", "wrong_reference", "unlisted_status"):
        return body
    bent: dict[str, Any] = copy.deepcopy(body)
    main = _main(bent)
    match plan.after:
        case "wrong_amount" if "amount" in main:
            whole, dot, part = main["amount"]["value"].partition(".")
            main["amount"]["value"] = f"{int(whole) + 1}{dot}{part}"
        case "wrong_currency" if "amount" in main:
            main["amount"]["currency_code"] = "EUR" if main["amount"]["currency_code"] != "EUR" else "USD"
        case "wrong_reference":
            unit = bent["purchase_units"][0] if "purchase_units" in bent else bent
            unit |= {"custom_id": "op_someone-elses", "invoice_id": "op_someone-elses"}
        case "unlisted_status":
            target = main if "id" in main else bent
            target["status"] = "UNDER_CONSIDERATION"
    return bent


def _main(body: dict[str, Any]) -> dict[str, Any]:
    """What an answer is about: the part of a completed order, the unit of another, else the object itself."""
    if "purchase_units" not in body:
        return body
    unit: dict[str, Any] = body["purchase_units"][0]
    payments = unit.get("payments", {})
    rows: list[dict[str, Any]] = payments.get("captures") or payments.get("authorizations") or [unit]
    return rows[0]
