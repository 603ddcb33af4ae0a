"""Rules and lists for staff; a list entry may be ended with a reason."""

from django.contrib import admin

from fraud.models import ListEntry, RiskRule
from fraud.services import configuring
from ledger.admin.base import ReasonedAction, ViewOnlyAdmin, badge_column, by, link_column, moment_column


@admin.register(RiskRule)
class RiskRuleAdmin(ViewOnlyAdmin):
    """Versions of rules; what has no merchant is the house's."""

    list_display = [
        "code",
        "version",
        "merchant_shown",
        "kind",
        "dimension",
        "is_active",
        "posture",
        "since",
        "until",
    ]
    list_select_related = ["merchant"]
    list_filter = ["kind", "is_active", ("merchant", admin.EmptyFieldListFilter)]
    search_fields = ["=code"]
    ordering = ["code", "-version", "pk"]

    merchant_shown = link_column("merchant")
    posture = badge_column("fail_posture", "posture when it fails")
    since = moment_column("valid_from", "since")
    until = moment_column("valid_until", "until")


@admin.register(ListEntry)
class ListEntryAdmin(ViewOnlyAdmin):
    """Who is blocked or allowed, for how long and why; the value itself is not kept."""

    list_display = ["label", "list_shown", "dimension", "merchant_shown", "reason", "since", "until"]
    list_select_related = ["merchant"]
    list_filter = ["list", "dimension"]
    search_fields = ["=key", "=label"]
    reasoned_actions = [
        ReasonedAction(
            name="end",
            label="End",
            permission="fraud.keep_lists",
            perform=by(configuring.end_list_entry, "entry_id", of_merchant=False),
            done="The entry has ended.",
            is_offered=lambda entry: entry.valid_until is None,
            explains="From now on it neither blocks nor allows anyone. It stays on record.",
        )
    ]
    list_shown = badge_column("list")
    merchant_shown = link_column("merchant")
    since = moment_column("valid_from", "since")
    until = moment_column("valid_until", "until")
