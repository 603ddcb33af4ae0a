"""The machines of money out as data: batch, payout, bank statement, match and break.

A batch is reckoned and its money moved in one step, so there is no half-open batch to find: what is not yet
in a batch is simply pending. `draw_states` draws these tables into the README.
"""

from django.db.models import TextChoices

from ledger.states import NEW, Edge, Machine


class BatchState(TextChoices):
    """Where a settlement batch stands."""

    CLOSED = "closed", "Closed: reckoned and payable"
    CARRIED = "carried", "Carried: nothing to pay, the items wait for the next batch"
    PAYING = "paying", "Paying: its payout is on the way"
    PAID = "paid", "Paid: the provider says so"
    RECONCILED = "reconciled", "Reconciled: the bank says so too"


class PayoutState(TextChoices):
    """Where a payout stands."""

    CREATED = "created", "Created: its money is set aside, the answer is not known"
    SENT = "sent", "Sent: the provider took it and will say more"
    PAID = "paid", "Paid: the provider says so"
    FAILED = "failed", "Failed: its money is available again"
    RECONCILED = "reconciled", "Reconciled: the bank statement shows it"


class StatementState(TextChoices):
    """Whether a bank statement may be used."""

    ACCEPTED = "accepted", "Accepted: its lines are to be explained"
    HELD = "held", "Held: it cannot be trusted as it is; no line of it is used"


class MatchState(TextChoices):
    """A match is made once and stays."""

    CONFIRMED = "confirmed", "Confirmed"


class BreakState(TextChoices):
    """Whether a break still waits for an explanation."""

    OPEN = "open", "Open"
    RESOLVED = "resolved", "Resolved"


SETTLEMENT = Machine(
    "settlement",
    [
        Edge("close", {NEW}, BatchState.CLOSED.value, "settlement.closed", posts=True),
        Edge("carry", {NEW}, BatchState.CARRIED.value, "settlement.carried"),
        Edge("start_paying", {BatchState.CLOSED.value}, BatchState.PAYING.value, "settlement.paying"),
        Edge("stop_paying", {BatchState.PAYING.value}, BatchState.CLOSED.value, "settlement.payout_failed"),
        Edge("mark_paid", {BatchState.PAYING.value}, BatchState.PAID.value, "settlement.paid"),
        Edge("reconcile", {BatchState.PAID.value}, BatchState.RECONCILED.value, "settlement.reconciled"),
    ],
)

PAYOUT = Machine(
    "payout",
    [
        Edge("create", {NEW}, PayoutState.CREATED.value, "payout.created", posts=True),
        Edge("send", {PayoutState.CREATED.value}, PayoutState.SENT.value, "payout.sent"),
        Edge(
            "mark_paid",
            {PayoutState.CREATED.value, PayoutState.SENT.value},
            PayoutState.PAID.value,
            "payout.paid",
        ),
        Edge(
            "fail",
            {PayoutState.CREATED.value, PayoutState.SENT.value},
            PayoutState.FAILED.value,
            "payout.failed",
            posts=True,
        ),
        Edge(
            "reconcile",
            {PayoutState.PAID.value},
            PayoutState.RECONCILED.value,
            "payout.reconciled",
            posts=True,
        ),
    ],
)

BANK_STATEMENT = Machine(
    "bank_statement",
    [
        Edge("accept", {NEW}, StatementState.ACCEPTED.value, "bank_statement.accepted"),
        Edge("hold", {NEW}, StatementState.HELD.value, "bank_statement.held"),
    ],
)

MATCH = Machine(
    "match",
    [
        Edge("confirm_payout", {NEW}, MatchState.CONFIRMED.value, "match.payout_confirmed"),
        Edge("confirm_funding", {NEW}, MatchState.CONFIRMED.value, "match.funding_confirmed", posts=True),
        Edge("confirm_operation", {NEW}, MatchState.CONFIRMED.value, "match.operation_confirmed", posts=True),
    ],
)

BREAK = Machine(
    "break",
    [
        Edge("open", {NEW}, BreakState.OPEN.value, "break.opened"),
        Edge("resolve", {BreakState.OPEN.value}, BreakState.RESOLVED.value, "break.resolved"),
    ],
)
