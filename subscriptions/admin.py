"""Plans, subscriptions, invoices and tries to collect them, for staff."""

from collections.abc import Iterable

from django.contrib import admin

from ledger.admin import filters, formats
from ledger.admin.base import (
    Panel,
    ViewOnlyAdmin,
    badge_column,
    code_column,
    link_column,
    moment_column,
    money_column,
)
from subscriptions.models import DunningAttempt, Invoice, InvoiceLine, Plan, Subscription


@admin.register(Plan)
class PlanAdmin(ViewOnlyAdmin):
    """Prices and periods; terms never change."""

    list_display = [
        "code",
        "name",
        "merchant_shown",
        "amount",
        "interval_count",
        "interval",
        "trial_days",
        "is_active",
    ]
    list_select_related = ["merchant"]
    list_filter = ["interval", "is_active"]
    search_fields = ["=code"]
    merchant_shown = link_column("merchant")
    amount = money_column()


@admin.register(Subscription)
class SubscriptionAdmin(ViewOnlyAdmin):
    """Standing agreements."""

    list_display = ["reference", "merchant_shown", "plan_shown", "customer_ref", "state_shown", "ends"]
    list_select_related = ["merchant", "plan"]
    list_filter = [filters.state_of(Subscription)]
    search_fields = ["=id", "=customer_ref"]
    hidden_fields = ["event_hash"]
    masked_fields = ["method_token"]
    reference = code_column("public_id", "subscription")
    merchant_shown = link_column("merchant")
    plan_shown = link_column("plan")
    state_shown = badge_column("state")
    ends = moment_column("period_end", "period ends")

    def panels(self, row: Subscription) -> Iterable[Panel]:
        yield Panel(
            "Invoices",
            ["invoice", "total", "state", "period", "due"],
            [
                [
                    formats.link(invoice),
                    formats.money(invoice.total_minor, invoice.currency),
                    formats.badge(invoice.state),
                    formats.moment(invoice.period_start),
                    formats.moment(invoice.due_at),
                ]
                for invoice in row.invoices.order_by("-period_start")[:24]
            ],
        )


@admin.register(Invoice)
class InvoiceAdmin(ViewOnlyAdmin):
    """What is owed for periods."""

    list_display = [
        "name",
        "merchant_shown",
        "subscription_shown",
        "total_shown",
        "state_shown",
        "due",
        "tries",
    ]
    list_select_related = ["merchant", "subscription"]
    list_filter = [filters.state_of(Invoice)]
    search_fields = ["=number", "=id"]
    hidden_fields = ["event_hash"]
    merchant_shown = link_column("merchant")
    subscription_shown = link_column("subscription")
    total_shown = money_column("total_minor", "total")
    state_shown = badge_column("state")
    due = moment_column("due_at")

    @admin.display(description="invoice")
    def name(self, row: Invoice) -> str:
        return str(row)

    def panels(self, row: Invoice) -> Iterable[Panel]:
        yield Panel(
            "Lines",
            ["what", "kind", "quantity", "unit", "amount"],
            [
                [
                    line.description,
                    line.get_kind_display(),
                    line.quantity,
                    formats.money(line.unit_minor, row.currency),
                    formats.money(line.amount_minor, row.currency),
                ]
                for line in row.lines.order_by("id")
            ],
        )
        yield Panel(
            "Tries to collect it",
            ["number", "due", "tried", "outcome", "code"],
            [
                [
                    attempt.number,
                    formats.moment(attempt.due_at),
                    formats.moment(attempt.tried_at),
                    formats.badge(attempt.outcome),
                    attempt.decline_code or formats.NOTHING,
                ]
                for attempt in row.attempts.order_by("number")
            ],
        )


@admin.register(InvoiceLine)
class InvoiceLineAdmin(ViewOnlyAdmin):
    """Lines of invoices."""

    list_display = ["description", "invoice_shown", "kind", "quantity", "amount"]
    list_select_related = ["invoice"]
    list_filter = ["kind"]
    search_fields = ["=invoice__number"]
    invoice_shown = link_column("invoice")

    @admin.display(description="amount")
    def amount(self, row: InvoiceLine) -> str:
        return formats.money(row.amount_minor, row.invoice.currency)


@admin.register(DunningAttempt)
class DunningAttemptAdmin(ViewOnlyAdmin):
    """Tries to collect invoices."""

    list_display = ["number", "invoice_shown", "due", "tried", "outcome_shown", "decline_code"]
    list_select_related = ["invoice"]
    search_fields = ["=invoice__number"]
    invoice_shown = link_column("invoice")
    due = moment_column("due_at")
    tried = moment_column("tried_at")
    outcome_shown = badge_column("outcome")
