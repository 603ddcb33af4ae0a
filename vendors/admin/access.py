"""API keys and idempotency keys for staff: what they may and did, never what they are."""

from datetime import datetime

from django.contrib import admin
from django.utils.safestring import SafeString

from ledger.actors import Actor
from ledger.admin import formats
from ledger.admin.base import ReasonedAction, ViewOnlyAdmin, code_column, link_column, moment_column
from vendors.models import ApiKey, IdempotencyKey
from vendors.services import keys


def _revoke(key: ApiKey, actor: Actor, reason: str, at: datetime) -> None:
    keys.revoke(merchant_id=key.merchant_id, api_key_id=key.pk, reason=reason, actor=actor, at=at)


@admin.register(ApiKey)
class ApiKeyAdmin(ViewOnlyAdmin):
    """Keys to the API; the secret was shown once and only its hash is kept."""

    list_display = ["reference", "merchant_shown", "mode", "label", "since", "expires", "revoked", "used"]
    list_select_related = ["merchant"]
    list_filter = ["mode", ("revoked_at", admin.EmptyFieldListFilter)]
    search_fields = ["=lookup"]
    hidden_fields = ["secret_sha256"]
    reasoned_actions = [
        ReasonedAction(
            name="revoke",
            label="Revoke",
            permission="vendors.revoke_key",
            perform=_revoke,
            done="The key is revoked: whoever holds it is refused from now on.",
            is_offered=lambda key: key.revoked_at is None,
            explains="At once and for good. To change keys without a gap, the merchant rotates instead.",
            is_dangerous=True,
        )
    ]
    merchant_shown = link_column("merchant")
    since = moment_column("recorded_at", "since")
    expires = moment_column("expires_at")
    revoked = moment_column("revoked_at")
    used = moment_column("last_used_at", "last used")

    @admin.display(description="key")
    def reference(self, row: ApiKey) -> SafeString:
        return formats.code(row.public_id)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ViewOnlyAdmin):
    """Requests that may be repeated, and how far each has come; bodies are not shown."""

    list_display = [
        "key_shown",
        "merchant_shown",
        "method",
        "path",
        "recovery_point",
        "response_status",
        "asked",
        "finished",
    ]
    list_select_related = ["merchant"]
    list_filter = [("finished_at", admin.EmptyFieldListFilter)]
    search_fields = ["=key", "=effect_id"]
    hidden_fields = ["request_body", "response_body", "response_headers"]
    key_shown = code_column("key")
    merchant_shown = link_column("merchant")
    asked = moment_column("occurred_at", "asked")
    finished = moment_column("finished_at")
