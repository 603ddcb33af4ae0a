"""Providers' messages for staff: as they came, masked, what was tried and concluded; and what was refused.

Nothing here decides about money: a message that is tried again ends in the same conclusion as any other.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.contrib import admin
from django.utils.safestring import SafeString

from ledger.actors import Actor
from ledger.admin import filters, formats
from ledger.admin.base import (
    Facts,
    Panel,
    ReasonedAction,
    ViewOnlyAdmin,
    badge_column,
    code_column,
    moment_column,
)
from payments import selectors
from payments.models import ProviderWebhook, RefusedCallbacks
from payments.providers import registry
from payments.rules import shown_messages
from payments.services.webhooks import webhook_applying
from payments.states import FAILED, RECEIVED

BODY_SHOWN: Final = 4_000
PERMISSION: Final = "payments.keep_webhooks"


def _retry(webhook: ProviderWebhook, actor: Actor, reason: str, at: datetime) -> None:
    webhook_applying.retry(
        merchant_id=selectors.ALL, webhook_id=webhook.pk, actor=actor, reason=reason, at=at
    )


def _retry_all(webhook: ProviderWebhook, actor: Actor, reason: str, at: datetime) -> None:
    webhook_applying.retry_all(
        merchant_id=selectors.ALL, provider=webhook.provider, actor=actor, reason=reason, at=at
    )


def _ignore(webhook: ProviderWebhook, actor: Actor, reason: str, at: datetime) -> None:
    webhook_applying.ignore(webhook_id=webhook.pk, actor=actor, reason=reason, at=at)


def _is_open(webhook: ProviderWebhook) -> bool:
    return webhook.state in (RECEIVED, FAILED)


@admin.register(ProviderWebhook)
class ProviderWebhookAdmin(ViewOnlyAdmin):
    """Callbacks as they came, with what was done about them."""

    list_display = [
        "event",
        "event_type",
        "provider",
        "verified",
        "state_shown",
        "received",
        "tried_next",
        "operation_shown",
    ]
    list_select_related = ["operation"]
    list_filter = [
        filters.state_of(ProviderWebhook),
        filters.one_of("provider", registry.names),
        "is_verified",
    ]
    search_fields = ["=event_id", "=id"]
    hidden_fields = ["body", "headers", "attempts", "verdict", "operation"]
    reasoned_actions = [
        ReasonedAction(
            name="retry",
            label="Try again",
            permission=PERMISSION,
            perform=_retry,
            done="It was tried again; its state says what came of it.",
            is_offered=_is_open,
            explains="It is applied now, after those before it about the same operation. A dead letter gets "
            "all its tries again.",
        ),
        ReasonedAction(
            name="retry_all",
            label="Try all dead letters of this provider again",
            permission=PERMISSION,
            perform=_retry_all,
            done="The dead letters of this provider are tried again in the background.",
            is_offered=lambda webhook: webhook.state == FAILED,
            explains=f"The oldest {webhook_applying.RETRIED_AT_ONCE} get their tries again.",
        ),
        ReasonedAction(
            name="ignore",
            label="Ignore",
            permission=PERMISSION,
            perform=_ignore,
            done="The message rests.",
            is_offered=_is_open,
            explains="It will not be applied. What the provider says of the operation can still be asked.",
            is_dangerous=True,
        ),
    ]

    state_shown = badge_column("state")
    event = code_column("event_id", "event id")
    received = moment_column("received_at")
    tried_next = moment_column("apply_at", "tried next")

    @admin.display(description="operation")
    def operation_shown(self, row: ProviderWebhook) -> SafeString:
        return formats.link(row.operation, row.operation.kind) if row.operation else formats.NOTHING

    @admin.display(description="signature", ordering="is_verified")
    def verified(self, row: ProviderWebhook) -> SafeString:
        return formats.badge(
            "approved" if row.is_verified else "refused", "good" if row.is_verified else "bad"
        )

    def facts(self, row: ProviderWebhook) -> list[Facts]:
        body = shown_messages.payload(row.body)[:BODY_SHOWN]
        concluded = [
            ("what it concluded", row.verdict or formats.NOTHING),
            ("operation", formats.link(row.operation)),
            ("payment", formats.link(row.operation.payment if row.operation else None)),
        ]
        return [
            *super().facts(row),
            Facts("What came of it", concluded),
            Facts(
                "As received",
                [
                    ("headers", formats.block(shown_messages.headers(row.headers))),
                    ("body", formats.text_block(body)),
                ],
            ),
        ]

    def panels(self, row: ProviderWebhook) -> Iterable[Panel]:
        yield Panel(
            "Tries",
            ["at", "result"],
            [
                [formats.moment(datetime.fromisoformat(attempt["at"])), formats.wrapped(attempt["result"])]
                for attempt in row.attempts
            ],
            empty="not tried yet" if row.state == RECEIVED else "never tried",
        )


@admin.register(RefusedCallbacks)
class RefusedCallbacksAdmin(ViewOnlyAdmin):
    """Messages that nobody could verify, counted by source and day; the first ones are kept whole."""

    list_display = ["day", "provider", "source", "seen", "kept", "first", "last"]
    list_filter = [filters.one_of("provider", registry.names)]
    search_fields = ["=source"]
    first = moment_column("first_at")
    last = moment_column("last_at")
