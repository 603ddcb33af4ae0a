"""Pages of the books that belong to no single table: the trial balance and the invariant board."""

from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from ledger import clock, past_balances
from ledger.admin import formats
from ledger.admin.as_of import AsOf
from ledger.admin.base import Facts, Panel
from ledger.admin.story import account_name
from ledger.chart import CHART
from ledger.invariants import Invariant, check_all, in_order
from ledger.models import InvariantRun, InvariantViolation
from ledger.past_balances import TrialRow

SEES_BOOKS = "ledger.view_account"
_KEPT_MAX = 500
_SHOWN_MAX = 5


def trial_balance(request: HttpRequest, site: AdminSite) -> TemplateResponse:
    """Show every kind of account summed per currency, now or as it was recorded at a moment."""
    only_for(request, SEES_BOOKS)
    as_of = AsOf.asked(request)
    sums: dict[str, list[TrialRow]] = {}
    for row in past_balances.trial_balance(None, as_of.moment):
        sums.setdefault(row.currency, []).append(row)
    panels = [_panel(currency, found) for currency, found in sums.items()]
    return _page(request, site, "Trial balance", panels=panels, facts=[], as_of=as_of)


def invariant_board(request: HttpRequest, site: AdminSite) -> TemplateResponse:
    """Show each invariant with what the last checks found of it; `?now=1` checks everything now."""
    only_for(request, SEES_BOOKS)
    found: dict[str, list[Any]] = {}
    facts = [_last_run(kind) for kind in (InvariantRun.Kind.FULL, InvariantRun.Kind.CHANGED)]
    if request.GET.get("now") == "1":
        started = clock.monotonic()
        found = {result.invariant.number: list(result.violations) for result in check_all()}
        took = f"{clock.monotonic() - started:.2f} s"
        broken = sum(bool(violations) for violations in found.values())
        facts.append(Facts("Now", [("holds", f"{len(found) - broken} of {len(found)}"), ("took", took)]))
    kept: dict[str, list[InvariantViolation]] = {}
    for violation in InvariantViolation.objects.filter(gone_at=None).order_by("first_seen_at")[:_KEPT_MAX]:
        kept.setdefault(violation.number, []).append(violation)
    board = Panel(
        "Invariants",
        ["number", "sentence", "every minute", "state", "first seen", "last seen", "found"],
        [_board_row(one, kept.get(one.number, []), found.get(one.number)) for one in in_order()],
        note="An address with ?now=1 checks everything at once and may take as long as the nightly check.",
    )
    return _page(request, site, "Invariants", panels=[board], facts=facts)


def _last_run(kind: InvariantRun.Kind) -> Facts:
    title = {"full": "Last full check", "changed": "Last check of what changed"}[kind.value]
    run = InvariantRun.objects.filter(kind=kind).exclude(finished_at=None).order_by("-started_at").first()
    if run is None:
        return Facts(title, [("checked", "never")])
    return Facts(
        title,
        [
            ("checked", formats.moment(run.started_at)),
            ("holds", f"{run.checked - run.broken} of {run.checked}"),
            ("took", f"{run.duration_ms / 1000:.2f} s"),
            ("transactions", f"{run.transaction_from:,} to {run.transaction_to:,}"),
        ],
    )


def _board_row(one: Invariant, kept: list[InvariantViolation], now: list[Any] | None) -> list[Any]:
    is_broken = bool(kept) if now is None else bool(now)
    told = now if now is not None else [formats.link(violation, violation.detail) for violation in kept]
    shown = format_html_join(
        mark_safe("<br>"), "{}", ((formats.wrapped(text),) for text in told[:_SHOWN_MAX])
    )
    return [
        one.number,
        formats.wrapped(one.sentence),
        "yes" if one.narrows else "nightly",
        formats.badge("broken" if is_broken else "holds"),
        formats.moment(kept[0].first_seen_at) if kept else "",
        formats.moment(max(violation.last_seen_at for violation in kept)) if kept else "",
        shown,
    ]


def _panel(currency: str, found: list[TrialRow]) -> Panel:
    rows: list[list[Any]] = [
        [
            account_name(row.code),
            CHART[row.code].category,
            formats.money(row.debit or None, currency),
            formats.money(row.credit or None, currency),
        ]
        for row in found
        if row.debit or row.credit
    ]
    debits, credits = sum(row.debit for row in found), sum(row.credit for row in found)
    rows.append(["Sum", "", formats.money(debits, currency), formats.money(credits, currency)])
    verdict = "debits and credits agree" if debits == credits else "DEBITS AND CREDITS DIFFER"
    return Panel(currency, ["account", "category", "debit", "credit"], rows, note=f"{currency}: {verdict}.")


def only_for(request: HttpRequest, permission: str) -> None:
    """Let only those with a permission go on."""
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _page(request: HttpRequest, site: AdminSite, title: str, **content: Any) -> TemplateResponse:
    context = {**site.each_context(request), "title": title, **content}
    return TemplateResponse(request, "admin/house/detail.html", context)
