"""The desk of calls to providers, and of what providers said against what was concluded."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from ledger.actors import Actor
from ledger.admin import filters, formats
from ledger.admin.base import (
    Facts,
    Panel,
    ReasonedAction,
    ViewOnlyAdmin,
    badge_column,
    link_column,
    moment_column,
    money_column,
)
from payments.admin.looking import refund_of, where_to_look
from payments.admin.routing import route_panel
from payments.models import Contradiction, ProviderOperation
from payments.services.calls import recovering
from payments.services.unknown import deciding_unknown
from payments.states import OPEN

UNKNOWN_MONEY: Final = "unknown_money"
DECIDES: Final = "payments.decide_unknown"


class StandingFilter(admin.SimpleListFilter):
    """Whether an operation is over, open, or waits for a person."""

    title = "standing"
    parameter_name = "standing"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [
            ("open", "open"),
            ("unknown", "open, outcome unknown"),
            ("held", "held for a person"),
            ("contradicted", "contradicted"),
            (UNKNOWN_MONEY, "unknown money: held or contradicted"),
            ("over", "over"),
        ]

    def queryset(
        self, request: HttpRequest, queryset: "QuerySet[ProviderOperation]"
    ) -> "QuerySet[ProviderOperation]":
        still_open = Q(concluded_at__isnull=True)
        held = still_open & Q(ask_at__isnull=True)
        # By the few open ones, not by looking at each operation for its own.
        against = Q(pk__in=Contradiction.objects.filter(state=OPEN).values("operation_id"))
        wanted = {
            "open": still_open,
            "unknown": still_open & Q(outcome__in=["unknown", "mismatch"]),
            "held": held,
            "contradicted": against,
            UNKNOWN_MONEY: held | against,
            "over": ~still_open,
        }
        chosen = wanted.get(self.value() or "")
        return queryset.filter(chosen) if chosen else queryset


def _ask_again(row: ProviderOperation, actor: Actor, reason: str, at: datetime) -> None:
    recovering.ask_again(row.pk, actor=actor, reason=reason, at=at)


def _propose_not_done(row: ProviderOperation, actor: Actor, reason: str, at: datetime) -> None:
    deciding_unknown.propose_not_done(operation_id=row.pk, actor=actor, reason=reason, at=at)


def _confirm_not_done(row: ProviderOperation, actor: Actor, reason: str, at: datetime) -> None:
    deciding_unknown.confirm_not_done(operation_id=row.pk, actor=actor, reason=reason, at=at)


def _propose_done(row: ProviderOperation, actor: Actor, reason: str, at: datetime) -> None:
    deciding_unknown.propose_done(operation_id=row.pk, actor=actor, reason=reason, at=at)


def _confirm_done(row: ProviderOperation, actor: Actor, reason: str, at: datetime) -> None:
    deciding_unknown.confirm_done(operation_id=row.pk, actor=actor, reason=reason, at=at)


def _is_done_proposed(row: ProviderOperation) -> bool:
    return row.is_held and deciding_unknown.DONE_PROPOSED in row.outcome_detail


def _is_held(row: ProviderOperation) -> bool:
    return row.is_held


def _is_proposed(row: ProviderOperation) -> bool:
    return row.is_held and deciding_unknown.PROPOSED in row.outcome_detail


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
        "asked_first",
        "asks_next",
    ]
    list_select_related = ["payment"]
    list_filter = [StandingFilter, "kind", "outcome"]
    search_fields = ["=id", "=idempotency_key", "=provider_reference"]
    hidden_fields = ["route"]
    reasoned_actions = [
        ReasonedAction(
            name="ask_again",
            label="Ask the provider again",
            permission=DECIDES,
            perform=_ask_again,
            done="The provider is asked again; what it answers is booked.",
            is_offered=_is_held,
            explains="The recovery asks within seconds. An answer about other money holds it again.",
        ),
        ReasonedAction(
            name="propose_not_done",
            label="Propose: it never happened",
            permission=DECIDES,
            perform=_propose_not_done,
            done="A second person must confirm it.",
            is_offered=lambda row: _is_held(row) and not _is_proposed(row),
            explains="Only when the provider's own books show nothing. A second person confirms.",
        ),
        ReasonedAction(
            name="confirm_not_done",
            label="Confirm: it never happened",
            permission=DECIDES,
            perform=_confirm_not_done,
            done="The operation is over as refused; what it held is free.",
            is_offered=_is_proposed,
            explains="What the operation set aside is free again. Nobody confirms a proposal of their own.",
            is_dangerous=True,
        ),
        ReasonedAction(
            name="propose_done",
            label="Propose: it was done, as told",
            permission=DECIDES,
            perform=_propose_done,
            done="A second person must confirm it.",
            is_offered=lambda row: (
                _is_held(row) and deciding_unknown.is_told_done(row) and not _is_done_proposed(row)
            ),
            explains="Its provider told so and cannot be asked. A second person confirms.",
        ),
        ReasonedAction(
            name="confirm_done",
            label="Confirm: it was done, as told",
            permission=DECIDES,
            perform=_confirm_done,
            done="The operation is over as done, and booked.",
            is_offered=_is_done_proposed,
            explains="It is booked for the amount that was asked for. Nobody confirms an own proposal.",
            is_dangerous=True,
        ),
    ]

    payment_shown = link_column("payment")
    amount = money_column()
    outcome_shown = badge_column("outcome")
    asked_first = moment_column("created_at", "claimed")
    asks_next = moment_column("ask_at", "asks next")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[ProviderOperation]":
        against = Contradiction.objects.filter(operation=OuterRef("pk"), state=OPEN)
        return super().get_queryset(request).annotate(is_contradicted=Exists(against))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Show the list; as the desk of unknown money it says so."""
        is_desk = request.GET.get(StandingFilter.parameter_name) == UNKNOWN_MONEY
        title = {"title": "Unknown money", "content_title": "Unknown money"} if is_desk else {}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    @admin.display(description="operation")
    def reference(self, row: ProviderOperation) -> SafeString:
        return formats.code(row.public_id)

    @admin.display(description="standing")
    def standing(self, row: ProviderOperation) -> SafeString:
        if row.__dict__.get("is_contradicted"):
            return formats.badge("contradicted")
        return formats.badge("held" if row.is_held else "open" if row.is_open else "over")

    def facts(self, row: ProviderOperation) -> list[Facts]:
        return [*super().facts(row), *where_to_look(row)]

    def panels(self, row: ProviderOperation) -> Iterable[Panel]:
        if row.route:
            yield route_panel(row.route)
        yield Panel(
            "Contradictions",
            ["seen", "was", "then said", "about", "told by", "state", "decided"],
            [
                [
                    formats.moment(found.occurred_at),
                    formats.badge(found.was),
                    formats.link(found, found.get_said_display()),
                    formats.wrapped(" ".join(filter(None, [found.said_code, found.said_words]))),
                    found.told_by,
                    formats.badge(found.state),
                    formats.wrapped(f"{found.decided_by}: {found.reason}" if found.decided_by else ""),
                ]
                for found in row.contradictions.order_by("occurred_at")
            ],
        )
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
                for hook in row.webhooks.defer("body", "headers").order_by("received_at")
            ],
        )


def _accept(row: Contradiction, actor: Actor, reason: str, at: datetime) -> None:
    deciding_unknown.accept(contradiction_id=row.pk, actor=actor, reason=reason, at=at)


def _close(row: Contradiction, actor: Actor, reason: str, at: datetime) -> None:
    deciding_unknown.close(contradiction_id=row.pk, actor=actor, reason=reason, at=at)


def _is_undecided(row: Contradiction) -> bool:
    return row.state == OPEN


def _is_acceptable(row: Contradiction) -> bool:
    return _is_undecided(row) and not deciding_unknown.why_not_acceptable(row, row.operation.payment)


@admin.register(Contradiction)
class ContradictionAdmin(ViewOnlyAdmin):
    """Words of providers against what was concluded."""

    list_display = [
        "operation_shown",
        "was_shown",
        "said_shown",
        "about",
        "state_shown",
        "seen",
        "decided_by",
    ]
    list_select_related = ["operation"]
    list_filter = [filters.state_of(Contradiction)]
    search_fields = ["=id", "=operation__idempotency_key"]
    hidden_fields = ["event_hash", "operation", "said_minor"]
    reasoned_actions = [
        ReasonedAction(
            name="accept",
            label="Accept the provider's word",
            permission=DECIDES,
            perform=_accept,
            done="The operation is open again; the provider is asked and its answer booked.",
            is_offered=_is_acceptable,
            explains="The money is set aside again and the provider is asked, but not told to do it. "
            "What it answers now is booked. Where it cannot be asked, two persons decide on what it told.",
        ),
        ReasonedAction(
            name="close",
            label="Close",
            permission=DECIDES,
            perform=_close,
            done="The contradiction is closed; what was booked stays.",
            is_offered=_is_undecided,
            explains="Say what was done about the difference: nothing is booked by this.",
        ),
    ]

    operation_shown = link_column("operation")
    was_shown = badge_column("was")
    said_shown = badge_column("said", "then said")
    state_shown = badge_column("state")
    seen = moment_column("occurred_at", "seen")

    @admin.display(description="about")
    def about(self, row: Contradiction) -> SafeString:
        return formats.wrapped(" ".join(filter(None, [row.said_code, row.said_words])))

    def facts(self, row: Contradiction) -> list[Facts]:
        operation = row.operation
        why_not = deciding_unknown.why_not_acceptable(row, operation.payment)
        return [
            Facts(
                "What it is about",
                [
                    ("operation", formats.link(operation)),
                    ("payment", formats.link(operation.payment)),
                    *refund_of(operation),
                    ("amount", formats.money(operation.amount_minor, operation.currency)),
                    ("can be accepted", "yes" if not why_not else formats.sentence(f"no: {why_not}")),
                ],
            ),
            *where_to_look(operation),
            *super().facts(row),
        ]
