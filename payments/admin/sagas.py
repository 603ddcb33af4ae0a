"""Marketplace payments as staff see them: the steps there and back, and those that wait for a person."""

from collections.abc import Iterable

from django.contrib import admin

from ledger.admin import filters, formats
from ledger.admin.base import (
    Panel,
    ReasonedAction,
    ViewOnlyAdmin,
    badge_column,
    by,
    link_column,
    moment_column,
    money_column,
)
from payments.models import PaymentTransaction, Saga, SagaStep
from payments.models.sagas import Direction
from payments.saga_selectors import in_order
from payments.services.marketplace import marketplace
from payments.states import BLOCKED


def _named(step: SagaStep) -> str:
    undo = "Undo: " if step.direction == Direction.BACK else ""
    return f"{step.position} {undo}{step.get_name_display()}"


@admin.register(Saga)
class SagaAdmin(ViewOnlyAdmin):
    """Marketplace payments of all merchants."""

    list_display = ["shown", "merchant_shown", "payment_shown", "amount", "state_shown", "begun"]
    list_select_related = ["merchant", "payment"]
    list_filter = [filters.state_of(Saga), filters.currency]
    search_fields = ["=id", "=payment__number"]
    hidden_fields = ["event_hash"]
    reasoned_actions = [
        ReasonedAction(
            name="resume",
            label="Let it go on",
            permission="payments.decide_unknown",
            perform=by(marketplace.resume, "saga_id"),
            done="The marketplace payment is carried on.",
            is_offered=lambda saga: saga.state == BLOCKED,
            explains="The step that was refused is tried again, under a new key. Look at the provider first.",
        )
    ]
    merchant_shown = link_column("merchant")
    payment_shown = link_column("payment")
    amount = money_column()
    state_shown = badge_column("state")
    begun = moment_column("created_at", "begun")

    @admin.display(description="marketplace payment")
    def shown(self, row: Saga) -> str:
        return row.public_id

    def panels(self, row: Saga) -> Iterable[Panel]:
        steps = in_order(SagaStep.objects.filter(saga=row).select_related("vendor"))
        yield Panel(
            "Steps, there and back",
            ["step", "seller", "amount", "state", "tries", "note", "closed"],
            [
                [
                    _named(step),
                    formats.link(step.vendor) if step.vendor else formats.NOTHING,
                    formats.money(step.amount_minor, row.currency),
                    formats.badge(step.state),
                    step.tries or formats.NOTHING,
                    formats.wrapped(step.note),
                    formats.moment(step.closed_at),
                ]
                for step in steps
            ],
        )
        shares = PaymentTransaction.objects.filter(payment=row.payment_id).select_related("vendor")
        yield Panel(
            "Shares",
            ["share", "seller", "amount", "commission", "captured", "state"],
            [
                [
                    formats.link(share, share.public_id),
                    formats.link(share.vendor),
                    formats.money(share.amount_minor, share.currency),
                    formats.money(share.commission_minor, share.currency),
                    formats.money(share.captured_minor, share.currency),
                    formats.badge(share.state),
                ]
                for share in shares.order_by("position")
            ],
            empty="none allocated",
        )


@admin.register(SagaStep)
class SagaStepAdmin(ViewOnlyAdmin):
    """Steps of marketplace payments."""

    list_display = ["shown", "saga_shown", "amount", "state_shown", "tries", "note", "closed"]
    list_select_related = ["saga"]
    list_filter = [filters.state_of(SagaStep)]
    search_fields = ["=id", "=saga__id"]
    hidden_fields = ["event_hash"]
    saga_shown = link_column("saga")
    state_shown = badge_column("state")
    closed = moment_column("closed_at", "closed")

    @admin.display(description="step")
    def shown(self, row: SagaStep) -> str:
        return _named(row)

    @admin.display(description="amount")
    def amount(self, row: SagaStep) -> str:
        return formats.money(row.amount_minor, row.saga.currency)
