"""Unwinding: a conversion is turned back, in part or whole, because what it was made for is refunded.

The customer's side is reversed at the conversion's own rate: the merchant gets back what was sold and gives
back what was bought for it, the spread with it. The house must buy the currency back at the rate of the day;
what that costs more or less than it was sold for is its loss or gain, booked and explained. Refunds do it by
themselves (payments, `services/turning_back.py`); it is never offered to merchants: turning back at will at
the old rate would be a free option against the house.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.actors import Actor
from ledger.errors import Invalid
from ledger.events import Cause
from ledger.fx import arithmetic, locks, posting_rules, rates
from ledger.fx.converting import expose
from ledger.fx.posting_rules import Unwound
from ledger.fx.rates import HouseRate
from ledger.ids import uuid7
from ledger.locks import phased
from ledger.models import FxConversion, FxUnwind
from ledger.models.fx import plain
from ledger.money import CurrencyMismatch, Money
from ledger.recording import no_answer, record


class UnwindTooLarge(Invalid):
    """More is to be turned back than is left of the conversion."""

    code = "fx_unwind_too_large"


@phased
def unwind(
    *,
    merchant_id: UUID,
    conversion_id: UUID,
    amount: Money,
    actor: Actor,
    at: datetime,
    unwind_id: UUID | None = None,
    cause: Cause | None = None,
    answer: Callable[[FxUnwind], Any] = no_answer,
) -> FxUnwind:
    """Give back an amount of what was sold; take back its share of what was bought.

    The shares are cumulative and rounded half to even, so that parts of a whole sum to the whole.

    :raises FxConversionNotFound: no such conversion. :raises CurrencyMismatch: not the currency sold.
    :raises UnwindTooLarge: more than is left, or nothing. :raises RateUnavailable: no rate of the day.
    :raises Overdraft: the merchant's balance does not hold what is taken back.
    """
    done = turn_back(
        merchant_id=merchant_id, conversion_id=conversion_id, amount=amount, actor=actor, at=at,
        unwind_id=unwind_id, cause=cause,
    )  # fmt: skip
    answer(done)
    return done


def turn_back(
    *, merchant_id: UUID, conversion_id: UUID, amount: Money, actor: Actor, at: datetime,
    unwind_id: UUID | None = None, cause: Cause | None = None,
) -> FxUnwind:  # fmt: skip
    """Do what `unwind` does in the caller's phase, which raises the same."""
    conversion = locks.conversion(merchant_id, conversion_id)
    key = unwind_id or uuid7()
    done = FxUnwind.objects.filter(conversion=conversion, pk=key).first()
    if done is not None:
        return done
    _check(conversion, amount)
    house = rates.reckon(conversion.sell_currency, conversion.buy_currency, at)
    figures = _figures(conversion, amount, house)
    moved = {
        "sell": figures.sell.minor,
        "buy": figures.buy.minor,
        "spread": figures.spread.minor,
        "gain": figures.gain.minor,
    }
    number = conversion.unwinds_made + 1
    with record(conversion, actor=actor, cause=cause, at=at) as entry:
        (conversion.unwind if amount == conversion.left else conversion.unwind_part)(moved)
        entry_id = entry.post(
            posting_rules.unwound(conversion, figures), step=f"unwind:{number}", kind="fx_unwind"
        )
        entry.announce({**conversion.as_event(), "unwind": {**moved, "house_rate": str(house.rate)}})
    named = cause or Cause()
    made = FxUnwind.objects.create(
        id=key, merchant_id=merchant_id, conversion=conversion, number=number, sell_minor=moved["sell"],
        buy_minor=moved["buy"], spread_minor=moved["spread"], cost_minor=figures.cost.minor,
        gain_minor=moved["gain"], house_rate=house.rate, sources=house.as_json(),
        explanation=_explained(conversion, figures, house), cause_type=named.type, cause_id=named.id,
        entry_id=entry_id, occurred_at=at,
    )  # fmt: skip
    expose(conversion, figures.cost, -figures.sell, house.rate, at, entry_id, made)
    return made


def taken_back(conversion: FxConversion, amount: Money) -> Money:
    """Return what the merchant gives back, in the currency bought, when an amount is turned back now."""
    return _share(conversion, conversion.buy_minor, conversion.returned_minor, amount)


def _check(conversion: FxConversion, amount: Money) -> None:
    if amount.currency != conversion.sell_currency:
        raise CurrencyMismatch(f"{conversion.sell_currency} was sold, not {amount.currency}", param="amount")
    if not 0 < amount.minor <= conversion.left.minor:
        raise UnwindTooLarge(f"{conversion.left.display()} can be turned back", param="amount")


def _figures(conversion: FxConversion, amount: Money, house: HouseRate) -> Unwound:
    """Return the figures: shares of the whole up to here, less what was turned back before."""
    spread = _share(conversion, conversion.spread_minor, conversion.spread_returned_minor, amount)
    cost = arithmetic.convert(amount, house.rate, conversion.buy_currency).money
    return Unwound(amount, taken_back(conversion, amount), spread, cost)


def _share(conversion: FxConversion, whole: int, returned: int, amount: Money) -> Money:
    so_far = conversion.unwound_minor + amount.minor
    return Money(arithmetic.share(whole, so_far, conversion.sell_minor) - returned, conversion.buy_currency)


def _explained(conversion: FxConversion, figures: Unwound, house: HouseRate) -> str:
    gain = figures.gain
    word = "a gain" if gain.minor > 0 else "a loss" if gain.minor < 0 else "neither gain nor loss"
    return (
        f"{figures.sell.display()} of {conversion.public_id} turned back. At its own rates "
        f"({plain(conversion.customer_rate)}, house {plain(conversion.house_rate)}) the merchant gives back "
        f"{figures.buy.display()} and the house {figures.spread.display()} of spread, together "
        f"{(figures.buy + figures.spread).display()}. At the rate of the day, {plain(house.rate)}, "
        f"{figures.sell.display()} cost {figures.cost.display()}: {word}"
        f"{f' of {abs(gain).display()}' if gain.minor else ''}."
    )
