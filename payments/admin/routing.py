"""Routing for staff: the merchants' policies, version by version, and why a provider was chosen."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin

from ledger.admin.base import Panel, ViewOnlyAdmin, link_column, moment_column
from payments import route_explanations
from payments.models import RoutingPolicy


@admin.register(RoutingPolicy)
class RoutingPolicyAdmin(ViewOnlyAdmin):
    """What merchants want of routing; the newest version of each holds."""

    list_display = ["merchant_shown", "version", "reason", "written_by", "written"]
    list_select_related = ["merchant"]
    search_fields = ["=id"]

    merchant_shown = link_column("merchant")
    written = moment_column("written_at")


def route_panel(route: Mapping[str, Any]) -> Panel:
    """Return the table of the candidates of one choice, the chosen one first."""
    return Panel(
        "Why this provider",
        ["provider", "score", *route_explanations.CRITERIA_TITLES.values(), "remark"],
        route_explanations.rows(route),
        note=route_explanations.note(route),
    )
