"""Calls to providers for staff, and what they and their callbacks tell in a payment's story."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ledger.admin import formats
from ledger.admin.base import (
    Panel,
    ViewOnlyAdmin,
    badge_column,
    link_column,
    moment_column,
    money_column,
)
from ledger.admin.story import Context, Item, made_at, tells
from payments.models import ProviderOperation, ProviderWebhook

TONES = {"approved": "good", "declined": "bad", "rejected": "bad", "": "plain"}
TIME_ORDERED = 7  # the version of keys that hold their time


class StandingFilter(admin.SimpleListFilter):
    """Whether an operation is over, open, or waits for a person."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [
            ("open", "open"),
            ("unknown", "open, outcome unknown"),
            ("held", "held for a person"),
            ("over", "over"),
        ]

    def queryset(
        self, request: HttpRequest, queryset: "QuerySet[ProviderOperation]"
    ) -> "QuerySet[ProviderOperation]":
        still_open = Q(concluded_at__isnull=True)
        wanted = {
            "open": still_open,
            "unknown": still_open & Q(outcome__in=["unknown", "mismatch"]),
            "held": still_open & Q(ask_at__isnull=True),
            "over": ~still_open,
        }
        chosen = wanted.get(self.value() or "")
        return queryset.filter(chosen) if chosen else queryset


@admin.register(ProviderOperation)
class ProviderOperationAdmin(ViewOnlyAdmin):
    """What was asked of providers, and what became of it."""

    list_display = [
        "reference",
        "kind",
        "payment_shown",
        "amount",
        "outcome_shown",
        "standing",
        "tries",
        "asks",
        "asked_first",
        "asks_next",
    ]
    list_select_related = ["payment"]
    list_filter = [StandingFilter, "kind", "outcome"]
    search_fields = ["=id", "=idempotency_key", "=provider_reference"]

    payment_shown = link_column("payment")
    amount = money_column()
    outcome_shown = badge_column("outcome")
    asked_first = moment_column("created_at", "claimed")
    asks_next = moment_column("ask_at", "asks next")

    @admin.display(description="operation")
    def reference(self, row: ProviderOperation) -> SafeString:
        return formats.code(row.public_id)

    @admin.display(description="standing")
    def standing(self, row: ProviderOperation) -> SafeString:
        return formats.badge("held" if row.is_held else "open" if row.is_open else "over")

    def panels(self, row: ProviderOperation) -> Iterable[Panel]:
        yield Panel(
            "Callbacks about it",
            ["received", "type", "state", "remark"],
            [
                [
                    formats.moment(hook.received_at),
                    formats.link(hook, hook.event_type or hook.event_id),
                    formats.badge(hook.state),
                    hook.verdict or hook.last_error or formats.NOTHING,
                ]
                for hook in row.webhooks.order_by("received_at")
            ],
        )


@tells("payment")
def operations_of(context: Context) -> Iterable[Item]:
    """Tell what was asked of the provider for a payment, what it answered, and its callbacks."""
    operations = ProviderOperation.objects.filter(payment_id=context.subject.pk).order_by("created_at", "id")
    for operation in operations:
        yield from _told_by(operation, context)
    hooks = ProviderWebhook.objects.filter(operation__payment_id=context.subject.pk).order_by("received_at")
    for hook in hooks.defer("body", "headers"):
        yield Item(
            at=hook.received_at,
            kind="callback",
            title=(hook.event_type or hook.event_id).replace("_", " "),
            detail=hook.verdict or hook.last_error or "",
            badge=formats.badge(hook.state),
            link=formats.page_of(hook),
            by=f"provider {hook.provider}",
            written=made_at(hook.pk),
        )


def _told_by(operation: ProviderOperation, context: Context) -> Iterable[Item]:
    amount = formats.money_text(operation.amount_minor, operation.currency)
    link, news = formats.page_of(operation), context.caused.get(operation.public_id)
    claimed = _claimed(operation, news)
    yield Item(
        at=operation.created_at,
        kind="provider operation",
        title=f"{operation.leg.replace(':', ' ')}: {amount} asked of {operation.provider}",
        detail=formats.code(operation.idempotency_key),
        link=link,
        written=claimed,
    )
    ended = operation.concluded_at or operation.noted_at
    if ended is None:
        return
    parts = [operation.outcome_code.replace("_", " "), operation.provider_reference]
    if operation.fee_minor:
        parts.append(f"fee {formats.money_text(operation.fee_minor, operation.currency)}")
    if operation.tries > 1:
        parts.append(f"sent {_times(operation.tries)}")
    if operation.asks:
        parts.append(f"the provider was asked {_times(operation.asks)} what became of it")
    yield Item(
        at=ended,
        kind="answer",
        title=f"{operation.leg.replace(':', ' ')}: {operation.get_outcome_display() or 'no answer yet'}",
        detail=", ".join(filter(None, parts)),
        badge=formats.badge(
            "open" if operation.is_open else "done", "still open" if operation.is_open else "over"
        ),
        tone=TONES.get(operation.outcome, "watch"),
        link=link,
        by=f"provider {operation.provider}",
        # Just before the news that it caused.
        written=claimed + 0.001 if news is None else news - 0.001,
    )


def _claimed(operation: ProviderOperation, news: float | None) -> float:
    """Return when an operation was written down; a key derived from another (RFC 9562, 5.5) does not tell."""
    if operation.pk.version == TIME_ORDERED:
        return made_at(operation.pk)
    return operation.created_at.timestamp() if news is None else news - 0.002


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
