"""Payment methods as staff see them: masked, view only; and the vault's rows without what they hold.

No page opens anything: the number of a card cannot be seen here by anybody.
"""

from collections.abc import Iterable

from django.contrib import admin

from ledger.admin import filters, formats
from ledger.admin.base import (
    Panel,
    ViewOnlyAdmin,
    badge_column,
    link_column,
    moment_column,
)
from payments import method_selectors
from payments.models import ExchangeKey, PaymentMethod, ProviderOperation, ProviderToken, VaultRecord
from payments.models.payment_choices import MethodType

_SEALED = ["wrapped_key", "nonce", "ciphertext"]


@admin.register(PaymentMethod)
class PaymentMethodAdmin(ViewOnlyAdmin):
    """Payment methods of all merchants."""

    list_display = [
        "shown",
        "merchant_shown",
        "customer_ref",
        "kind",
        "state_shown",
        "default",
        "until",
        "added",
    ]
    list_select_related = ["merchant"]
    list_filter = [filters.state_of(PaymentMethod), "kind", "is_default"]
    search_fields = ["=id", "=customer_ref", "=fingerprint"]
    hidden_fields = ["event_hash"]
    masked_fields = ["vault_token"]
    merchant_shown = link_column("merchant")
    state_shown = badge_column("state")
    added = moment_column("created_at", "added")

    @admin.display(description="method")
    def shown(self, row: PaymentMethod) -> str:
        return str(row)

    @admin.display(description="default", ordering="is_default")
    def default(self, row: PaymentMethod) -> str:
        return formats.badge("default") if row.is_default else ""

    @admin.display(description="until")
    def until(self, row: PaymentMethod) -> str:
        return f"{row.exp_month:02d}/{row.exp_year}" if row.exp_year else ""

    def panels(self, row: PaymentMethod) -> Iterable[Panel]:
        yield Panel(
            "Known to",
            ["provider", "since"],
            [
                [held.provider, formats.moment(held.created_at)]
                for held in ProviderToken.objects.filter(method=row).order_by("created_at", "id")
            ],
            empty="no provider yet",
        )
        asked = ProviderOperation.objects.filter(subject_type=PaymentMethod.SUBJECT, subject_id=row.pk)
        yield Panel(
            "Verified by",
            ["operation", "leg", "outcome", "code", "claimed", "concluded"],
            [
                [
                    formats.link(operation, operation.public_id),
                    operation.leg,
                    formats.badge(operation.outcome),
                    operation.outcome_code or formats.NOTHING,
                    formats.moment(operation.created_at),
                    formats.moment(operation.concluded_at),
                ]
                for operation in asked.order_by("created_at", "leg")
            ],
        )
        same = method_selectors.with_fingerprint(row).select_related("merchant")
        yield Panel(
            "The same card or account at this merchant",
            ["method", "customer", "state", "added"],
            [
                [
                    formats.link(other),
                    other.customer_ref,
                    formats.badge(other.state),
                    formats.moment(other.created_at),
                ]
                for other in same[:25]
            ],
            note="a hint, not proof: the fingerprint of the number",
        )


@admin.register(ProviderToken)
class ProviderTokenAdmin(ViewOnlyAdmin):
    """What providers call methods; the tokens themselves are masked."""

    list_display = ["method_shown", "provider", "since"]
    list_select_related = ["method"]
    search_fields = ["=method__id"]
    masked_fields = ["token"]
    method_shown = link_column("method")
    since = moment_column("created_at", "since")


@admin.register(VaultRecord)
class VaultRecordAdmin(ViewOnlyAdmin):
    """That the vault holds something, since when and under which key."""

    list_display = ["public", "kind", "key_id", "kept", "erased"]
    list_select_related = ["merchant"]
    list_filter = [filters.one_of("kind", MethodType.values)]
    search_fields = ["=id"]
    hidden_fields = [*_SEALED, "fingerprint"]
    masked_fields = ["token"]
    merchant_shown = link_column("merchant")
    kept = moment_column("created_at", "kept")
    erased = moment_column("erased_at", "erased")

    @admin.display(description="record")
    def public(self, row: VaultRecord) -> str:
        return row.public_id


@admin.register(ExchangeKey)
class ExchangeKeyAdmin(ViewOnlyAdmin):
    """Key pairs under which browsers encrypt for the vault."""

    list_display = ["public", "made", "until", "opens_until", "erased"]
    search_fields = ["=id"]
    hidden_fields = [*_SEALED, "public_key"]
    made = moment_column("created_at", "made")
    until = moment_column("expires_at", "published until")
    opens_until = moment_column("usable_until", "opens until")
    erased = moment_column("erased_at", "erased")

    @admin.display(description="key pair")
    def public(self, row: ExchangeKey) -> str:
        return row.public_id
