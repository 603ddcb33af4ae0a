"""The refund desk: what waits for a second person, and each refund with the shares that give it back."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial

from django.contrib import admin
from django.db.models import QuerySet

from ledger.actors import Actor
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
from payments.admin.looking import where_to_look
from payments.models import ProviderOperation, Refund, RefundShare
from payments.models.operations import Kind
from payments.services.refunds import renewing_refunds, requesting_refunds
from payments.states import REQUESTED


def _waits(refund: Refund) -> bool:
    return refund.state == REQUESTED and not requesting_refunds.needs_senior(refund)


def _waits_for_senior(refund: Refund) -> bool:
    return refund.state == REQUESTED and requesting_refunds.needs_senior(refund)


def _ask_again(row: Refund, actor: Actor, reason: str, at: datetime) -> None:
    renewing_refunds.ask_again(
        merchant_id=row.merchant_id, refund_id=row.pk, reason=reason, actor=actor, at=at, needs_second=True
    )


ACTS = [
    ReasonedAction(
        name=f"{verb}_large" if is_senior else verb,
        label=label,
        permission="payments.decide_large_refund" if is_senior else "payments.decide_refund",
        perform=by(partial(getattr(requesting_refunds, verb), is_senior=is_senior), "refund_id"),
        done=done,
        is_offered=_waits_for_senior if is_senior else _waits,
        explains=explains,
        is_dangerous=verb == "reject",
    )
    for is_senior in (False, True)
    for verb, label, done, explains in (
        (
            "approve",
            "Approve",
            "The refund is approved.",
            "The money goes back when it is processed. Nobody approves a request of their own.",
        ),
        ("reject", "Reject", "The refund is rejected; the money stays.", ""),
    )
] + [
    ReasonedAction(
        name="ask_again",
        label="Ask again",
        permission="payments.decide_refund",
        perform=_ask_again,
        done="The refund waits for a second person.",
        is_offered=lambda row: not renewing_refunds.why_not_again(row),
        explains="The money is reserved again. Somebody else approves it, whatever its amount; "
        "then it is processed under a new key.",
    )
]


@admin.register(Refund)
class RefundAdmin(ViewOnlyAdmin):
    """Refunds of all merchants."""

    list_display = [
        "number",
        "merchant_shown",
        "payment_shown",
        "amount",
        "state_shown",
        "reason",
        "requested",
    ]
    list_select_related = ["merchant", "payment"]
    list_filter = [filters.state_of(Refund), filters.currency]
    search_fields = ["=number", "=id", "=payment__number"]
    hidden_fields = ["event_hash", "account_token", "account_shown"]

    reasoned_actions = ACTS
    merchant_shown = link_column("merchant")
    payment_shown = link_column("payment")
    amount = money_column()
    state_shown = badge_column("state")
    requested = moment_column("created_at", "requested")

    def facts(self, row: Refund) -> list[Facts]:
        """Tell also where it goes when an account was named, as far as that may be shown."""
        shown, found = row.account_shown, super().facts(row)
        if shown:
            account = f"{shown['country']} ···{shown['last4']}"
            found.append(Facts("Where it goes", [("by", shown["type"]), ("account", account)]))
        return [*found, *where_to_look(_asked(row).filter(kind=Kind.REFUND).last())]

    def panels(self, row: Refund) -> Iterable[Panel]:
        yield Panel(
            "Given back by",
            ["vendor", "amount", "commission returned to the vendor", "commission kept"],
            [
                [
                    formats.link(share.transaction.vendor),
                    formats.money(share.amount_minor, share.currency),
                    formats.money(share.commission_back_minor, share.currency),
                    formats.money(share.commission_kept_minor, share.currency),
                ]
                for share in row.shares.select_related("transaction__vendor").order_by("id")
            ],
            empty="the merchant alone",
        )
        yield Panel(
            "Asked of the provider",
            ["operation", "outcome", "code", "claimed", "concluded"],
            [
                [
                    formats.link(operation, operation.public_id),
                    formats.badge(operation.outcome),
                    operation.outcome_code or formats.NOTHING,
                    formats.moment(operation.created_at),
                    formats.moment(operation.concluded_at),
                ]
                for operation in _asked(row)
            ],
        )


def _asked(row: Refund) -> "QuerySet[ProviderOperation]":
    asked = ProviderOperation.objects.filter(subject_type=Refund.SUBJECT, subject_id=row.pk)
    return asked.order_by("created_at", "id")


@admin.register(RefundShare)
class RefundShareAdmin(ViewOnlyAdmin):
    """Shares of refunds, by vendor."""

    list_display = ["refund_shown", "vendor", "amount", "back"]
    list_select_related = ["refund", "transaction__vendor"]
    list_filter = [filters.currency]
    search_fields = ["=refund__number"]
    refund_shown = link_column("refund")
    amount = money_column()
    back = money_column("commission_back_minor", "commission returned")

    @admin.display(description="vendor")
    def vendor(self, row: RefundShare) -> str:
        return row.transaction.vendor.name
