"""Transfers between accounts, and the holds that keep money for them: looked at, with all that belongs to
them."""

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
    link_column,
    moment_column,
    money_column,
)
from ledger.models import Event, Hold, Transfer
from ledger.transfers.kinds import TransferType


@admin.register(Transfer)
class TransferAdmin(ViewOnlyAdmin):
    """Transfers of all merchants."""

    list_display = [
        "name",
        "type_shown",
        "source_shown",
        "target_shown",
        "amount",
        "state_shown",
        "asked",
    ]
    list_select_related = ["source", "target"]
    list_filter = [
        filters.state_of(Transfer),
        filters.one_of("type", list(TransferType)),
        filters.currency,
    ]
    search_fields = ["=id", "=merchant_id"]
    hidden_fields = ["event_hash"]

    source_shown = link_column("source", "from")
    target_shown = link_column("target", "to")
    amount = money_column()
    state_shown = badge_column("state")
    asked = moment_column("created_at", "asked for")

    @admin.display(description="transfer")
    def name(self, row: Transfer) -> SafeString:
        return formats.code(row.public_id)

    @admin.display(description="type", ordering="type")
    def type_shown(self, row: Transfer) -> str:
        return row.type.replace("_", " ")

    def panels(self, row: Transfer) -> Iterable[Panel]:
        yield Panel(
            "Alerts against money laundering",
            ["alert", "rule", "state", "decided by", "reason"],
            [
                [
                    formats.link(alert, alert.public_id),
                    alert.rule.replace("_", " "),
                    formats.badge(alert.state),
                    alert.decided_by.get("label") or formats.NOTHING,
                    formats.wrapped(alert.decision_reason),
                ]
                for alert in row.alerts.order_by("pk")
            ],
        )
        yield Panel(
            "Refunds of it",
            ["refund", "amount", "state", "asked for"],
            [
                [
                    formats.link(back, back.public_id),
                    formats.money(back.amount_minor, back.currency),
                    formats.badge(back.state),
                    formats.moment(back.created_at),
                ]
                for back in row.refunded_by.order_by("pk")[:ROWS_IN_A_PANEL]
            ],
        )
        yield _history(row)


@admin.register(Hold)
class HoldAdmin(ViewOnlyAdmin):
    """Holds of all merchants."""

    list_display = [
        "name",
        "account_shown",
        "target_shown",
        "amount",
        "left",
        "state_shown",
        "expires",
    ]
    list_select_related = ["account", "target"]
    list_filter = [filters.state_of(Hold), filters.currency]
    search_fields = ["=id", "=merchant_id"]
    hidden_fields = ["event_hash"]

    account_shown = link_column("account")
    target_shown = link_column("target", "for")
    amount = money_column()
    state_shown = badge_column("state")
    expires = moment_column("expires_at", "until")

    @admin.display(description="hold")
    def name(self, row: Hold) -> SafeString:
        return formats.code(row.public_id)

    @admin.display(description="still held")
    def left(self, row: Hold) -> SafeString:
        return formats.money(row.remaining.minor, row.currency)

    def panels(self, row: Hold) -> Iterable[Panel]:
        yield Panel(
            "Committed by",
            ["transfer", "amount", "state", "when"],
            [
                [
                    formats.link(transfer, transfer.public_id),
                    formats.money(transfer.amount_minor, transfer.currency),
                    formats.badge(transfer.state),
                    formats.moment(transfer.created_at),
                ]
                for transfer in row.transfers.order_by("pk")[:ROWS_IN_A_PANEL]
            ],
        )
        yield _history(row)


def _history(row: Any) -> Panel:
    told = Event.objects.filter(
        subject_type=row.SUBJECT, subject_id=row.pk, merchant_id=row.merchant_id
    ).order_by("sequence")
    return Panel(
        "History",
        ["when", "event", "by", "entry"],
        [
            [
                formats.moment(event.occurred_at),
                formats.link(event, event.type),
                f"{event.actor_kind} {event.actor_id}",
                formats.link_by_id("ledger_journalentry", event.entry_id, "entry")
                if event.entry_id
                else formats.NOTHING,
            ]
            for event in told[:ROWS_IN_A_PANEL]
        ],
    )
