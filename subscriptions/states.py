"""The machines of Subscription and Invoice as data: one row per edge, with its event.

No edge posts: an invoice is paid by a payment, and the payment's capture is what the books know.
"""

from typing import Final

from ledger.states import NEW, Edge, Machine

# --- subscription -------------------------------------------------------------------------------------------
TRIALING: Final = "trialing"
ACTIVE: Final = "active"
PAST_DUE: Final = "past_due"
UNPAID: Final = "unpaid"
PAUSED: Final = "paused"
CANCELLED: Final = "cancelled"
EXPIRED: Final = "expired"

SUBSCRIPTION: Final = Machine(
    "subscription",
    edges=[
        Edge("start_trial", {NEW}, TRIALING, "subscription.trial_started"),
        Edge("activate", {NEW}, ACTIVE, "subscription.activated"),
        Edge("convert", {TRIALING}, ACTIVE, "subscription.trial_converted"),
        Edge("renew", {ACTIVE}, ACTIVE, "subscription.renewed"),
        Edge("change_plan", {ACTIVE}, ACTIVE, "subscription.plan_changed"),
        Edge("pause", {ACTIVE}, PAUSED, "subscription.paused"),
        Edge("pause_trial", {TRIALING}, PAUSED, "subscription.paused"),
        Edge("resume", {PAUSED}, ACTIVE, "subscription.resumed"),
        Edge("fall_behind", {ACTIVE}, PAST_DUE, "subscription.past_due"),
        Edge("recover", {PAST_DUE, UNPAID}, ACTIVE, "subscription.recovered"),
        # Dunning has given up: nothing more is tried until somebody pays or cancels.
        Edge("give_up", {PAST_DUE}, UNPAID, "subscription.unpaid"),
        Edge("cancel", {TRIALING, ACTIVE, PAST_DUE, UNPAID, PAUSED}, CANCELLED, "subscription.cancelled"),
        Edge("expire", {TRIALING, ACTIVE}, EXPIRED, "subscription.expired"),
    ],
)
SUBSCRIPTION_ENDS: Final = frozenset({CANCELLED, EXPIRED})

# --- invoice ------------------------------------------------------------------------------------------------
DRAFT: Final = "draft"
OPEN: Final = "open"
PAID: Final = "paid"
VOID: Final = "void"
UNCOLLECTIBLE: Final = "uncollectible"

INVOICE: Final = Machine(
    "invoice",
    edges=[
        Edge("draft", {NEW}, DRAFT, "invoice.drafted"),
        Edge("finalize", {DRAFT}, OPEN, "invoice.finalized"),
        Edge("fail_payment", {OPEN}, OPEN, "invoice.payment_failed"),
        Edge("pay", {OPEN, UNCOLLECTIBLE}, PAID, "invoice.paid"),
        Edge("write_off", {OPEN}, UNCOLLECTIBLE, "invoice.uncollectible"),
        Edge("void", {DRAFT, OPEN, UNCOLLECTIBLE}, VOID, "invoice.voided"),
    ],
)
