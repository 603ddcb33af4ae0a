"""PayPal's test buyers: who can approve an order on the sandbox's page, and what each makes the sandbox do.

One table, served at GET /paypal/sim/buyers. A buyer's faults are those of faults.py, by operation; `complete`
is the request that authorizes or captures an approved order.
"""

from dataclasses import asdict, dataclass

from payments.simulator.scenarios import Scenario


@dataclass(frozen=True, slots=True)
class Buyer(Scenario):
    """A test buyer; `dispute` (`stage:reason`) follows every capture, `country` is his address's."""

    country: str = "US"


def _declines(name: str, issue: str) -> Buyer:
    return Buyer(name, "", f"the payment is declined: {issue}", {"complete": f"decline:{issue}"})


def _meets(name: str, does: str, operation: str, fault: str) -> Buyer:
    return Buyer(name, "", does, {operation: fault})


BUYERS = (
    Buyer("ada", "", "pays"),
    Buyer("bruno", "", "pays, from Germany", country="DE"),
    _declines("declined", "INSTRUMENT_DECLINED"),
    _declines("refused", "TRANSACTION_REFUSED"),
    _declines("restricted", "PAYER_ACCOUNT_RESTRICTED"),
    _declines("over_limit", "TRANSACTION_LIMIT_EXCEEDED"),
    _meets("acts_twice", "PayPal asks for one more step, once", "complete", "challenge"),
    _meets("review_ok", "the payment is reviewed, then good", "complete", "pending_then_ok"),
    _meets("review_fail", "the payment is reviewed, then denied", "complete", "pending_then_fail"),
    _meets("late", "paid, but answered after our timeout", "complete", "timeout_after"),
    _meets("lost_answer", "paid, but the connection breaks in the answer", "complete", "reset_after"),
    _meets("error_after", "paid, but answered with HTTP 500", "complete", "500_after"),
    _meets("error_before", "HTTP 500 and nothing happened; a second try pays", "complete", "500_before"),
    _meets("capture_declined", "every capture of the authorization is declined", "capture",
           "decline:PAYER_CANNOT_PAY"),
    _meets("capture_late", "capture happens, but is answered late", "capture", "timeout_after"),
    _meets("refund_pending", "refunds are pending, then done", "refund", "pending_then_ok"),
    _meets("refund_fails", "every refund is refused", "refund", "decline:REFUND_NOT_ALLOWED"),
    _meets("refund_fails_late", "refunds are done, and fail later", "refund", "fail_later"),
    _meets("refund_late", "refund happens, but is answered late", "refund", "timeout_after"),
    Buyer("dispute_inquiry", "", "asks about every capture: not received",
          dispute="INQUIRY:MERCHANDISE_OR_SERVICE_NOT_RECEIVED"),
    Buyer("dispute_fraud", "", "claims every capture back: not made by him",
          dispute="CHARGEBACK:UNAUTHORISED"),
)  # fmt: skip

BY_NAME = {buyer.name: buyer for buyer in BUYERS}


def as_table() -> list[dict[str, object]]:
    """The whole table."""
    return [asdict(buyer) for buyer in BUYERS]
