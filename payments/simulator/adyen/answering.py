"""How Adyen's answers leave: whole, bent by a fault, or in place of the effect."""

import dataclasses
import json

from payments.simulator import answers
from payments.simulator.adyen.desk import Done
from payments.simulator.adyen.errors import IN_PROGRESS, AdyenRefused, error
from payments.simulator.answers import Answer
from payments.simulator.faults import Plan
from payments.simulator.objects import Body

PLAIN = ("reset_after", "truncated_json", "trickle", "many_headers", "html_200", "huge", "gzip_bomb")
BUSY = "Request already processed or in progress"


def of(done: Done, key: str = "") -> Answer:
    """An ordinary answer; one to a request with a key repeats the key."""
    headers = (("idempotency-key", key),) if key else ()
    return Answer(done.status, done.body, headers=headers)


def refusal(refused: AdyenRefused) -> Answer:
    """The answer of a request that was refused; nothing is kept under its key."""
    headers = [("retry-after", refused.retry_after)] if refused.retry_after else []
    if refused.code == IN_PROGRESS:
        headers.append(("transient-error", "true"))
    return Answer(refused.status, refused.as_body(), headers=tuple(headers))


def before(plan: Plan, late_seconds: float) -> tuple[float, AdyenRefused]:
    """What a request meets that is not carried out: how long it waits, and its refusal."""
    seconds = f"{plan.seconds:g}"
    wait = late_seconds if plan.before == "timeout_before" else 0.0
    found = {
        "timeout_before": AdyenRefused(504, "", "Gateway timeout", kind="internal"),
        "unavailable": AdyenRefused(503, "", "Unavailable", kind="internal", retry_after=seconds),
        "429": AdyenRefused(429, "", "Too many requests", kind="security", retry_after=seconds),
        "401": AdyenRefused(401, "000", "HTTP Status Response - Unauthorized", kind="security"),
        "400": AdyenRefused(400, "702", "Required fields are not provided"),
    }.get(plan.before)
    return wait, found or AdyenRefused(500, "905", "Internal error", kind="internal")


def after(plan: Plan, done: Done, late_seconds: float, key: str) -> tuple[float, Answer]:
    """How long the answer of a request that was carried out waits, and how it looks."""
    if plan.after == "500_after":
        return 0.0, Answer(500, error(500, "905", "Internal error", "internal"))
    if plan.after == "409_after":
        return 0.0, refusal(AdyenRefused(422, IN_PROGRESS, BUSY))
    if plan.after == "timeout_after":
        return late_seconds, of(done, key)
    if plan.after == "slow":
        return plan.seconds, of(done, key)
    if plan.after in PLAIN:
        return 0.0, dataclasses.replace(answers.after(plan, done.body, late_seconds), status=200)
    return 0.0, of(Done(done.status, _bent(plan, done.body)), key)


def _bent(plan: Plan, body: Body) -> Body:
    bent: Body = json.loads(json.dumps(body))
    amount = bent.get("amount")
    match plan.after:
        case "wrong_amount" if isinstance(amount, dict):
            amount["value"] += 1
        case "wrong_currency" if isinstance(amount, dict):
            amount["currency"] = "XPF" if amount["currency"] != "XPF" else "USD"
        case "wrong_reference":
            bent |= {"reference": "someone-elses", "merchantReference": "someone-elses"}
        case "unlisted_status":
            bent |= {"resultCode": "UnderConsideration"} if "resultCode" in bent else {"status": "considered"}
    return bent
