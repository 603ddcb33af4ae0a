"""The machines of the payments floor as data: one row per edge, with its event and whether it moves money.

Inside we say *state*; merchants see *status*, which is the state except while a provider operation is open
(`processing`) and before anything was asked of a provider (`pending`). Public statuses are never removed.
"""

from typing import Final

from ledger.states import NEW, STAY, Edge, Machine

# --- payment ------------------------------------------------------------------------------------------------
CREATED: Final = "created"
UNDER_REVIEW: Final = "under_review"
REJECTED: Final = "rejected"
AUTHORIZED: Final = "authorized"
PARTLY_CAPTURED: Final = "partly_captured"
CAPTURED: Final = "captured"
COMPLETED: Final = "completed"
REQUIRES_ACTION: Final = "requires_action"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
EXPIRED: Final = "expired"
REVERSED: Final = "reversed"

_TAKEN: Final = frozenset({PARTLY_CAPTURED, CAPTURED, COMPLETED})  # where there is something to give back

PAYMENT: Final = Machine(
    "payment",
    edges=[
        Edge("create", {NEW}, CREATED, "payment.created"),
        Edge("open_review", {NEW}, UNDER_REVIEW, "payment.review_opened"),
        Edge("reject", {NEW}, REJECTED, "payment.rejected"),
        Edge("approve_review", {UNDER_REVIEW}, CREATED, "payment.review_approved"),
        Edge("decline_review", {UNDER_REVIEW}, REJECTED, "payment.rejected"),
        # The customer must act at the provider (3-D Secure); the operation stays open meanwhile.
        Edge("ask_action", {CREATED}, REQUIRES_ACTION, "payment.requires_action"),
        Edge("finish_action", {REQUIRES_ACTION}, CREATED, "payment.action_finished"),
        # Its first provider took nothing for certain; another is asked.
        Edge("reroute", {CREATED}, STAY, "payment.rerouted"),
        Edge("authorize", {CREATED, REQUIRES_ACTION}, AUTHORIZED, "payment.authorized"),
        # Authorized and captured in one call to the provider: one step, one event, one entry.
        Edge("sell", {CREATED, REQUIRES_ACTION}, CAPTURED, "payment.captured", True),
        Edge("fail", {CREATED, UNDER_REVIEW, REQUIRES_ACTION}, FAILED, "payment.failed"),
        Edge("capture_part", {AUTHORIZED, PARTLY_CAPTURED}, PARTLY_CAPTURED, "payment.partly_captured", True),
        Edge("capture", {AUTHORIZED, PARTLY_CAPTURED}, CAPTURED, "payment.captured", True),
        # Money set aside and given back: the state stays, the figures are events like any other change.
        Edge("ask_capture", {AUTHORIZED, PARTLY_CAPTURED}, STAY, "payment.capture_asked"),
        Edge("ask_cancel", {AUTHORIZED, REQUIRES_ACTION}, STAY, "payment.cancel_asked"),
        Edge("ask_increase", {AUTHORIZED}, STAY, "payment.increase_asked"),
        Edge("increase", {AUTHORIZED}, STAY, "payment.increased"),
        Edge("fail_increase", {AUTHORIZED}, STAY, "payment.increase_failed"),
        Edge("warn_of_expiry", {AUTHORIZED, PARTLY_CAPTURED}, STAY, "payment.expiring"),
        Edge("set_refund_aside", _TAKEN, STAY, "payment.refund_set_aside"),
        Edge("free_refund", _TAKEN, STAY, "payment.refund_freed"),
        Edge("refund", _TAKEN, STAY, "payment.refunded"),
        Edge("undo_refund", _TAKEN, STAY, "payment.refund_undone"),
        Edge("dispute", _TAKEN, STAY, "payment.disputed"),
        Edge("undo_dispute", _TAKEN, STAY, "payment.dispute_undone"),
        Edge("fail_capture", {AUTHORIZED}, AUTHORIZED, "payment.capture_failed"),
        Edge("fail_part_capture", {PARTLY_CAPTURED}, PARTLY_CAPTURED, "payment.capture_failed"),
        Edge("fail_cancel", {AUTHORIZED, REQUIRES_ACTION}, STAY, "payment.cancel_failed"),
        # What was not captured of a partly captured payment is given up: no money moves.
        Edge("close_capture", {PARTLY_CAPTURED}, CAPTURED, "payment.capture_closed"),
        # The customer's bank was told that the rest will not be taken.
        Edge("release_rest", {CAPTURED, COMPLETED}, STAY, "payment.rest_released"),
        Edge("complete", {CAPTURED}, COMPLETED, "payment.completed"),
        Edge("cancel", {CREATED, UNDER_REVIEW, REQUIRES_ACTION, AUTHORIZED}, CANCELLED, "payment.cancelled"),
        Edge("expire", {CREATED, AUTHORIZED}, EXPIRED, "payment.expired"),
        # The provider or the customer's bank took the reservation back, unasked; a person has believed it.
        Edge("reverse", {AUTHORIZED}, REVERSED, "payment.reversed"),
        # The network took the authorization although we had stopped: said, then voided by an operation.
        Edge("authorize_late", {CANCELLED}, CANCELLED, "payment.authorized_late"),
        Edge("void_late", {CANCELLED}, CANCELLED, "payment.late_authorization_voided"),
    ],
)

RESERVED: Final = frozenset({AUTHORIZED, PARTLY_CAPTURED})  # where the customer's bank holds money for us

PROCESSING: Final = "processing"
PENDING: Final = "pending"
PAYMENT_STATUSES: Final = (
    PENDING,
    PROCESSING,
    REQUIRES_ACTION,
    UNDER_REVIEW,
    REJECTED,
    AUTHORIZED,
    PARTLY_CAPTURED,
    CAPTURED,
    COMPLETED,
    FAILED,
    CANCELLED,
    EXPIRED,
    REVERSED,
)
# While one of these is the state, an open operation decides what comes next, so the status is `processing`.
PAYMENT_STATES_IN_MOTION: Final = frozenset({CREATED, AUTHORIZED, PARTLY_CAPTURED})


def payment_status(state: str, *, is_processing: bool, is_voiding: bool = False) -> str:
    """Return what merchants see: `processing` while an operation is open, `pending` before the first one.

    While the customer must act the authorization is open too; only a void decides what comes next then.
    """
    if state == REQUIRES_ACTION:
        return PROCESSING if is_voiding else REQUIRES_ACTION
    if is_processing and state in PAYMENT_STATES_IN_MOTION:
        return PROCESSING
    return PENDING if state == CREATED else state


# --- payment transaction (one vendor's share) ---------------------------------------------------------------
PAYMENT_TRANSACTION: Final = Machine(
    "payment_transaction",
    edges=[
        Edge("create", {NEW}, PENDING, "payment_transaction.created"),
        # Born with a payment that the screening rejected.
        Edge("reject", {NEW}, CANCELLED, "payment_transaction.cancelled"),
        Edge(
            "capture_part", {PENDING, PARTLY_CAPTURED}, PARTLY_CAPTURED, "payment_transaction.partly_captured"
        ),
        Edge("capture", {PENDING, PARTLY_CAPTURED}, CAPTURED, "payment_transaction.captured"),
        Edge("set_refund_aside", _TAKEN, STAY, "payment_transaction.refund_set_aside"),
        Edge("free_refund", _TAKEN, STAY, "payment_transaction.refund_freed"),
        Edge("refund", _TAKEN, STAY, "payment_transaction.refunded"),
        Edge("undo_refund", _TAKEN, STAY, "payment_transaction.refund_undone"),
        Edge("dispute", _TAKEN, STAY, "payment_transaction.disputed"),
        Edge("undo_dispute", _TAKEN, STAY, "payment_transaction.dispute_undone"),
        Edge("complete", {CAPTURED}, COMPLETED, "payment_transaction.completed"),
        Edge("fail", {PENDING}, FAILED, "payment_transaction.failed"),
        Edge("cancel", {PENDING}, CANCELLED, "payment_transaction.cancelled"),
    ],
)
PAYMENT_TRANSACTION_STATUSES: Final = (PENDING, PARTLY_CAPTURED, CAPTURED, COMPLETED, FAILED, CANCELLED)

PAYMENT_TRANSACTION_STATES_OPEN: Final = frozenset({PENDING, PARTLY_CAPTURED})

# --- refund -------------------------------------------------------------------------------------------------
REQUESTED: Final = "requested"
APPROVED: Final = "approved"

REFUND: Final = Machine(
    "refund",
    edges=[
        Edge("request", {NEW}, REQUESTED, "refund.requested"),
        # Below the merchant's approval limit nobody needs to look: it is born approved.
        Edge("request_approved", {NEW}, APPROVED, "refund.approved"),
        # Made at the provider by somebody else: it is done, and becomes a refund of ours.
        Edge("adopt", {NEW}, COMPLETED, "refund.adopted", True),
        Edge("approve", {REQUESTED}, APPROVED, "refund.approved"),
        Edge("reject", {REQUESTED}, REJECTED, "refund.rejected"),
        Edge("start", {APPROVED}, PROCESSING, "refund.processing"),
        Edge("complete", {PROCESSING}, COMPLETED, "refund.completed", True),
        Edge("fail", {REQUESTED, APPROVED, PROCESSING}, FAILED, "refund.failed"),
        # A provider may report a refund as done and days later as failed: the money is with us again.
        Edge("fail_late", {COMPLETED}, FAILED, "refund.failed", True),
        # Its provider failed it, at once or late: it is asked for again, and decided on again.
        Edge("request_again", {FAILED}, REQUESTED, "refund.requested"),
        Edge("request_again_approved", {FAILED}, APPROVED, "refund.approved"),
        # A person believes a provider that now says it gave back what it had refused: it is asked once more.
        Edge("reopen", {FAILED}, PROCESSING, "refund.reopened"),
    ],
)
REFUND_STATUSES: Final = (REQUESTED, APPROVED, PROCESSING, COMPLETED, FAILED, REJECTED)

# --- dispute ------------------------------------------------------------------------------------------------
INQUIRY: Final = "inquiry"
CHARGEBACK: Final = "chargeback"
PRE_ARBITRATION: Final = "pre_arbitration"
WON: Final = "won"
LOST: Final = "lost"
ACCEPTED: Final = "accepted"
CLOSED: Final = "closed"

DISPUTE_STATES_OPEN: Final = frozenset({INQUIRY, CHARGEBACK, PRE_ARBITRATION})
_DISPUTE_ANY: Final = DISPUTE_STATES_OPEN | {WON, LOST, ACCEPTED, CLOSED}

DISPUTE: Final = Machine(
    "dispute",
    edges=[
        # Whatever the provider tells first is the beginning.
        Edge("open_inquiry", {NEW}, INQUIRY, "dispute.opened"),
        Edge("open_chargeback", {NEW}, CHARGEBACK, "dispute.opened"),
        Edge("open_pre_arbitration", {NEW}, PRE_ARBITRATION, "dispute.opened"),
        Edge("escalate", {INQUIRY, CLOSED}, CHARGEBACK, "dispute.escalated"),
        Edge(
            "escalate_again", {INQUIRY, CHARGEBACK, WON, LOST, CLOSED}, PRE_ARBITRATION, "dispute.escalated"
        ),
        # A scheme may overturn its own word; only a later word of the provider takes these edges.
        Edge("win", {INQUIRY, CHARGEBACK, PRE_ARBITRATION, LOST}, WON, "dispute.won"),
        Edge("lose", {INQUIRY, CHARGEBACK, PRE_ARBITRATION, WON}, LOST, "dispute.lost"),
        Edge("accept", {INQUIRY, CHARGEBACK, PRE_ARBITRATION}, ACCEPTED, "dispute.accepted"),
        Edge("close", {INQUIRY, CHARGEBACK, PRE_ARBITRATION}, CLOSED, "dispute.closed"),
        # Money follows the provider's movements, whatever the state: they may be told before or after it.
        Edge("withdraw", _DISPUTE_ANY, STAY, "dispute.funds_withdrawn", True),
        Edge("reinstate", _DISPUTE_ANY, STAY, "dispute.funds_reinstated", True),
        Edge("settle", {LOST, ACCEPTED}, STAY, "dispute.funds_settled", True),
        Edge("revise", _DISPUTE_ANY, STAY, "dispute.revised"),
        Edge("add_evidence", DISPUTE_STATES_OPEN, STAY, "dispute.evidence_added"),
        Edge("ask_answer", DISPUTE_STATES_OPEN, STAY, "dispute.answer_asked"),
        Edge("answer", _DISPUTE_ANY, STAY, "dispute.answered"),
        Edge("fail_answer", _DISPUTE_ANY, STAY, "dispute.answer_failed"),
        Edge("warn", DISPUTE_STATES_OPEN, STAY, "dispute.evidence_due_soon"),
    ],
)
DISPUTE_STATUSES: Final = (INQUIRY, CHARGEBACK, PRE_ARBITRATION, WON, LOST, ACCEPTED, CLOSED)

# --- provider webhook (one incoming message) ----------------------------------------------------------------
# It belongs to no merchant until it is understood, so its moves are not events of the books: the event is
# that of the operation it concludes. The row itself is the record; the machine still guards it.
RECEIVED: Final = "received"
REFUSED: Final = "refused"
APPLIED: Final = "applied"
IGNORED: Final = "ignored"

PROVIDER_WEBHOOK: Final = Machine(
    "provider_webhook",
    edges=[
        Edge("receive", {NEW}, RECEIVED, "provider_webhook.received"),
        Edge("refuse", {NEW}, REFUSED, "provider_webhook.refused"),
        Edge("apply", {RECEIVED, FAILED}, APPLIED, "provider_webhook.applied"),
        Edge("ignore", {RECEIVED, FAILED}, IGNORED, "provider_webhook.ignored"),
        Edge("fail", {RECEIVED}, FAILED, "provider_webhook.failed"),
        Edge("retry", {FAILED}, RECEIVED, "provider_webhook.retried"),
    ],
)
PROVIDER_WEBHOOK_STATUSES: Final = (RECEIVED, REFUSED, APPLIED, IGNORED, FAILED)

# --- contradiction (a provider's word against the one that was believed) ------------------------------------
OPEN: Final = "open"

CONTRADICTION: Final = Machine(
    "contradiction",
    edges=[
        Edge("open", {NEW}, OPEN, "contradiction.opened"),
        # A person lets the provider be asked again, and its answer be booked like any other.
        Edge("accept", {OPEN}, ACCEPTED, "contradiction.accepted"),
        Edge("close", {OPEN}, CLOSED, "contradiction.closed"),
    ],
)

# --- payment method -----------------------------------------------------------------------------------------
UNVERIFIED: Final = "unverified"
VERIFIED: Final = "verified"
REMOVED: Final = "removed"

_KEPT: Final = frozenset({UNVERIFIED, PENDING, VERIFIED, FAILED})

PAYMENT_METHOD: Final = Machine(
    "payment_method",
    edges=[
        Edge("add", {NEW}, UNVERIFIED, "payment_method.added"),
        Edge("start_verification", {UNVERIFIED, FAILED}, PENDING, "payment_method.verification_started"),
        # A small deposit arrived at the account: the money is spent whatever became of the method meanwhile.
        Edge("deposit", _KEPT | {REMOVED}, STAY, "payment_method.deposited", True),
        Edge("miss_amounts", {PENDING}, STAY, "payment_method.amounts_missed"),
        Edge("verify", {UNVERIFIED, PENDING, FAILED}, VERIFIED, "payment_method.verified"),
        Edge("fail", {UNVERIFIED, PENDING, VERIFIED}, FAILED, "payment_method.verification_failed"),
        Edge("make_default", {UNVERIFIED, PENDING, VERIFIED}, STAY, "payment_method.made_default"),
        Edge("unmake_default", _KEPT, STAY, "payment_method.no_longer_default"),
        Edge("remove", _KEPT, REMOVED, "payment_method.removed"),
    ],
)
PAYMENT_METHOD_STATUSES: Final = (UNVERIFIED, PENDING, VERIFIED, FAILED, REMOVED)

# --- saga (a marketplace payment) and its steps -------------------------------------------------------------
RUNNING: Final = "running"
COMPENSATING: Final = "compensating"
BLOCKED: Final = "blocked"

SAGA: Final = Machine(
    "saga",
    edges=[
        Edge("begin", {NEW}, RUNNING, "saga.started"),
        Edge("advance", {RUNNING}, STAY, "saga.advanced"),
        Edge("complete", {RUNNING}, COMPLETED, "saga.completed"),
        Edge("turn_back", {RUNNING}, COMPENSATING, "saga.turned_back"),
        Edge("undo_step", {COMPENSATING}, STAY, "saga.step_undone"),
        Edge("end", {COMPENSATING}, FAILED, "saga.failed"),
        # What cannot be undone, or is not what was planned, waits for a person; it is never given up.
        Edge("block", {RUNNING, COMPENSATING}, BLOCKED, "saga.blocked"),
        Edge("go_on", {BLOCKED}, RUNNING, "saga.resumed"),
        Edge("go_back", {BLOCKED}, COMPENSATING, "saga.resumed"),
    ],
)
SAGA_STATUSES: Final = (RUNNING, COMPENSATING, COMPLETED, FAILED, BLOCKED)
SAGA_STATES_OPEN: Final = frozenset({RUNNING, COMPENSATING})

PLANNED: Final = "planned"
STARTED: Final = "started"
DONE: Final = "done"
SKIPPED: Final = "skipped"

SAGA_STEP: Final = Machine(
    "saga_step",
    edges=[
        Edge("plan", {NEW}, PLANNED, "saga_step.planned"),
        # Written before anything leaves the house.
        Edge("start", {PLANNED}, STARTED, "saga_step.started"),
        Edge("try_again", {STARTED}, STAY, "saga_step.tried_again"),
        Edge("finish", {PLANNED, STARTED}, DONE, "saga_step.done"),
        Edge("fail", {PLANNED, STARTED}, FAILED, "saga_step.failed"),
        Edge("skip", {PLANNED}, SKIPPED, "saga_step.skipped"),
    ],
)
SAGA_STEP_STATUSES: Final = (PLANNED, STARTED, DONE, FAILED, SKIPPED)

# --- bank file (entries of a rail, handed to the bank together) ---------------------------------------------
GATHERED: Final = "gathered"
HANDED_OVER: Final = "handed_over"

BANK_FILE: Final = Machine(
    "bank_file",
    edges=[
        Edge("gather", {NEW}, GATHERED, "bank_file.gathered"),
        Edge("hand_over", {GATHERED}, HANDED_OVER, "bank_file.handed_over"),
        # The bank refused it whole, or nothing was left to write: none of its entries moved.
        Edge("refuse", {GATHERED}, REFUSED, "bank_file.refused"),
        # A return costs a fee also when no money had come: nothing else of the payment moves with it.
        Edge("charge", {HANDED_OVER}, STAY, "bank_file.charged", True),
    ],
)
