"""Bank statements, matches and breaks for staff."""

from collections.abc import Iterable

from django.contrib import admin

from ledger.admin import filters, formats
from ledger.admin.base import (
    ROWS_IN_A_PANEL,
    Panel,
    ReasonedAction,
    ViewOnlyAdmin,
    badge_column,
    by,
    code_column,
    link_column,
    moment_column,
    money_column,
)
from settlements.models import (
    BankStatement,
    Break,
    FundedOperation,
    Match,
    ReconciliationRun,
    StatementLine,
)
from settlements.services import resolving
from settlements.states import BreakState


@admin.register(BankStatement)
class BankStatementAdmin(ViewOnlyAdmin):
    """Statements as the bank issued them."""

    list_display = [
        "reference",
        "account",
        "closed_on",
        "opening",
        "closing",
        "line_count",
        "state_shown",
        "imported",
    ]
    list_filter = [filters.state_of(BankStatement), filters.currency]
    search_fields = ["=reference", "=id"]
    hidden_fields = ["event_hash"]

    opening = money_column("opening_minor", "opening")
    closing = money_column("closing_minor", "closing")
    state_shown = badge_column("state")
    imported = moment_column("occurred_at", "imported")

    def panels(self, row: BankStatement) -> Iterable[Panel]:
        lines = list(row.lines.select_related("match").order_by("line_no")[:ROWS_IN_A_PANEL])
        yield Panel(
            "Lines",
            ["line", "amount", "end-to-end id", "bank's reference", "remittance", "match"],
            [
                [
                    formats.link(line, str(line.line_no)),
                    formats.money(line.amount_minor, line.currency),
                    formats.code(line.end_to_end_id),
                    formats.code(line.bank_reference),
                    line.remittance or formats.NOTHING,
                    formats.badge(line.match.kind) if hasattr(line, "match") else formats.badge("open"),
                ]
                for line in lines
            ],
            note=f"The first {len(lines)} of {row.line_count}.",
        )


@admin.register(StatementLine)
class StatementLineAdmin(ViewOnlyAdmin):
    """Lines of bank statements."""

    list_display = [
        "end_to_end",
        "statement_shown",
        "amount",
        "booked_on",
        "remittance",
        "counterparty",
        "standing",
    ]
    list_select_related = ["statement", "match"]
    list_filter = [filters.currency, "booked_on"]
    search_fields = ["=end_to_end_id", "=bank_reference"]
    masked_fields = ["counterparty_account"]

    end_to_end = code_column("end_to_end_id", "end-to-end id")
    statement_shown = link_column("statement")
    amount = money_column()

    @admin.display(description="standing")
    def standing(self, row: StatementLine) -> str:
        return formats.badge("matched" if hasattr(row, "match") else "open")


@admin.register(Match)
class MatchAdmin(ViewOnlyAdmin):
    """Statement lines that are explained."""

    list_display = ["reference", "kind", "line_shown", "payout_shown", "report", "amount", "matched"]
    list_select_related = ["line", "payout"]
    list_filter = ["kind", filters.currency]
    search_fields = ["=id", "=report"]
    hidden_fields = ["event_hash"]

    reference = code_column("public_id", "match")
    line_shown = link_column("line")
    payout_shown = link_column("payout")
    amount = money_column()
    matched = moment_column("occurred_at", "matched")

    def panels(self, row: Match) -> Iterable[Panel]:
        funded = row.operations.select_related("operation__payment").order_by("id")[:ROWS_IN_A_PANEL]
        yield Panel(
            "Operations behind it",
            ["operation", "payment", "amount", "fee"],
            [
                [
                    formats.link(one.operation, one.operation.public_id),
                    formats.link(one.operation.payment),
                    formats.money(one.amount_minor, row.currency),
                    formats.money(one.fee_minor, row.currency),
                ]
                for one in funded
            ],
            note=f"At most {ROWS_IN_A_PANEL} are shown.",
        )


@admin.register(FundedOperation)
class FundedOperationAdmin(ViewOnlyAdmin):
    """Operations whose money the bank has shown."""

    list_display = ["operation_shown", "match_shown", "amount", "fee"]
    list_select_related = ["operation", "match"]
    search_fields = ["=operation__idempotency_key"]
    operation_shown = link_column("operation")
    match_shown = link_column("match")

    @admin.display(description="amount")
    def amount(self, row: FundedOperation) -> str:
        return formats.money(row.amount_minor, row.match.currency)

    @admin.display(description="fee")
    def fee(self, row: FundedOperation) -> str:
        return formats.money(row.fee_minor, row.match.currency)


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(ViewOnlyAdmin):
    """Comparisons of our books with the bank's."""

    list_display = [
        "account",
        "currency",
        "started",
        "finished",
        "lines",
        "matched",
        "breaks_opened",
        "breaks_resolved",
    ]
    list_filter = [filters.currency]
    started = moment_column("started_at")
    finished = moment_column("finished_at")


@admin.register(Break)
class BreakAdmin(ViewOnlyAdmin):
    """What does not agree, until somebody explains it."""

    list_display = [
        "reference",
        "reason_shown",
        "amount",
        "line_shown",
        "payout_shown",
        "state_shown",
        "opened",
    ]
    list_select_related = ["line", "payout"]
    list_filter = [filters.state_of(Break), "reason", filters.currency]
    search_fields = ["=id", "=key"]
    hidden_fields = ["event_hash"]

    reasoned_actions = [
        ReasonedAction(
            name="resolve",
            label="Resolve",
            permission="settlements.resolve_break",
            perform=by(resolving.resolve, "break_id"),
            done="The break is resolved; nothing was booked by it.",
            is_offered=lambda row: row.state == BreakState.OPEN,
            explains="Say what explains the difference. Nothing is booked by it.",
        )
    ]
    reference = code_column("public_id", "break")
    line_shown = link_column("line")
    payout_shown = link_column("payout")
    amount = money_column()
    state_shown = badge_column("state")
    opened = moment_column("occurred_at", "opened")

    @admin.display(description="what", ordering="reason")
    def reason_shown(self, row: Break) -> str:
        return row.get_reason_display()
