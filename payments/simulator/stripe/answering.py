"""How Stripe's answers leave: whole, bent by a fault, or in place of the effect; each has a Request-Id."""

import dataclasses
import json

from payments.simulator import answers
from payments.simulator.answers import Answer
from payments.simulator.faults import Plan
from payments.simulator.objects import Body
from payments.simulator.stripe.desk import Done
from payments.simulator.stripe.errors import StripeRefused, error

PLAIN = ("reset_after", "truncated_json", "trickle", "many_headers", "html_200", "huge", "gzip_bomb")
BROKEN = error("api_error", "", "Something went wrong on our end.")


def of(done: Done, request_id: str, *, replayed_from: str = "") -> Answer:
    """An ordinary answer; a repeated one says so."""
    headers = [("request-id", request_id)]
    if replayed_from:
        headers += [("idempotent-replayed", "true"), ("original-request", replayed_from)]
    if done.status >= 500:
        headers.append(("stripe-should-retry", "false"))
    return Answer(done.status, done.body, headers=tuple(headers))


def refusal(refused: StripeRefused, request_id: str) -> Answer:
    """The answer of a request that was refused; nothing is kept under its key."""
    headers = [("request-id", request_id)]
    if refused.retry_after:
        headers.append(("retry-after", refused.retry_after))
    return Answer(refused.status, refused.as_body(), headers=tuple(headers))


def before(plan: Plan, late_seconds: float) -> tuple[float, StripeRefused]:
    """What a request meets that is not carried out: how long it waits, and its refusal."""
    seconds = f"{plan.seconds:g}"
    wait = late_seconds if plan.before == "timeout_before" else 0.0
    found = {
        "timeout_before": StripeRefused(504, "", "Gateway timeout", kind="api_error"),
        "unavailable": StripeRefused(503, "", "We are having trouble", kind="api_error", retry_after=seconds),
        "429": StripeRefused(429, "rate_limit", "Request rate limit exceeded.", retry_after=seconds),
        "401": StripeRefused(401, "", "Invalid API Key provided"),
        "400": StripeRefused(400, "parameter_unknown", "Received unknown parameter"),
    }.get(plan.before)
    return wait, found or StripeRefused(500, "", "Something went wrong on our end.", kind="api_error")


def kept(plan: Plan, done: Done) -> Done:
    """What is kept under the key: an answer with status 500 is kept like any other."""
    return Done(500, {"error": BROKEN}) if plan.after == "500_after" else done


def after(plan: Plan, done: Done, late_seconds: float, request_id: str) -> tuple[float, Answer]:
    """How long the answer of a request that was carried out waits, and how it looks."""
    if plan.after == "500_after":
        return 0.0, of(kept(plan, done), request_id)
    if plan.after == "409_after":
        busy = StripeRefused(409, "idempotency_key_in_use", "Another request has this key",
                             kind="idempotency_error")  # fmt: skip
        return 0.0, refusal(busy, request_id)
    if plan.after == "timeout_after":
        return late_seconds, of(done, request_id)
    if plan.after == "slow":
        return plan.seconds, of(done, request_id)
    if plan.after in PLAIN:
        bent = answers.after(plan, done.body, late_seconds)
        return 0.0, dataclasses.replace(bent, headers=(("request-id", request_id), *bent.headers))
    return 0.0, of(Done(done.status, _bent(plan, done.body)), request_id)


def _bent(plan: Plan, body: Body) -> Body:
    bent: Body = json.loads(json.dumps(body))
    match plan.after:
        case "wrong_amount":
            for name in ("amount", "amount_received"):
                bent[name] = bent[name] + 1 if bent.get(name) else bent.get(name, 0)
        case "wrong_currency":
            bent["currency"] = "xpf" if bent["currency"] != "xpf" else "usd"
        case "wrong_reference":
            bent["metadata"] = {"operation": "op_someone-elses", "reference": "someone-elses"}
        case "unlisted_status":
            bent["status"] = "under_consideration"
    return bent
