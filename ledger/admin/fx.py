"""Exchange for staff: what sources said, finance's table and spreads, quotes, conversions, what they left."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString

from ledger import ids
from ledger.admin import filters, formats
from ledger.admin.base import (
    Column,
    Facts,
    Panel,
    Perform,
    ReasonedAction,
    ViewOnlyAdmin,
    badge_column,
    by,
    moment_column,
    money_column,
)
from ledger.clock import now
from ledger.fx import spreads, table
from ledger.models import (
    ExchangeRate,
    FxConversion,
    FxExposure,
    FxQuote,
    FxSpread,
    FxTableRate,
    FxUnwind,
)
from ledger.models.fx_rates import FxKind, FxSource
from ledger.money import Money

KEEPS_FX = "ledger.keep_fx"


def rate_column(name: str, title: str) -> Column:
    """Return a column that shows a rate without zeros at its end."""

    @admin.display(description=title)
    def column(page: Any, row: Any) -> SafeString:
        return rate_shown(getattr(row, name))

    column.__name__ = f"{name}_shown"
    return column


def rate_shown(rate: Any) -> SafeString:
    """Return a rate for a column of figures."""
    return formats.rate(rate)


@admin.display(description="merchant")
def merchant_column(page: Any, row: Any) -> SafeString:
    """Show whose it is; nothing: everybody's."""
    return formats.code(ids.show("mer", row.merchant_id)) if row.merchant_id else formats.NOTHING


def _is_running(row: Any) -> bool:
    return row.valid_to is None or row.valid_to > now()


def _ending(noun: str, perform: Perform, explains: str) -> ReasonedAction:
    return ReasonedAction(
        name="end",
        label=f"End the {noun}",
        permission=KEEPS_FX,
        perform=perform,
        done=f"The {noun} has ended.",
        is_offered=_is_running,
        explains=explains,
        is_dangerous=True,
    )


@admin.register(ExchangeRate)
class ExchangeRateAdmin(ViewOnlyAdmin):
    """What the central bank and the feed said; append only."""

    list_display = ["source", "base", "quote", "rate_is", "as_of_shown", "fetched"]
    list_filter = [filters.one_of("source", [FxSource.ECB, FxSource.FEED])]
    search_fields = ["=quote"]
    rate_is = rate_column("rate", "rate")
    as_of_shown = moment_column("as_of", "as of")
    fetched = moment_column("fetched_at", "fetched")


@admin.register(FxTableRate)
class FxTableRateAdmin(ViewOnlyAdmin):
    """Rates that finance answers for; set on the page of rates, ended here."""

    list_display = ["__str__", "begins", "ends", "set_by"]
    search_fields = ["=base", "=quote"]
    begins = moment_column("valid_from", "from")
    ends = moment_column("valid_to", "until")
    reasoned_actions = [
        _ending(
            "rate",
            by(table.end_rate, "rate_id", of_merchant=False),
            "From now on finance's table says nothing of this pair, until a rate is set again.",
        )
    ]


@admin.register(FxSpread)
class FxSpreadAdmin(ViewOnlyAdmin):
    """What the house keeps, by kind and merchant; set on the page of rates, ended here."""

    list_display = ["kind", "bps", "merchant", "begins", "ends", "set_by"]
    list_filter = [filters.one_of("kind", FxKind.values)]
    merchant = merchant_column
    begins = moment_column("valid_from", "from")
    ends = moment_column("valid_to", "until")
    reasoned_actions = [
        _ending(
            "spread",
            by(spreads.end_spread, "spread_id", of_merchant=False),
            "What goes before it holds again: everybody's spread, or the default of the kind.",
        )
    ]


@admin.register(FxQuote)
class FxQuoteAdmin(ViewOnlyAdmin):
    """Rates that were locked, with the sources that made them."""

    list_display = ["__str__", "state_is", "kind", "merchant", "customer", "spread_is", "given", "until"]
    list_filter = [filters.state_of(FxQuote), filters.one_of("kind", FxKind.values)]
    search_fields = ["=id", "=merchant_id"]
    hidden_fields = ["event_hash", "sell_minor", "buy_minor", "house_minor", "spread_minor", "sources"]
    state_is = badge_column("state")
    merchant = merchant_column
    customer = rate_column("customer_rate", "customer's rate")
    spread_is = money_column("spread_minor", "Spread", "buy_currency")
    given = moment_column("occurred_at", "given")
    until = moment_column("expires_at", "until")

    def facts(self, row: FxQuote) -> list[Facts]:
        return [_amounts(row), *super().facts(row)]

    def panels(self, row: FxQuote) -> Iterable[Panel]:
        yield sources_panel(row.sources)
        made = list(FxConversion.objects.filter(quote=row))
        yield Panel("Conversion", ["conversion"], [[formats.link(one)] for one in made])


@admin.register(FxConversion)
class FxConversionAdmin(ViewOnlyAdmin):
    """Money turned from one currency into another, explained, and what of it was turned back."""

    list_display = ["__str__", "state_is", "merchant", "customer", "spread_is", "gain", "done"]
    list_filter = [filters.state_of(FxConversion)]
    search_fields = ["=id", "=merchant_id", "=entry_id"]
    hidden_fields = [
        "event_hash", "sell_minor", "buy_minor", "house_minor", "spread_minor", "unwound_minor",
        "returned_minor", "spread_returned_minor", "gain_minor", "explanation",
    ]  # fmt: skip
    state_is = badge_column("state")
    merchant = merchant_column
    customer = rate_column("customer_rate", "customer's rate")
    spread_is = money_column("spread_minor", "Spread", "buy_currency")
    gain = money_column("gain_minor", "Gain or loss", "buy_currency")
    done = moment_column("occurred_at", "done")

    def facts(self, row: FxConversion) -> list[Facts]:
        back = [
            ("turned back", formats.money(row.unwound_minor, row.sell_currency)),
            ("taken back", formats.money(row.returned_minor, row.buy_currency)),
            ("spread given back", formats.money(row.spread_returned_minor, row.buy_currency)),
            ("gain or loss", formats.money(row.gain_minor, row.buy_currency)),
        ]
        why = Facts("Why these amounts", [("explanation", formats.wrapped(row.explanation))])
        return [why, _amounts(row), Facts("Unwinding", back), *super().facts(row)]

    def panels(self, row: FxConversion) -> Iterable[Panel]:
        yield sources_panel(row.quote.sources)
        yield Panel(
            "Unwinds",
            ["number", "when", "given back", "taken back", "cost", "gain or loss", "explanation"],
            [
                [
                    one.number,
                    formats.moment(one.occurred_at),
                    formats.money(one.sell_minor, row.sell_currency),
                    formats.money(one.buy_minor, row.buy_currency),
                    formats.money(one.cost_minor, row.buy_currency),
                    formats.money(one.gain_minor, row.buy_currency),
                    formats.wrapped(one.explanation),
                ]
                for one in row.unwinds.order_by("number")
            ],
        )
        yield Panel(
            "Exposure",
            ["when", "base", "counter", "entry"],
            [
                [
                    formats.moment(one.occurred_at),
                    formats.money(one.base_minor, one.base.currency),
                    formats.money(one.quote_minor, one.counter.currency),
                    formats.link_by_id("ledger_journalentry", one.entry_id, "entry"),
                ]
                for one in row.exposures.order_by("occurred_at", "id")
            ],
        )


@admin.register(FxUnwind)
class FxUnwindAdmin(ViewOnlyAdmin):
    """Parts of conversions turned back, with the gain or loss that came of it."""

    list_display = ["conversion", "number", "why", "occurred"]
    list_select_related = ["conversion"]
    search_fields = ["=id", "=conversion__id", "=cause_id"]
    hidden_fields = ["sell_minor", "buy_minor", "spread_minor", "cost_minor", "gain_minor", "sources"]
    occurred = moment_column("occurred_at", "when")

    @admin.display(description="explanation")
    def why(self, row: FxUnwind) -> SafeString:
        return formats.wrapped(row.explanation)

    def panels(self, row: FxUnwind) -> Iterable[Panel]:
        yield sources_panel(row.sources)


@admin.register(FxExposure)
class FxExposureAdmin(ViewOnlyAdmin):
    """What each step left the house holding; long is positive. The report sums it by pair."""

    list_display = ["pair", "base_is", "counter_is", "rate_is", "merchant", "occurred"]
    search_fields = ["=pair", "=merchant_id"]
    merchant = merchant_column
    rate_is = rate_column("rate", "rate")
    occurred = moment_column("occurred_at", "when")

    @admin.display(description="base")
    def base_is(self, row: FxExposure) -> SafeString:
        return formats.money(row.base_minor, row.base.currency)

    @admin.display(description="counter")
    def counter_is(self, row: FxExposure) -> SafeString:
        return formats.money(row.quote_minor, row.counter.currency)


def sources_panel(sources: dict[str, Any]) -> Panel:
    """Return the sources of a kept rate: those used, and those left out and why."""
    rows = [(one, "used") for one in sources["used"]]
    rows += [(one, one["reason"]) for one in sources["left_out"]]
    return Panel(
        f"Sources of the house rate, as {sources['pair']}",
        ["source", "rate", "as of", "by", "believed"],
        [
            [
                FxSource(one["source"]).label,
                formats.code(one.get("rate")),
                formats.moment(datetime.fromisoformat(one["as_of"]) if one["as_of"] else None),
                formats.code(one.get("by")),
                formats.badge(verdict),
            ]
            for one, verdict in rows
        ],
        note="The house rate is the median of those used.",
    )


def _amounts(row: FxQuote | FxConversion) -> Facts:
    def shown(money: Money) -> SafeString:
        return formats.money(money.minor, money.currency)

    return Facts(
        "Amounts",
        [
            ("sold", shown(row.sell)),
            ("bought", shown(row.buy)),
            ("at the house rate", shown(row.house)),
            ("spread", shown(row.spread)),
        ],
    )
