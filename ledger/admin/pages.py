"""Pages of the books that belong to no single table: the trial balance and the invariant board."""

from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse

from ledger import clock, past_balances
from ledger.admin import formats
from ledger.admin.as_of import AsOf
from ledger.admin.base import Facts, Panel
from ledger.admin.story import account_name
from ledger.chart import CHART
from ledger.invariants import check_all
from ledger.past_balances import TrialRow

SEES_BOOKS = "ledger.view_account"


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
    """Run every invariant now and show what was found."""
    only_for(request, SEES_BOOKS)
    started = clock.monotonic()
    results = check_all()
    took = clock.monotonic() - started
    broken = sum(not result.holds for result in results)
    facts = Facts(
        "",
        [
            ("holds", f"{len(results) - broken} of {len(results)}"),
            ("checked", formats.moment(clock.now())),
            ("took", f"{took:.2f} s"),
        ],
    )
    board = Panel(
        "Invariants",
        ["number", "sentence", "state", "found"],
        [
            [
                result.invariant.number,
                formats.wrapped(result.invariant.sentence),
                formats.badge("holds" if result.holds else "broken"),
                formats.wrapped("; ".join(result.violations)),
            ]
            for result in results
        ],
    )
    return _page(request, site, "Invariants", panels=[board], facts=[facts])


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
