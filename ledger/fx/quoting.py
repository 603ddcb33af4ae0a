"""Quotes: the house rate of now less the spread, locked for one amount until it expires.

A quote shows both rates and which sources made the house rate. It moves no money and is used once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from ledger.actors import SYSTEM, Actor
from ledger.fx import arithmetic, locks, rates, spreads
from ledger.locks import phased
from ledger.models import FxQuote
from ledger.models.fx_rates import FxKind
from ledger.money import Money
from ledger.recording import no_answer, record

LAPSED_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class QuoteWish:
    """What a merchant wants: to sell an amount for another currency."""

    quote_id: UUID
    sell: Money
    buy_currency: str
    kind: FxKind = FxKind.OTHER


def quote(
    *,
    merchant_id: UUID,
    wish: QuoteWish,
    actor: Actor,
    at: datetime,
    answer: Callable[[FxQuote], Any] = no_answer,
) -> FxQuote:
    """Lock a rate for an amount.

    :raises SameCurrency: one currency. :raises RateUnavailable: too few sources are fresh and agree.
    :raises AmountTooSmall: it is worth nothing. :raises AmountTooLarge: it is worth too much.
    """
    house = rates.reckon(wish.sell.currency, wish.buy_currency, at)
    return _write(merchant_id, wish, house, actor, at, answer)


@phased
def cancel(
    *,
    merchant_id: UUID,
    quote_id: UUID,
    actor: Actor,
    at: datetime,
    answer: Callable[[FxQuote], Any] = no_answer,
) -> FxQuote:
    """Give a quote back unused.

    :raises FxQuoteNotFound: no such quote. :raises StateConflict: it is not open.
    """
    found = locks.quote(merchant_id, quote_id)
    with record(found, actor=actor, at=at) as entry:
        found.cancel(at)
        entry.announce(found.as_event())
    answer(found)
    return found


def expire_due(at: datetime) -> int:
    """Let open quotes lapse whose time is over; return how many."""
    total = 0
    while lapsed := _expire_some(at):
        total += lapsed
    return total


@phased
def _write(
    merchant_id: UUID,
    wish: QuoteWish,
    house: rates.HouseRate,
    actor: Actor,
    at: datetime,
    answer: Callable[[FxQuote], Any],
) -> FxQuote:
    done = FxQuote.objects.filter(merchant_id=merchant_id, pk=wish.quote_id).first()
    if done is not None:
        answer(done)
        return done
    found = _priced(merchant_id, wish, house, at)
    with record(found, actor=actor, at=at) as entry:
        found.open()
        entry.announce(found.as_event())
    answer(found)
    return found


def _priced(merchant_id: UUID, wish: QuoteWish, house: rates.HouseRate, at: datetime) -> FxQuote:
    spread = spreads.of(wish.kind, merchant_id, at)
    customer_rate = arithmetic.customer_rate(house.rate, spread.bps)
    at_house = arithmetic.check_size(arithmetic.convert(wish.sell, house.rate, wish.buy_currency).money)
    bought = arithmetic.check_size(arithmetic.convert(wish.sell, customer_rate, wish.buy_currency).money)
    return FxQuote(
        id=wish.quote_id, merchant_id=merchant_id, kind=wish.kind.value, sell_currency=wish.sell.currency,
        buy_currency=wish.buy_currency, sell_minor=wish.sell.minor, buy_minor=bought.minor,
        house_minor=at_house.minor, spread_minor=at_house.minor - bought.minor, house_rate=house.rate,
        customer_rate=customer_rate, spread_bps=spread.bps, spread_id=spread.id, sources=house.as_json(),
        occurred_at=at, expires_at=at + timedelta(seconds=settings.FX_QUOTE_SECONDS),
    )  # fmt: skip


@phased
def _expire_some(at: datetime) -> int:
    lapsed = locks.lapsed_quotes(at, LAPSED_AT_ONCE)
    for one in lapsed:
        with record(one, actor=SYSTEM, at=at) as entry:
            one.expire(at)
            entry.announce(one.as_event())
    return len(lapsed)
