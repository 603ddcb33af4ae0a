"""Pages of the books that belong to no single table: the trial balance and the invariant board."""

from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db.models import BigIntegerField, Sum
from django.db.models.expressions import RawSQL
from django.http import HttpRequest
from django.template.response import TemplateResponse

from ledger import clock
from ledger.admin import formats
from ledger.admin.base import Facts, Panel
from ledger.admin.story import account_name
from ledger.chart import CHART, Code
from ledger.invariants import check_all
from ledger.models import Account

_BALANCE = "(SELECT b.balance FROM ledger_balance b WHERE b.id = ledger_account.id)"
SEES_BOOKS = "ledger.view_account"


def trial_balance(request: HttpRequest, site: AdminSite) -> TemplateResponse:
    """Show every kind of account summed per currency; the sums of each currency are zero."""
    _only_for(request, SEES_BOOKS)
    exact = RawSQL(_BALANCE, [], output_field=BigIntegerField())  # noqa: S611  (a constant)
    sums: dict[str, dict[str, int]] = {}
    rows = Account.objects.annotate(exact=exact).values("currency", "code").annotate(total=Sum("exact"))
    for row in rows:
        sums.setdefault(row["currency"], {})[row["code"]] = int(row["total"])
    panels = [_panel(currency, by_code) for currency, by_code in sorted(sums.items())]
    return _page(request, site, "Trial balance", panels=panels, facts=[])


def invariant_board(request: HttpRequest, site: AdminSite) -> TemplateResponse:
    """Run every invariant now and show what was found."""
    _only_for(request, SEES_BOOKS)
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


def _panel(currency: str, by_code: dict[str, int]) -> Panel:
    order = {code.value: position for position, code in enumerate(CHART)}
    rows: list[list[Any]] = [
        [
            account_name(code),
            CHART[Code(code)].category,
            formats.money(total if total > 0 else None, currency),
            formats.money(-total if total < 0 else None, currency),
        ]
        for code, total in sorted(by_code.items(), key=lambda item: order.get(item[0], len(order)))
        if total
    ]
    debits = sum(total for total in by_code.values() if total > 0)
    credits = -sum(total for total in by_code.values() if total < 0)
    rows.append(["Sum", "", formats.money(debits, currency), formats.money(credits, currency)])
    verdict = "debits and credits agree" if debits == credits else "DEBITS AND CREDITS DIFFER"
    return Panel(currency, ["account", "category", "debit", "credit"], rows, note=f"{currency}: {verdict}.")


def _only_for(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _page(request: HttpRequest, site: AdminSite, title: str, **content: Any) -> TemplateResponse:
    context = {**site.each_context(request), "title": title, **content}
    return TemplateResponse(request, "admin/house/detail.html", context)
