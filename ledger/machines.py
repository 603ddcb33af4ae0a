"""The machines of the ground floor as data: transfers between accounts, holds on money, alerts for people."""

from typing import Final

from ledger.states import NEW, Edge, Machine

# --- transfer -----------------------------------------------------------------------------------------------
COMPLETED: Final = "completed"
UNDER_REVIEW: Final = "under_review"
REJECTED: Final = "rejected"

TRANSFER: Final = Machine(
    "transfer",
    edges=[
        Edge("complete", {NEW}, COMPLETED, "transfer.completed", posts=True),
        # Large enough for the law to want a look: the money is held meanwhile, nothing is posted.
        Edge("open_review", {NEW}, UNDER_REVIEW, "transfer.review_opened"),
        Edge("approve", {UNDER_REVIEW}, COMPLETED, "transfer.completed", posts=True, by="staff"),
        Edge("reject", {UNDER_REVIEW}, REJECTED, "transfer.rejected", by="staff"),
        # A payment counts what is refunded of it, from the moment when a refund is asked for.
        Edge("count_refund", {COMPLETED}, COMPLETED, "transfer.refund_counted"),
        Edge("uncount_refund", {COMPLETED}, COMPLETED, "transfer.refund_rejected"),
    ],
)
TRANSFER_STATUSES: Final = (COMPLETED, UNDER_REVIEW, REJECTED)

# --- hold ---------------------------------------------------------------------------------------------------
OPEN: Final = "open"
PARTLY_COMMITTED: Final = "partly_committed"
COMMITTED: Final = "committed"
VOIDED: Final = "voided"
EXPIRED: Final = "expired"

HOLD: Final = Machine(
    "hold",
    edges=[
        Edge("place", {NEW}, OPEN, "hold.placed"),
        Edge("commit_part", {OPEN, PARTLY_COMMITTED}, PARTLY_COMMITTED, "hold.partly_committed", posts=True),
        Edge("commit", {OPEN, PARTLY_COMMITTED}, COMMITTED, "hold.committed", posts=True),
        # The transfer that the hold was for waits for a person: what it takes is held for the review instead.
        Edge("pass_part", {OPEN, PARTLY_COMMITTED}, PARTLY_COMMITTED, "hold.partly_passed_to_review"),
        Edge("pass_on", {OPEN, PARTLY_COMMITTED}, COMMITTED, "hold.passed_to_review"),
        Edge("void", {OPEN, PARTLY_COMMITTED}, VOIDED, "hold.voided"),
        Edge("expire", {OPEN, PARTLY_COMMITTED}, EXPIRED, "hold.expired", by="system"),
    ],
)
HOLD_STATUSES: Final = (OPEN, PARTLY_COMMITTED, COMMITTED, VOIDED, EXPIRED)
HOLD_STATES_OPEN: Final = (OPEN, PARTLY_COMMITTED)

# --- alert against money laundering -------------------------------------------------------------------------
CLEARED: Final = "cleared"
UPHELD: Final = "upheld"

AML_ALERT: Final = Machine(
    "aml_alert",
    edges=[
        Edge("raise_alert", {NEW}, OPEN, "aml_alert.raised"),
        Edge("clear", {OPEN}, CLEARED, "aml_alert.cleared", by="staff"),
        Edge("uphold", {OPEN}, UPHELD, "aml_alert.upheld", by="staff"),
    ],
)
