"""The answer that an outcome means: done, 202 while it is not known, 402 when the provider said no.

Each function renders a payment or a refund as a service leaves it in its last phase; a refusal is a problem
document that holds the object, so that a client needs no second request.
"""

from typing import Any, Final

from payments import states
from payments.api import renderings
from payments.models import Payment, Refund
from payments.models.operations import OutcomeKind
from vendors.api.errors import problem_body
from vendors.api.idempotency import Reply

PAYMENT_DECLINED: Final = "payment_declined"
REFUND_DECLINED: Final = "refund_declined"
REFUSED: Final = (OutcomeKind.DECLINED, OutcomeKind.REJECTED)
REFUND_ADVICE: Final = "Give the money back in another way."


def created(payment: Payment) -> dict[str, Any]:
    """Return the answer to a new payment that is not to be authorized yet."""
    return renderings.payment(payment)


def confirmed(payment: Payment) -> Reply:
    """Return the answer to a new payment that was to be authorized at once."""
    return _by_status(payment, done=201)


def asked(payment: Payment) -> Reply:
    """Return the answer to a payment about which the provider was asked."""
    return _by_status(payment, done=200)


def captured(payment: Payment) -> Reply:
    """Return the answer to a capture or an increase, by what became of its own operation.

    The payment alone does not tell: its figures move with other captures, and did already when a request is
    run again. A capture that was refused leaves it as it was, but for the decline: that is a 402.
    """
    body = renderings.payment(payment)
    if payment.last_operation.outcome in REFUSED:
        return _declined(payment, body)
    return Reply(body, 202 if body["status"] == states.PROCESSING else 200)


def _by_status(payment: Payment, *, done: int) -> Reply:
    body = renderings.payment(payment)
    if body["status"] in (states.PROCESSING, states.UNDER_REVIEW):
        return Reply(body, 202)
    if body["status"] in (states.FAILED, states.REJECTED):
        return _declined(payment, body)
    return Reply(body, done)


def _declined(payment: Payment, body: dict[str, Any]) -> Reply:
    why = body["decline"] or {
        "code": "risk_blocked",
        "message": "The payment was not accepted.",
        "advice": "",
    }
    problem = problem_body(
        402,
        PAYMENT_DECLINED,
        why["message"],
        advice=why["advice"],
        decline_code=why["code"],
        payment=body,
    )
    return Reply(problem, 402, is_problem=True)


def refund_processed(refund: Refund, done: int = 200) -> Reply:
    """Return the answer to a refund that the provider was asked for: done, not known yet, or refused."""
    body = renderings.refund(refund)
    if refund.state == states.FAILED:
        problem = problem_body(
            402,
            REFUND_DECLINED,
            refund.failure_message or "the provider refused the refund",
            advice=REFUND_ADVICE,
            decline_code=refund.failure_code,
            refund=body,
        )
        return Reply(problem, 402, is_problem=True)
    return Reply(body, done if refund.state == states.COMPLETED else 202)


def refund_asked(refund: Refund) -> Reply:
    """Return the answer to a refund asked for in one go: it may wait for a second person first."""
    if refund.state == states.REQUESTED:
        return Reply(renderings.refund(refund), 202)
    return refund_processed(refund, done=201)
