"""How an answer leaves: as it is, or bent by a fault after (or instead of) the effect."""

import gzip
import json
from dataclasses import dataclass
from functools import cache

from payments.simulator.faults import Plan

TRICKLE_SECONDS = 0.1
HUGE_MB = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `cut_after` breaks it after that many bytes, `pause_seconds` comes before each byte."""

    status: int
    body: dict[str, object] | str | bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    delay_seconds: float = 0.0
    cut_after: int | None = None
    pause_seconds: float = 0.0

    def as_bytes(self) -> bytes:
        """The body as it goes over the wire."""
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            return self.body.encode()
        return json.dumps(self.body, separators=(",", ":")).encode()


def error(status: int, code: str, message: str, **more: object) -> Answer:
    """An error answer of the network."""
    retry_after = more.pop("retry_after", None)
    headers = (("retry-after", str(retry_after)),) if retry_after is not None else ()
    return Answer(status, {"error": {"code": code, "message": message}}, headers=headers)


def unavailable(seconds: float) -> Answer:
    """The documented "not processed": nothing was done, try again later."""
    return error(503, "not_processed", "The network is down; nothing was done", retry_after=f"{seconds:g}")


def before(plan: Plan, late_seconds: float) -> Answer:
    """The answer of a request that is not carried out."""
    if plan.before == "timeout_before":
        answer = error(504, "gateway_timeout", "Nothing was done")
        return Answer(answer.status, answer.body, delay_seconds=late_seconds)
    if plan.before == "unavailable":
        return unavailable(plan.seconds)
    if plan.before == "429":
        return error(
            429, "rate_limited", "Too many requests; nothing was done", retry_after=f"{plan.seconds:g}"
        )
    if plan.before == "401":
        return error(401, "unauthorized", "The key is not valid")
    if plan.before == "400":
        return error(400, "bad_request", "The request is not understood")
    return error(500, "internal_error", "Something broke")


def after(plan: Plan, answer: dict[str, object], late_seconds: float) -> Answer:
    """The answer of a request that was carried out."""
    bent = _bent(plan, answer)
    match plan.after:
        case "500_after":
            return error(500, "internal_error", "Something broke")
        case "409_after":
            return error(409, "in_progress", "This key is being worked on")
        case "timeout_after":
            return Answer(200, answer, delay_seconds=late_seconds)
        case "slow":
            return Answer(200, answer, delay_seconds=plan.seconds)
        case "reset_after":
            return Answer(200, answer, cut_after=0)
        case "truncated_json":
            whole = Answer(200, answer).as_bytes()
            return Answer(200, whole[: len(whole) // 2])
        case "trickle":
            return Answer(200, answer, pause_seconds=TRICKLE_SECONDS)
        case "many_headers":
            return Answer(200, answer, headers=tuple((f"x-filler-{n}", "x" * 60) for n in range(10_000)))
        case "html_200":
            return Answer(
                200, "<html><body>Welcome to our new data centre</body></html>", content_type="text/html"
            )
        case "huge":
            return Answer(200, b" " * (int(plan.argument or HUGE_MB) * 1_000_000))
        case "gzip_bomb":
            return Answer(200, _bomb(), headers=(("content-encoding", "gzip"),))
    return Answer(200, bent)


def _bent(plan: Plan, answer: dict[str, object]) -> dict[str, object]:
    match plan.after:
        case "wrong_amount":
            return answer | {"amount": int(str(answer["amount"])) + 1}
        case "wrong_currency":
            return answer | {"currency": "XPF" if answer["currency"] != "XPF" else "USD"}
        case "wrong_reference":
            return answer | {"reference": "someone-elses", "idempotency_key": "op_someone-elses"}
        case "unlisted_status":
            return answer | {"status": "under_consideration"}
    return answer


@cache
def _bomb() -> bytes:
    return gzip.compress(b" " * 1_000_000, 9) * 200  # gzip allows several members after each other
