"""Routing for staff: each merchant's policy and its next version, why a provider was chosen, and which cards
the schemes' limits forbid to try."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ledger.actors import Actor
from ledger.admin import formats
from ledger.admin.base import (
    Facts,
    Panel,
    ReasonedAction,
    ReasonForm,
    ViewOnlyAdmin,
    by,
    link_column,
    moment_column,
)
from payments import routing_selectors
from payments.explanations import routes as route_explanations
from payments.models import RetryStanding, RoutedMerchant, RoutingPolicy
from payments.rules import routing_policy
from payments.services.calls import limiting_retries
from payments.services.routes import keeping_routes

DEFAULT = {
    "weights": dict(routing_policy.DEFAULT_WEIGHTS),
    "rules": [],
    "attempts_max": routing_policy.ATTEMPTS_DEFAULT,
}


class PolicyForm(ReasonForm):
    """A policy as JSON, whole; its meaning is checked by the service."""

    content = forms.CharField(
        label="Policy, as JSON",
        max_length=50_000,
        widget=forms.Textarea(attrs={"rows": 18, "class": "house-input", "spellcheck": "false"}),
        help_text="weights: whole percents, sum 100. A rule has a name, when (currencies, brands, countries, "
        "method_types, amount_from, amount_to) and providers in their order, or a split by percent; with "
        "only, nobody else is asked. Also experiment, prices, attempts_max. What is left out: its default.",
    )

    after_version = forms.IntegerField(
        label="The version that this page showed", min_value=0, widget=forms.HiddenInput
    )

    def clean_content(self) -> dict[str, Any]:
        try:
            content = json.loads(self.cleaned_data["content"])
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError("this is not JSON") from error
        if not isinstance(content, dict):
            raise forms.ValidationError("a policy is a JSON object")
        return content


def _standing(row: RoutedMerchant) -> dict[str, Any]:
    """Return the policy that holds, to be changed, and its version."""
    newest = routing_selectors.newest_policy(row.pk)
    content = newest.content if newest else DEFAULT
    return {"content": json.dumps(content, indent=2), "after_version": newest.version if newest else 0}


def _write(row: RoutedMerchant, actor: Actor, reason: str, at: datetime, **told: Any) -> None:
    keeping_routes.write(merchant_id=row.pk, reason=reason, actor=actor, at=at, **told)


@admin.register(RoutedMerchant)
class RoutedMerchantAdmin(ViewOnlyAdmin):
    """How each merchant's payments find their provider."""

    list_display = ["name", "reference", "mode"]
    search_fields = ["=id", "name"]
    reasoned_actions = [
        ReasonedAction(
            name="write_policy",
            label="Write the next policy",
            permission="payments.keep_routes",
            perform=_write,
            done="The policy holds for payments from now on.",
            explains="A new version is written; payments that have a provider keep it.",
            form=PolicyForm,
            initial=_standing,
        )
    ]

    @admin.display(description="merchant")
    def reference(self, row: RoutedMerchant) -> SafeString:
        return formats.code(row.public_id)

    def facts(self, row: RoutedMerchant) -> list[Facts]:
        newest = routing_selectors.newest_policy(row.pk)
        weights = (newest.content if newest else {}).get("weights", routing_policy.DEFAULT_WEIGHTS)
        told = ", ".join(f"{name.replace('_', ' ')} {percent}" for name, percent in weights.items())
        return [
            Facts(
                "",
                [
                    ("merchant", formats.code(row.public_id)),
                    ("version that holds", str(newest.version if newest else "0: the default")),
                    ("weights", told),
                    ("whole policy", formats.block(newest.content if newest else {})),
                ],
            )
        ]  # fmt: skip

    def panels(self, row: RoutedMerchant) -> Iterable[Panel]:
        yield Panel(
            "Versions",
            ["version", "written", "by", "reason"],
            [
                [formats.link(one, str(one.version)), formats.moment(one.written_at), one.written_by,
                 formats.wrapped(one.reason)]
                for one in routing_selectors.versions(row.pk)
            ],
            empty="none: the default holds",
        )  # fmt: skip


@admin.register(RoutingPolicy)
class RoutingPolicyAdmin(ViewOnlyAdmin):
    """Every version of the merchants' policies; the newest of each holds."""

    list_display = ["merchant_shown", "version", "reason", "written_by", "written"]
    list_select_related = ["merchant"]
    search_fields = ["=id"]

    merchant_shown = link_column("merchant")
    written = moment_column("written_at")


class BoundFilter(admin.SimpleListFilter):
    """Whether a limit has been met."""

    title = "limit"
    parameter_name = "limit"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("never", "never again"), ("until", "until a date"), ("free", "none")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        wanted = {
            "never": {"is_never": True},
            "until": {"earliest_at__isnull": False},
            "free": {"is_never": False, "earliest_at__isnull": True},
        }
        chosen = wanted.get(self.value() or "")
        return queryset.filter(**chosen) if chosen else queryset


def _is_bound(row: RetryStanding) -> bool:
    return row.is_never or row.earliest_at is not None


@admin.register(RetryStanding)
class RetryStandingAdmin(ViewOnlyAdmin):
    """Cards that were declined, and whether the schemes let them be tried again."""

    list_display = ["card", "merchant_shown", "tries", "code", "limit", "until", "updated"]
    list_select_related = ["merchant"]
    list_filter = [BoundFilter]
    search_fields = ["=id", "=last4"]
    hidden_fields = ["method_key"]
    reasoned_actions = [
        ReasonedAction(
            name="lift",
            label="Let it be tried again",
            permission="payments.lift_retry_limit",
            perform=by(limiting_retries.lift, "standing_id", of_merchant=False),
            done="The card may be tried again; its count begins anew.",
            is_offered=_is_bound,
            explains="Only when the issuer or the scheme has said so: tries beyond the limits cost fees.",
            is_dangerous=True,
        )
    ]

    merchant_shown = link_column("merchant")
    until = moment_column("earliest_at", "not before")
    updated = moment_column("updated_at", "last decline")

    def facts(self, row: RetryStanding) -> list[Facts]:
        return [
            Facts(
                "",
                [
                    ("public id", formats.code(row.public_id)),
                    ("merchant", formats.link(row.merchant)),
                    ("card", self.card(row)),
                    ("last decline", row.code),
                    ("advice of the scheme", row.advice_code or formats.NOTHING),
                    ("limit", self.limit(row)),
                    ("because", row.reason or formats.NOTHING),
                    ("not before", formats.moment(row.earliest_at)),
                ],
            )
        ]

    def panels(self, row: RetryStanding) -> Iterable[Panel]:
        yield Panel("Declined tries", ["when"], [[formats.moment(one)] for one in row.declined])

    @admin.display(description="card")
    def card(self, row: RetryStanding) -> str:
        return f"{row.brand or 'card'} {row.last4}".strip()

    @admin.display(description="declined")
    def tries(self, row: RetryStanding) -> str:
        return str(len(row.declined))

    @admin.display(description="limit")
    def limit(self, row: RetryStanding) -> SafeString:
        if row.is_never:
            return formats.badge("never again")
        return formats.wrapped(row.reason) if row.earliest_at else formats.NOTHING


def route_panel(route: Mapping[str, Any]) -> Panel:
    """Return the table of the candidates of one choice, the chosen one first."""
    return Panel(
        "Why this provider",
        ["provider", "score", *route_explanations.CRITERIA_TITLES.values(), "remark"],
        route_explanations.rows(route),
        note=route_explanations.note(route),
    )
