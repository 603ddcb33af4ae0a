"""Merchants, vendors and commission rules for staff; merchants and vendors are suspended and reinstated."""

from collections.abc import Iterable
from uuid import UUID

from django import forms
from django.contrib import admin
from django.utils.safestring import SafeString

from ledger.admin import filters, formats
from ledger.admin.base import (
    ROWS_IN_A_PANEL,
    Facts,
    Panel,
    ReasonedAction,
    ReasonForm,
    ViewOnlyAdmin,
    badge_column,
    by,
    link_column,
    moment_column,
)
from ledger.owners import names_owners
from vendors import selectors
from vendors.models import CommissionRule, Merchant, Vendor
from vendors.services import notices, onboarding
from vendors.states import VendorState


class NoticeAddressForm(ReasonForm):
    """Where notices go."""

    address = forms.EmailField(
        label="Mail address (empty: no notices)",
        required=False,
        widget=forms.EmailInput(attrs={"class": "house-input", "autocomplete": "off"}),
    )
    instead_of = forms.CharField(required=False, widget=forms.HiddenInput)
    field_order = ["address", "reason"]


@admin.register(Merchant)
class MerchantAdmin(ViewOnlyAdmin):
    """The tenants; where they get notices by mail may be set, and they may be suspended."""

    list_display = ["name", "reference", "mode", "standing", "capture_method", "recorded"]
    list_filter = ["mode", "is_active"]
    search_fields = ["=id", "name"]
    reasoned_actions = [
        ReasonedAction(
            name="set_notice_address",
            label="Set the address for notices",
            permission="vendors.keep_merchant",
            perform=by(notices.set_address, "merchant_id", of_merchant=False),
            done="Notices go to that address from now on.",
            explains="Warnings before the answer to a dispute is due go there by mail.",
            form=NoticeAddressForm,
            initial=lambda merchant: {
                "address": merchant.notice_address,
                "instead_of": merchant.notice_address,
            },
        ),
        ReasonedAction(
            name="suspend",
            label="Suspend",
            permission="vendors.suspend_merchant",
            perform=by(onboarding.suspend_merchant, "merchant_id", of_merchant=False),
            done="The merchant is suspended: no key of theirs is taken, no payment takes money.",
            is_offered=lambda merchant: merchant.is_active,
            explains="Until it is reinstated none of its API keys is taken, and no payment takes money. "
            "What was begun is finished; refunds, disputes and settlements go on.",
            is_dangerous=True,
        ),
        ReasonedAction(
            name="reinstate",
            label="Reinstate",
            permission="vendors.suspend_merchant",
            perform=by(onboarding.reinstate_merchant, "merchant_id", of_merchant=False),
            done="The merchant may act again; payments that waited go on within the hour.",
            is_offered=lambda merchant: not merchant.is_active,
            explains="Its API keys are taken again, and its payments take money.",
        ),
    ]
    hidden_fields = ["is_active"]
    recorded = moment_column("recorded_at", "taken in")

    def facts(self, row: Merchant) -> list[Facts]:
        return [Facts("", [("standing", self.standing(row)), *super().facts(row)[0].items])]

    def panels(self, row: Merchant) -> Iterable[Panel]:
        acts = selectors.suspensions(row)
        yield Panel(
            "Suspended and reinstated",
            ["when", "what", "by", "reason"],
            [
                [formats.moment(act.at), formats.badge(act.action.partition(".")[2]),
                 act.actor_label or act.actor_id, formats.wrapped(act.reason)]
                for act in acts[:ROWS_IN_A_PANEL]
            ],
            empty="never",
        )  # fmt: skip

    @admin.display(description="standing", ordering="is_active")
    def standing(self, row: Merchant) -> SafeString:
        return formats.badge("active" if row.is_active else "suspended")

    @admin.display(description="id")
    def reference(self, row: Merchant) -> SafeString:
        return formats.code(row.public_id)


@names_owners
def vendor_names(ids: list[UUID]) -> dict[str, str]:
    """Return the names of vendors, as owners of accounts."""
    found = Vendor.objects.filter(pk__in=ids).values_list("pk", "name")
    return {str(key): name for key, name in found}


@admin.register(Vendor)
class VendorAdmin(ViewOnlyAdmin):
    """The sellers; bank details are masked."""

    list_display = ["name", "external_id", "merchant_shown", "category", "state_shown", "since"]
    list_select_related = ["merchant"]
    list_filter = [filters.state_of(Vendor)]
    search_fields = ["=id", "=external_id", "name"]
    hidden_fields = ["event_hash"]
    reasoned_actions = [
        ReasonedAction(
            name="suspend",
            label="Suspend",
            permission="vendors.suspend_vendor",
            perform=by(onboarding.suspend_vendor, "vendor_id"),
            done="The vendor is suspended: nothing is sold for it or paid out to it.",
            is_offered=lambda vendor: vendor.state == VendorState.ACTIVE,
            explains="What the vendor is owed stays owed.",
            is_dangerous=True,
        ),
        ReasonedAction(
            name="reinstate",
            label="Reinstate",
            permission="vendors.suspend_vendor",
            perform=by(onboarding.reinstate_vendor, "vendor_id"),
            done="The vendor is active again.",
            is_offered=lambda vendor: vendor.state == VendorState.SUSPENDED,
        ),
    ]
    merchant_shown = link_column("merchant")
    state_shown = badge_column("state")
    since = moment_column("occurred_at", "since")


@admin.register(CommissionRule)
class CommissionRuleAdmin(ViewOnlyAdmin):
    """What the platform keeps of sales."""

    list_display = [
        "rule",
        "merchant_shown",
        "vendor_shown",
        "category",
        "currency",
        "rate",
        "fixed",
        "is_active",
        "since",
        "until",
    ]
    list_select_related = ["merchant", "vendor"]
    list_filter = ["is_active"]
    search_fields = ["=id"]
    merchant_shown = link_column("merchant")
    vendor_shown = link_column("vendor")
    since = moment_column("valid_from", "since")
    until = moment_column("valid_to", "until")

    @admin.display(description="rule")
    def rule(self, row: CommissionRule) -> str:
        return f"priority {row.priority}, version {row.version}"

    @admin.display(description="rate", ordering="rate_bps")
    def rate(self, row: CommissionRule) -> str:
        return f"{row.rate_bps // 100}.{row.rate_bps % 100:02} %"

    @admin.display(description="fixed part")
    def fixed(self, row: CommissionRule) -> SafeString:
        return formats.money(row.fixed_minor or None, row.currency)
