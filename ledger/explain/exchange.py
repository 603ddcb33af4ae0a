"""Conversions of currency: a conversion by its quote, a quote by the rates it was made of, gain and loss by
the unwinding at another rate. Every figure is reckoned again from the rate that is kept beside it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ledger.explain.registry import (
    Scope,
    causes_events,
    causes_postings,
    explains,
    first_events,
    keys_of,
    link_of,
    refers_to,
)
from ledger.explain.types import Explanation, Link, Part, one
from ledger.fx import arithmetic
from ledger.ids import show
from ledger.models import Event, JournalEntry, Posting
from ledger.models.fx import FxConversion, FxQuote, FxUnwind, plain
from ledger.money import Money

CONVERSION, QUOTE, UNWIND = FxConversion.PREFIX, FxQuote.PREFIX, FxUnwind.PREFIX


@causes_events(FxConversion.SUBJECT)
def of_conversion_events(events: Sequence[Event], scope: Scope) -> dict[UUID, list[Link]]:
    """What a conversion's events moved follows from its quote."""
    rows = FxConversion.objects.filter(pk__in={event.subject_id for event in events})
    quotes = dict(rows.values_list("pk", "quote_id"))
    return {
        event.pk: [Link("at the rate of the quote", "", show(QUOTE, quotes[event.subject_id]))]
        for event in events
        if event.subject_id in quotes
    }


@causes_postings(FxConversion.SUBJECT)
def of_conversions(pairs: Sequence[tuple[JournalEntry, Posting]], scope: Scope) -> dict[Any, list[Link]]:
    """Lead what an unwinding posted to the unwinding, with its rate of the day."""
    entries = {entry.pk for entry, _ in pairs}
    made = dict(FxUnwind.objects.filter(entry_id__in=entries).values_list("entry_id", "pk"))
    return {
        (posting.entry_id, posting.line): [Link("turned back", "", show(UNWIND, made[entry.pk]))]
        for entry, posting in pairs
        if entry.pk in made
    }


@refers_to(FxUnwind)
def _of_unwind(unwind: FxUnwind) -> str:
    return show(UNWIND, unwind.pk)


@explains(QUOTE)
def quotes(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain quotes: what is bought is what is sold at the house rate, less the spread."""
    keys = keys_of(QUOTE, tails)
    rows = list(scope.of(FxQuote.objects.filter(pk__in=list(keys))))
    made = first_events([row.pk for row in rows], scope)
    return {keys[row.pk]: _quote(row, made.get(row.pk)) for row in rows}


def _quote(row: FxQuote, made: str | None) -> Explanation:
    at_house = arithmetic.convert(row.sell, row.house_rate, row.buy_currency).money
    problems: tuple[str, ...] = ()
    if at_house != row.house:
        problems = (f"{row.sell.display()} at {plain(row.house_rate)} is {at_house.display()}",)
    causes = [Link("rate", _rates(row), is_outside=True)]
    if made:
        causes.append(Link("asked for", "", made))
    return Explanation(
        ref=row.public_id,
        kind="quote of a rate",
        title=f"{row.sell.display()} to {row.buy.display()}, {row.state}",
        amounts=one(row.buy),
        parts=(
            Part(f"{row.sell.display()} at {plain(row.house_rate)}", row.house, "", False),
            Part("less the spread", -row.spread, "", False),
        ),
        causes=tuple(causes),
        problems=problems,
        at=row.occurred_at,
        page=("ledger_fxquote", str(row.pk)),
    )


def _rates(row: FxQuote | FxUnwind) -> str:
    used = [str(said.get("source", "")) for said in row.sources.get("used", [])]
    return f"{plain(row.house_rate)}, the median of {', '.join(used) or 'no source'}"


@explains(CONVERSION)
def conversions(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain conversions by their quote, less what was turned back since."""
    keys = keys_of(CONVERSION, tails)
    rows = list(scope.of(FxConversion.objects.filter(pk__in=list(keys)).select_related("quote")))
    return {
        keys[row.pk]: Explanation(
            ref=row.public_id,
            kind="conversion",
            title=f"{row.sell.display()} to {row.buy.display()}, {row.state}".replace("_", " "),
            amounts=one(row.buy),
            parts=(Part("by the quote", row.buy, row.quote.public_id),),
            evidence=(("reckoned", row.explanation),),
            at=row.occurred_at,
            page=("ledger_fxconversion", str(row.pk)),
        )
        for row in rows
    }


@explains(UNWIND)
def unwinds(tails: Sequence[str], scope: Scope) -> dict[str, Explanation]:
    """Explain gains and losses: what came back at the old rate, less what it cost at the rate of the day."""
    keys = keys_of(UNWIND, tails)
    rows = scope.of(FxUnwind.objects.filter(pk__in=list(keys)).select_related("conversion__quote"))
    return {keys[row.pk]: _unwind(row) for row in rows}


def _unwind(row: FxUnwind) -> Explanation:
    conversion = row.conversion
    sold, currency = Money(row.sell_minor, conversion.sell_currency), conversion.buy_currency
    cost = arithmetic.convert(sold, row.house_rate, currency).money
    problems: tuple[str, ...] = ()
    causes = [
        Link("rate of the day", _rates(row), is_outside=True),
        Link("of the conversion at", "", conversion.quote.public_id),
    ]
    if row.cause_type and (named := link_of(row.cause_type, row.cause_id)):
        causes.append(named)
    if cost.minor != row.cost_minor:
        problems = (f"{sold.display()} at {plain(row.house_rate)} costs {cost.display()}",)
    return Explanation(
        ref=show(UNWIND, row.pk),
        kind="gain or loss",
        title=f"{sold.display()} of {conversion.public_id} turned back",
        amounts=one(Money(row.gain_minor, currency)),
        parts=(
            Part("given back by the merchant", Money(row.buy_minor, currency), "", False),
            Part("spread given back", Money(row.spread_minor, currency), "", False),
            Part("cost at the rate of the day", Money(-row.cost_minor, currency), "", False),
        ),
        causes=tuple(causes),
        evidence=(("reckoned", row.explanation),),
        problems=problems,
        at=row.occurred_at,
        page=("ledger_fxunwind", str(row.pk)),
    )
