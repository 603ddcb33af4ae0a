"""The desk against money laundering: transfers that wait for a person, and patterns that were flagged."""

from collections.abc import Iterable

from django.contrib import admin
from django.utils.safestring import SafeString

from ledger import ids
from ledger.admin import filters, formats
from ledger.admin.base import (
    Facts,
    Panel,
    ReasonedAction,
    ViewOnlyAdmin,
    badge_column,
    by,
    link_column,
    moment_column,
    money_column,
)
from ledger.machines import OPEN
from ledger.models import AmlAlert, Transfer
from ledger.transfers import reviewing
from ledger.transfers.screening import RULES

EARLIER_SHOWN = 20


def _is_open(alert: AmlAlert) -> bool:
    return alert.state == OPEN


@admin.register(AmlAlert)
class AmlAlertAdmin(ViewOnlyAdmin):
    """Alerts of all merchants."""

    list_display = [
        "name",
        "merchant",
        "rule_shown",
        "account_shown",
        "amount",
        "waits",
        "state_shown",
        "raised",
    ]
    list_select_related = ["account"]
    list_filter = [filters.state_of(AmlAlert), filters.one_of("rule", RULES)]
    search_fields = ["=id", "=transfer__id", "=merchant_id"]
    reasoned_actions = [
        ReasonedAction(
            name="clear",
            label="Clear",
            permission="ledger.decide_alert",
            perform=by(reviewing.clear, "alert_id"),
            done="The alert is cleared; a transfer that waited for it is completed.",
            is_offered=_is_open,
            explains="Nothing is wrong: the held money moves. Nobody decides on a transfer of his own.",
        ),
        ReasonedAction(
            name="uphold",
            label="Uphold",
            permission="ledger.decide_alert",
            perform=by(reviewing.uphold, "alert_id"),
            done="The alert is upheld; a transfer that waited for it is rejected.",
            is_offered=_is_open,
            explains="The suspicion stands: the held money goes back to its account.",
            is_dangerous=True,
        ),
    ]
    account_shown = link_column("account", "out of")
    amount = money_column()
    state_shown = badge_column("state")
    raised = moment_column("created_at", "raised")

    @admin.display(description="alert")
    def name(self, row: AmlAlert) -> SafeString:
        return formats.code(row.public_id)

    @admin.display(description="merchant")
    def merchant(self, row: AmlAlert) -> SafeString:
        return formats.code(ids.show("mer", row.merchant_id))

    @admin.display(description="rule", ordering="rule")
    def rule_shown(self, row: AmlAlert) -> str:
        return row.rule.replace("_", " ")

    @admin.display(description="money waits", boolean=True)
    def waits(self, row: AmlAlert) -> bool:
        return row.holds_transfer and _is_open(row)

    def facts(self, row: AmlAlert) -> list[Facts]:
        seen = [
            (name.replace("_", " ").removesuffix(" minor"), _observed(name, value, row.currency))
            for name, value in row.observed.items()
        ]
        decided = [
            ("state", formats.badge(row.state)),
            ("decided by", row.decided_by.get("label") or formats.NOTHING),
            ("because", formats.wrapped(row.decision_reason)),
            ("decided", formats.moment(row.decided_at)),
        ]
        return [
            Facts(
                "",
                [
                    ("public id", formats.code(row.public_id)),
                    ("merchant", self.merchant(row)),
                    ("rule", self.rule_shown(row)),
                    ("transfer", formats.link(row.transfer)),
                    ("its state", formats.badge(row.transfer.state)),
                    ("out of", formats.link(row.account)),
                    ("amount", formats.money(row.amount_minor, row.currency)),
                    ("raised", formats.moment(row.created_at)),
                ],
            ),
            Facts("What the rule saw", seen),
            Facts("Verdict", decided),
        ]

    def panels(self, row: AmlAlert) -> Iterable[Panel]:
        latest = Transfer.objects.filter(source_id=row.account_id, created_at__lte=row.created_at)
        yield Panel(
            "Transfers out of the account until then",
            ["transfer", "type", "to", "amount", "state", "when"],
            [
                [
                    formats.link(transfer, transfer.public_id),
                    transfer.type.replace("_", " "),
                    formats.link(transfer.target),
                    formats.money(transfer.amount_minor, transfer.currency),
                    formats.badge(transfer.state),
                    formats.moment(transfer.created_at),
                ]
                for transfer in latest.select_related("target").order_by("-created_at", "-id")[:EARLIER_SHOWN]
            ],
            note=f"The latest {EARLIER_SHOWN}.",
        )


def _observed(name: str, value: int, currency: str) -> SafeString | str:
    return formats.money(value, currency) if name.endswith("_minor") else str(value)
