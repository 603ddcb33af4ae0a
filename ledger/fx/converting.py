"""Conversions: an open quote becomes an entry that balances in each currency, once.

The rate is the one on the quote's row, never one from a cache. Rounding is half to even to the bought
currency's exponent, and what it took or added is kept with the conversion.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from ledger.actors import Actor
from ledger.errors import Conflict, Invalid
from ledger.events import Cause
from ledger.fx import arithmetic, locks, posting_rules
from ledger.fx.arithmetic import Pair, pair_of
from ledger.fx_states import FxQuoteState
from ledger.locks import phased
from ledger.models import FxConversion, FxExposure, FxQuote, FxUnwind
from ledger.models.fx import plain
from ledger.money import Money
from ledger.recording import no_answer, record


class QuoteUsed(Conflict):
    """The quote has been used."""

    code = "fx_quote_used"
    advice = "Ask for a new quote."


class QuoteExpired(Conflict):
    """The quote's time is over, or it was cancelled."""

    code = "fx_quote_expired"
    advice = "Ask for a new quote."


class QuoteDiffers(Invalid):
    """The conversion asks for another amount than the quote was given for."""

    code = "fx_quote_differs"
    advice = "Send the quote's own amount, or ask for a quote for the amount wanted."


@dataclass(frozen=True, slots=True)
class ConversionWish:
    """Which quote to use; an amount, when given, must be the quote's."""

    conversion_id: UUID
    quote_id: UUID
    amount: Money | None = None


@phased
def convert(
    *,
    merchant_id: UUID,
    wish: ConversionWish,
    actor: Actor,
    at: datetime,
    cause: Cause | None = None,
    answer: Callable[[FxConversion], Any] = no_answer,
) -> FxConversion:
    """Turn the quote's amount of the merchant's balance into the other currency.

    :raises FxQuoteNotFound: no such quote. :raises QuoteUsed: it is used. :raises QuoteExpired: too late.
    :raises QuoteDiffers: it is for another amount. :raises Overdraft: the balance does not hold it.
    """
    done = FxConversion.objects.filter(merchant_id=merchant_id, pk=wish.conversion_id).first()
    if done is not None:
        answer(done)
        return done
    quote = locks.quote(merchant_id, wish.quote_id)
    _check(quote, wish, at)
    conversion = _of_quote(quote, wish.conversion_id, at)
    with record(conversion, quote, actor=actor, cause=cause, at=at) as entry:
        quote.use(at)
        entry_id = entry.post(posting_rules.converted(conversion), step="convert", kind="fx_conversion")
        conversion.book(entry_id)
        entry.announce(conversion.as_event())
        entry.announce(quote.as_event(), quote)
    expose(conversion, -conversion.house, conversion.sell, conversion.house_rate, at, entry_id)
    answer(conversion)
    return conversion


def expose(
    conversion: FxConversion, bought: Money, sold: Money, rate: Decimal, at: datetime,
    entry_id: UUID, unwind: FxUnwind | None = None,
) -> FxExposure:  # fmt: skip
    """Note what a step left the house holding: of the currency sold and of the one bought, signed."""
    pair = pair_of(conversion.sell_currency, conversion.buy_currency)
    held = {sold.currency: sold.minor, bought.currency: bought.minor}
    return FxExposure.objects.create(
        merchant_id=conversion.merchant_id, pair=str(pair), base_minor=held[pair.base],
        quote_minor=held[pair.quote], rate=_rate_of(pair, conversion, rate), conversion=conversion,
        unwind=unwind, entry_id=entry_id, occurred_at=at,
    )  # fmt: skip


def _rate_of(pair: Pair, conversion: FxConversion, rate: Decimal) -> Decimal:
    return rate if pair.base == conversion.sell_currency else arithmetic.to_rate(1 / Fraction(rate))


def _check(quote: FxQuote, wish: ConversionWish, at: datetime) -> None:
    if quote.state == FxQuoteState.USED:
        raise QuoteUsed("the quote has been used", param="quote_id")
    if quote.state != FxQuoteState.OPEN or quote.is_lapsed(at):
        raise QuoteExpired(f"the quote held until {quote.expires_at.isoformat()}", param="quote_id")
    if wish.amount is not None and wish.amount != quote.sell:
        raise QuoteDiffers(f"the quote is for {quote.sell.display()}", param="amount")


def _of_quote(quote: FxQuote, conversion_id: UUID, at: datetime) -> FxConversion:
    bought = arithmetic.convert(quote.sell, quote.customer_rate, quote.buy_currency)
    house = arithmetic.convert(quote.sell, quote.house_rate, quote.buy_currency)
    assert (bought.money, house.money) == (quote.buy, quote.house), f"{quote.public_id} does not come out"
    return FxConversion(
        id=conversion_id, merchant_id=quote.merchant_id, quote=quote,
        pair=str(pair_of(quote.sell_currency, quote.buy_currency)), sell_currency=quote.sell_currency,
        buy_currency=quote.buy_currency, sell_minor=quote.sell_minor, buy_minor=quote.buy_minor,
        house_minor=quote.house_minor, spread_minor=quote.spread_minor, house_rate=quote.house_rate,
        customer_rate=quote.customer_rate, rounding=bought.rounding, house_rounding=house.rounding,
        explanation=_explained(quote, bought.rounding, house.rounding), occurred_at=at,
    )  # fmt: skip


def _explained(quote: FxQuote, rounding: Decimal, house_rounding: Decimal) -> str:
    used = ", ".join(one["source"] for one in quote.sources["used"])
    text = (
        f"{quote.sell.display()} at the house rate {plain(quote.house_rate)} (median of {used}) are "
        f"{quote.house.display()}; at the customer's rate {plain(quote.customer_rate)}, which is "
        f"{quote.spread_bps} bps lower, {quote.buy.display()}. The spread is {quote.spread.display()}."
    )
    if rounding or house_rounding:
        text += (
            f" Rounding half to even, in the smallest unit of {quote.buy_currency}: {plain(rounding)} of the "
            f"customer's amount and {plain(house_rounding)} of the house's; the difference is in the spread."
        )
    return text
