"""Settlement batches and payouts for staff."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString

from ledger.admin import filters, formats
from ledger.admin.base import (
    ROWS_IN_A_PANEL,
    Panel,
    ViewOnlyAdmin,
    badge_column,
    code_column,
    link_column,
    moment_column,
    money_column,
)
from ledger.models import JournalEntry
from settlements.models import BatchLine, Payout, SettlementBatch


def payouts_panel(payouts: Iterable[Payout]) -> Panel:
    """Return payouts as a table."""
    return Panel(
        "Payouts",
        ["payout", "amount", "to account", "state", "reference", "set aside", "paid"],
        [
            [
                formats.link(payout),
                formats.money(payout.amount_minor, payout.currency),
                f"…{payout.account_end}",
                formats.badge(payout.state),
                payout.provider_reference or payout.failure_code or formats.NOTHING,
                formats.moment(payout.occurred_at),
                formats.moment(payout.paid_at),
            ]
            for payout in payouts
        ],
    )


@admin.register(SettlementBatch)
class SettlementBatchAdmin(ViewOnlyAdmin):
    """Our reckonings with vendors."""

    list_display = [
        "number",
        "vendor_shown",
        "day",
        "gross",
        "commission",
        "refunds",
        "net",
        "items",
        "state_shown",
    ]
    list_select_related = ["vendor"]
    list_filter = [filters.state_of(SettlementBatch), filters.currency, "business_date"]
    search_fields = ["=number", "=id"]
    hidden_fields = ["event_hash"]

    vendor_shown = link_column("vendor")
    gross = money_column("gross_minor", "gross")
    commission = money_column("commission_minor", "commission")
    refunds = money_column("refunds_minor", "refunds")
    net = money_column("net_minor", "net")
    state_shown = badge_column("state")

    @admin.display(description="day")
    def day(self, row: SettlementBatch) -> str:
        return row.business_date.isoformat()

    def panels(self, row: SettlementBatch) -> Iterable[Panel]:
        yield payouts_panel(row.payouts.order_by("attempt"))
        lines = list(row.lines.order_by("id")[:ROWS_IN_A_PANEL])
        yield Panel(
            "Lines",
            ["journal entry", "line", "purpose", "amount"],
            [
                [
                    formats.link(JournalEntry(pk=line.entry_id), str(line.entry_id)),
                    line.line,
                    line.purpose.replace("_", " "),
                    formats.money(line.amount_minor, row.currency),
                ]
                for line in lines
            ],
            note=f"The first {len(lines)} of {row.items}.",
        )


@admin.register(BatchLine)
class BatchLineAdmin(ViewOnlyAdmin):
    """Postings that a batch reckons with, each once."""

    list_display = ["batch_shown", "entry", "line", "purpose", "amount"]
    list_select_related = ["batch"]
    list_filter = [
        filters.one_of("purpose", ["sale", "commission", "refund", "dispute", "commission_back", "transfer"])
    ]
    search_fields = ["=entry_id", "=batch__number"]
    batch_shown = link_column("batch")

    @admin.display(description="journal entry")
    def entry(self, row: BatchLine) -> SafeString:
        return formats.link(JournalEntry(pk=row.entry_id), str(row.entry_id))

    @admin.display(description="amount", ordering="amount_minor")
    def amount(self, row: Any) -> SafeString:
        return formats.money(row.amount_minor, row.batch.currency)


@admin.register(Payout)
class PayoutAdmin(ViewOnlyAdmin):
    """Transfers to vendors."""

    list_display = [
        "reference",
        "batch_shown",
        "amount",
        "account",
        "state_shown",
        "provider_ref",
        "set_aside",
        "paid",
    ]
    list_select_related = ["batch"]
    list_filter = [filters.state_of(Payout), filters.currency]
    search_fields = ["=id", "=provider_reference", "=batch__number"]
    hidden_fields = ["event_hash"]

    reference = code_column("public_id", "payout")
    batch_shown = link_column("batch")
    amount = money_column()
    state_shown = badge_column("state")
    provider_ref = code_column("provider_reference", "provider's reference")
    set_aside = moment_column("occurred_at", "set aside")
    paid = moment_column("paid_at", "paid")

    @admin.display(description="to account")
    def account(self, row: Payout) -> str:
        return f"…{row.account_end}"
