"""A row as it was: rebuilt from its events at an instant or after one of them, beside what it is now.

The page belongs to every kind of row with a history. It only looks, and shows no column that the row's own
page hides.
"""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ledger import changes
from ledger.admin import formats
from ledger.admin.base import Facts, Panel
from ledger.archives.files import BadArchive
from ledger.archives.streams import HistoryArchived, HistoryTooLarge
from ledger.explain import archived
from ledger.history import comparing, rebuilding
from ledger.history.rebuilding import History, NoSuchSubject, Rebuilt, Until
from ledger.masking import MASK, mask
from ledger.models import Event
from ledger.recorded import Recorded

STEPS_SHOWN: Final = 100
_NO_DIFFERENCE = "the row, its events and its entries agree"


def history_page(request: HttpRequest, site: AdminSite, kind: str, key: UUID) -> TemplateResponse:
    """Show a row at the sequence, or the instant, that the query asks for; now by default."""
    try:
        _only_for(request, rebuilding.model_of(kind))
    except NoSuchSubject as error:
        raise Http404(error.message) from error
    until, problem = _asked(request)
    context = {
        **site.each_context(request),
        "title": f"History of {kind.replace('_', ' ')}",
        "asked": request.GET.get("as_of", ""),
        "known": request.GET.get("known", ""),
    }
    status = 422 if problem else 200
    try:
        found = rebuilding.history(
            kind, key, until, _page(request), size=STEPS_SHOWN, rows_max=archived.ROWS_MAX
        )
        verdict = comparing.compare(kind, key)
    except NoSuchSubject as error:
        raise Http404(error.message) from error
    except (HistoryArchived, HistoryTooLarge, BadArchive) as error:
        problem, status = f"{error.message}. {error.advice_given}", 409
        return TemplateResponse(
            request, "admin/house/history.html", {**context, "problem": problem}, status=status
        )
    now, then = found.now, found.then
    if then is None:
        problem = "There was nothing of it yet at that instant."
    context |= {
        "facts": [_summary(site, kind, key, then, verdict)] if then else [],
        "panels": [_columns(site, kind, now, then), _steps(request, found)] if then else [],
        "now": now,
        "then": then,
        "problem": problem,
        "pages": _pages(request, found) if then else [],
    }
    return TemplateResponse(request, "admin/house/history.html", context, status=status)


def _page(request: HttpRequest) -> int | None:
    text = request.GET.get("page", "")
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 9 and int(text) else None


def _pages(request: HttpRequest, found: History) -> list[tuple[str, str]]:
    """Return the other pages of the steps: the first, the one before, the next, the last."""
    places = {"first": 1, "before": found.page - 1, "next": found.page + 1, "last": found.pages}
    asked = request.GET.copy()
    links = []
    for name, number in places.items():
        is_there = 1 <= number <= found.pages and number != found.page
        asked["page"] = str(number)
        links += [(name, f"{request.path}?{asked.urlencode()}")] if is_there else []
    return links


def history_link(kind: str, key: object) -> SafeString:
    """Return a link to a row's history; nothing for what has none."""
    if kind not in rebuilding.models():
        return formats.NOTHING
    return format_html('<a class="house-link" href="{}">as it was, step by step</a>', history_url(kind, key))


def history_url(kind: str, key: object) -> str:
    """Return the address of a row's history."""
    return reverse("admin:history", args=[kind, key])


def shown(site: AdminSite, kind: str, name: str, told: Any) -> SafeString:
    """Return a told value for people, hidden where the row's own page hides it."""
    if told is None:
        return formats.NOTHING
    pages: Any = site._registry
    page = pages.get(rebuilding.models().get(kind))
    masked = {*getattr(page, "masked_fields", ()), *getattr(page, "hidden_fields", ())}
    if name in masked or changes.is_fingerprint(told) or told == {"hidden": True}:
        return formats.code(MASK)
    value = changes.decode(told)
    if isinstance(value, datetime):
        return formats.moment(value)
    # A row's own number, by which people know it, is no card's; what looks like one is hidden all the same.
    value = mask(value) if name == "number" else mask({name: value})[name]
    if isinstance(value, dict | list):
        return formats.block(value)
    if isinstance(value, bytes):
        return formats.digest(value)
    return formats.wrapped(str(value)) if value not in ("", None) else formats.NOTHING


def _only_for(request: HttpRequest, model: type[Recorded]) -> None:
    if not request.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}"):
        raise PermissionDenied


def _asked(request: HttpRequest) -> tuple[Until, str]:
    sequence, text = request.GET.get("sequence", ""), request.GET.get("as_of", "")
    if text:
        try:
            at = parse_datetime(text)
        except ValueError:
            at = None
        if at is None:
            return rebuilding.END, "An instant is written like 2026-11-21T12:00."
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        is_known = request.GET.get("known") == "1"
        return (Until(recorded_at=at) if is_known else Until(occurred_at=at)), ""
    if sequence:
        if not sequence.isdecimal():
            return rebuilding.END, "A step is a whole number."
        return Until(sequence=int(sequence)), ""
    return rebuilding.END, ""


def _summary(site: AdminSite, kind: str, key: UUID, then: Rebuilt, verdict: comparing.Verdict) -> Facts:
    model = rebuilding.model_of(kind)
    row = model._default_manager.filter(pk=key).first()
    found = _NO_DIFFERENCE if verdict.holds else "; ".join(verdict.reasons)
    return Facts(
        "",
        [
            ("row", formats.link(row) if row is not None and type(row) in site._registry else str(key)),
            ("state then", formats.badge(then.state)),
            ("after step", then.sequence),
            ("which happened", formats.moment(then.occurred_at)),
            ("and was recorded", formats.moment(then.recorded_at)),
            ("witnesses", formats.badge("holds" if verdict.holds else "broken")),
            ("they say", formats.wrapped(found)),
        ],
    )


def _columns(site: AdminSite, kind: str, now: Rebuilt, then: Rebuilt) -> Panel:
    rows = [[formats.code("state"), formats.badge(then.state), _other(then.state, now.state, formats.badge)]]
    for name in [f.attname for f in rebuilding.model_of(kind)._meta.concrete_fields if f.attname in now.said]:
        was, is_now = then.said.get(name), now.said[name]
        rows.append(
            [
                formats.code(name),
                shown(site, kind, name, was),
                _other(was, is_now, lambda told, name=name: shown(site, kind, name, told)),
            ]
        )
    return Panel("The row", ["column", "then", "now, where it differs"], rows)


def _other(was: Any, is_now: Any, show: Any) -> Any:
    return "" if was == is_now else show(is_now)


def _told_by(event: Event) -> str:
    return "all of it" if event.sequence == 1 else ", ".join(sorted(event.changes or {}))


def _steps(request: HttpRequest, found: History) -> Panel:
    part = f" (page {found.page} of {found.pages})" if found.pages > 1 else ""
    return Panel(
        f"Its steps{part}",
        ["step", "event", "happened", "recorded", "changed"],
        [
            [
                format_html(
                    '<a class="house-link" href="{}?sequence={}">{}</a>',
                    request.path, event.sequence, event.sequence,
                ),
                formats.link(event, event.type.partition(".")[2].replace("_", " ")),
                formats.moment(event.occurred_at),
                formats.moment(event.recorded_at),
                formats.wrapped(_told_by(event)),
            ]
            for event in found.steps
        ],
    )  # fmt: skip
