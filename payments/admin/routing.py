"""Routing for staff: why a provider was chosen."""

from collections.abc import Mapping
from typing import Any

from ledger.admin.base import Panel
from payments import route_explanations


def route_panel(route: Mapping[str, Any]) -> Panel:
    """Return the table of the candidates of one choice, the chosen one first."""
    return Panel(
        "Why this provider",
        ["provider", "score", *route_explanations.CRITERIA_TITLES.values(), "remark"],
        route_explanations.rows(route),
        note=route_explanations.note(route),
    )
