"""Pages of exchange that belong to no table: rates by source, the exposure report, and finance's forms.

A form is a reasoned act without a row: permission, fields and a reason, one service call, which audits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from ledger import clock, ids
from ledger.actors import Actor, current_request, set_request, staff_actor
from ledger.admin import formats
from ledger.admin.base import Facts, Panel, ReasonForm
from ledger.admin.fx import KEEPS_FX, rate_shown
from ledger.errors import DomainError
from ledger.fx import arithmetic, exposure, rates, sources, spreads, table
from ledger.fx.rates import HouseRate, NoRate
from ledger.fx.sources import Said, Silence
from ledger.models import FxSpread, FxTableRate
from ledger.models.fx import plain
from ledger.models.fx_rates import FxKind, FxSource
from ledger.money import BadCurrency, check_currency

SEES_RATES: Final = "ledger.view_exchangerate"
SEES_EXPOSURE: Final = "ledger.view_fxexposure"
BASE: Final = "EUR"
ROWS_SHOWN: Final = 25


_INPUT: Final = {"class": "house-input"}


def _text() -> forms.TextInput:
    return forms.TextInput(attrs=_INPUT)


def _instant() -> forms.DateTimeInput:
    return forms.DateTimeInput(attrs={**_INPUT, "type": "datetime-local", "step": "1"})


class RateForm(ReasonForm):
    """A rate of finance's own."""

    base = forms.CharField(label="One unit of (EUR, USD, …)", min_length=3, max_length=3, widget=_text())
    quote = forms.CharField(label="is, in", min_length=3, max_length=3, widget=_text())
    rate = forms.CharField(label="so much, as a decimal", max_length=25, widget=_text())
    valid_from = forms.DateTimeField(label="From (UTC; empty: now)", required=False, widget=_instant())
    valid_to = forms.DateTimeField(
        label="Until (UTC; empty: until changed)", required=False, widget=_instant()
    )
    field_order = ["base", "quote", "rate", "valid_from", "valid_to", "reason"]


class SpreadForm(ReasonForm):
    """A spread, for everybody or one merchant."""

    kind = forms.ChoiceField(choices=FxKind.choices, widget=forms.Select(attrs=_INPUT))
    bps = forms.IntegerField(label="Hundredths of a percent", widget=_text())
    merchant = forms.CharField(
        label="Merchant (empty: everybody)", max_length=40, required=False, widget=_text()
    )
    valid_from = forms.DateTimeField(label="From (UTC; empty: now)", required=False, widget=_instant())
    field_order = ["kind", "bps", "merchant", "valid_from", "reason"]


@dataclass(frozen=True, slots=True)
class FormAct:
    """What finance may set."""

    name: str
    label: str
    form: type[ReasonForm]
    perform: Callable[[dict[str, Any], Actor, datetime], Any]
    done: str
    explains: str
    is_dangerous: bool = False


def _set_rate(values: dict[str, Any], actor: Actor, at: datetime) -> None:
    table.set_rate(
        base=values["base"].upper(), quote=values["quote"].upper(), rate=arithmetic.read_rate(values["rate"]),
        valid_from=values["valid_from"] or at, valid_to=values["valid_to"], reason=values["reason"],
        actor=actor, at=at,
    )  # fmt: skip


def _set_spread(values: dict[str, Any], actor: Actor, at: datetime) -> None:
    merchant = values["merchant"].strip()
    spreads.set_spread(
        kind=FxKind(values["kind"]), bps=values["bps"], valid_from=values["valid_from"] or at,
        merchant_id=ids.parse("mer", merchant) if merchant else None, reason=values["reason"], actor=actor,
        at=at,
    )  # fmt: skip


ACTS: Final = {
    act.name: act
    for act in (
        FormAct(
            "rate", "Set a rate", RateForm, _set_rate, "The rate is set.",
            "The table is one of the sources: its rate counts like the others, and is left out when it is "
            "too far from their median. The rate of the pair that holds until then ends.",
        ),
        FormAct(
            "spread", "Set a spread", SpreadForm, _set_spread, "The spread is set.",
            "A merchant's own spread goes before everybody's. Quotes that are given keep theirs.",
        ),
    )
}  # fmt: skip


def rates_desk(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show what each source says of a currency, who is stale or too far off, the table and the spreads."""
    _only_for(request, SEES_RATES)
    base = request.GET.get("base", BASE)
    try:
        check_currency(base)
    except BadCurrency as error:
        raise Http404(error.message) from error
    at = clock.now()
    acts = [(act, reverse("admin:fx_act", args=[act.name])) for act in ACTS.values()]
    return _page(
        request,
        site,
        f"Rates of {base}",
        acts=acts if request.user.has_perm(KEEPS_FX) else [],
        panels=[_sources(at), _house_rates(base, at), _table(at), _spreads(at)],
    )


def exposure_report(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the house's open position of each pair, what it is worth now, and what was earned."""
    _only_for(request, SEES_EXPOSURE)
    at = clock.now()
    positions = Panel(
        "Open positions of the house",
        ["pair", "base", "counter", "opened at", "rate now", "gain or loss if closed now", "why not"],
        [
            [
                formats.code(one.pair),
                formats.money(one.base.minor, one.base.currency),
                formats.money(one.counter.minor, one.counter.currency),
                rate_shown(one.average_rate),
                rate_shown(one.today.rate if one.today else None),
                formats.money(one.unrealised.minor if one.unrealised else None, one.counter.currency),
                formats.wrapped(one.why_not),
            ]
            for one in exposure.report(at)
        ],
        empty="nothing is open",
        note="Long is positive, short negative. Read from the position accounts of all merchants.",
    )
    earned = Panel(
        "Earned",
        ["currency", "spread", "gain and loss of unwinding"],
        [
            [
                one.spread.currency,
                formats.money(one.spread.minor, one.spread.currency),
                formats.money(one.gain.minor, one.gain.currency),
            ]
            for one in exposure.earned()
        ],
    )
    return _page(request, site, "Exposure", panels=[positions, earned])


def act(request: HttpRequest, site: AdminSite, name: str) -> HttpResponse:
    """Ask for the values and the reason, then set them."""
    _only_for(request, KEEPS_FX)
    if name not in ACTS:
        raise Http404("there is no such act")
    chosen, desk = ACTS[name], reverse("admin:fx_rates")
    form = chosen.form(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and _performed(request, chosen, form):
        messages.success(request, chosen.done)
        return HttpResponseRedirect(desk)
    context = {**site.each_context(request), "title": chosen.label, "act": chosen, "form": form, "page": desk}
    status = 422 if form.is_bound else 200
    return TemplateResponse(request, "admin/house/form_act.html", context, status=status)


def _performed(request: HttpRequest, chosen: FormAct, form: ReasonForm) -> bool:
    user: Any = request.user
    roles = ",".join(sorted(group.name for group in user.groups.all()))
    set_request(replace(current_request(), role=roles[:60] or ("superuser" if user.is_superuser else "")))
    try:
        chosen.perform(form.cleaned_data, staff_actor(user.pk, user.get_username()), clock.now())
    except DomainError as error:
        form.add_error(None, f"{error.message}. {error.advice_given}".strip())
        return False
    return True


def _sources(at: datetime) -> Panel:
    rows = []
    for source in (FxSource.ECB, FxSource.FEED):
        spoken = sources.last_spoken(source, at)
        age = (at - spoken) if spoken else None
        is_fresh = spoken is not None and at < sources.fresh_until(source, spoken)
        rows.append(
            [
                source.label,
                formats.badge("fresh" if is_fresh else "stale" if spoken else "missing"),
                formats.moment(spoken),
                formats.duration(age.total_seconds()) if age else formats.NOTHING,
                _longest(source),
            ]
        )
    note = "A stale source is not asked. With too few sources that agree there is no rate, and no quote."
    return Panel("Sources", ["source", "state", "spoke last", "age", "may be"], rows, note=note)


def _longest(source: FxSource) -> str:
    if source is FxSource.ECB:
        return f"{settings.FX_ECB_MAX_AGE_DAYS} days on which TARGET is open"
    return formats.duration(settings.FX_FEED_MAX_AGE_SECONDS)


def _house_rates(base: str, at: datetime) -> Panel:
    return Panel(
        f"One {base}",
        ["in", "house rate", "pair", *(str(source.label) for source in sources.ALL), "why not"],
        [_house_row(base, one) for one in rates.board(base, at)],
        empty="no source says anything of it now",
        note="The house rate is the median of the sources that are fresh and agree. Theirs are of the pair.",
    )


def _house_row(base: str, one: HouseRate | NoRate) -> list[Any]:
    said = {found.source: found for found in (*one.used, *one.left_out)}
    return [
        one.buy,
        rate_shown(one.rate if isinstance(one, HouseRate) else None),
        formats.code(arithmetic.pair_of(base, one.buy)),
        *(_cell(said[source], one.used) for source in sources.ALL),
        formats.wrapped("" if isinstance(one, HouseRate) else one.reason),
    ]


def _cell(found: Said | Silence, used: Sequence[Said]) -> SafeString:
    if isinstance(found, Silence):
        return formats.badge(found.reason)
    shown = plain(arithmetic.to_rate(found.rate))
    return formats.code(shown) if found in used else formats.badge("outlier", f"{shown} is too far off")


def _table(at: datetime) -> Panel:
    rows = FxTableRate.objects.exclude(valid_to__lte=at).order_by("-valid_from")[:ROWS_SHOWN]
    return Panel(
        "Finance's table",
        ["rate", "from", "until", "set by", "reason"],
        [
            [
                formats.link(row),
                formats.moment(row.valid_from),
                formats.moment(row.valid_to),
                row.set_by,
                formats.wrapped(row.reason),
            ]
            for row in rows
        ],
        empty="finance says nothing",
    )


def _spreads(at: datetime) -> Panel:
    rows = FxSpread.objects.exclude(valid_to__lte=at).order_by("-valid_from")[:ROWS_SHOWN]
    return Panel(
        "Spreads",
        ["spread", "merchant", "from", "until", "set by"],
        [
            [
                formats.link(row),
                formats.code(ids.show("mer", row.merchant_id)) if row.merchant_id else "everybody",
                formats.moment(row.valid_from),
                formats.moment(row.valid_to),
                row.set_by,
            ]
            for row in rows
        ],
        empty="the defaults of the settings hold",
    )


def _only_for(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _page(request: HttpRequest, site: AdminSite, title: str, **content: Any) -> TemplateResponse:
    facts: list[Facts] = []
    context = {**site.each_context(request), "title": title, "facts": facts, **content}
    return TemplateResponse(request, "admin/house/detail.html", context)
