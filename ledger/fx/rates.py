"""The house rate: the median of the sources that are fresh and agree, or nothing.

A stale source is not asked. One that is farther than `FX_OUTLIER_BPS` from the median is left out and told
of. With fewer than `FX_SOURCES_MIN` left there is no rate: never a guess. Which sources made a rate is kept
with it. `shown` remembers a rate for 60 seconds for all processes (`ledger.remembering`), for showing
only: a quote is a promise, so it reckons anew, and what moves money takes the rate from its quote's row.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from django.conf import settings

from ledger import metrics
from ledger.errors import Unavailable
from ledger.fx import arithmetic, sources
from ledger.fx.arithmetic import Pair
from ledger.fx.sources import Heard, Said, Silence
from ledger.models.fx import plain
from ledger.models.fx_rates import FxSource
from ledger.money import check_currency
from ledger.remembering import Memory

log = logging.getLogger(__name__)

REMEMBERED_SECONDS: Final = 60
REMEMBERED: Final = timedelta(seconds=REMEMBERED_SECONDS)
EVERYBODY: Final = "all"  # one scope: house rates are the same for every merchant


class RateUnavailable(Unavailable):
    """Too few fresh sources agree on a rate."""

    code = "fx_rate_unavailable"
    advice = "Ask again in a minute; nothing was converted."


@dataclass(frozen=True, slots=True)
class HouseRate:
    """How much of `buy` one `sell` is, which sources say so, and which were not believed, and why."""

    sell: str
    buy: str
    rate: Decimal
    at: datetime
    good_until: datetime
    used: tuple[Said, ...]
    left_out: tuple[Said | Silence, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the sources as they are kept with a quote; rates are of the pair as it is written there."""
        return {
            "pair": str(arithmetic.pair_of(self.sell, self.buy)),
            "used": [_said(one) for one in self.used],
            "left_out": [
                {**_said(one), "reason": "outlier"} if isinstance(one, Said) else _silence(one)
                for one in self.left_out
            ],
            "reckoned_at": self.at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class NoRate:
    """A currency for which there is no rate now, and why."""

    sell: str
    buy: str
    reason: str
    used: tuple[Said, ...] = ()
    left_out: tuple[Said | Silence, ...] = ()


def reckon(sell: str, buy: str, at: datetime) -> HouseRate:
    """Return the house rate of this instant, from the database.

    :raises SameCurrency: one currency. :raises BadCurrency: not a currency.
    :raises RateUnavailable: too few sources are fresh and agree.
    """
    pair = arithmetic.pair_of(check_currency(sell), check_currency(buy))
    found = _house(sell, buy, pair, sources.ask(pair, at), at)
    if isinstance(found, NoRate):
        raise RateUnavailable(found.reason, pair=str(pair))
    return found


def board(sell: str, at: datetime) -> list[HouseRate | NoRate]:
    """Return the house rate of a currency in every other that a source speaks of, in as many queries as for
    one.

    :raises BadCurrency: not a currency.
    """
    check_currency(sell)
    heard = sources.hear(at)
    named = {name for source in heard for one in source.known for name in (one.base, one.quote)}
    return _among(heard, [(sell, buy) for buy in sorted(named - {sell})], at)


def of_pairs(pairs: Sequence[tuple[str, str]], at: datetime) -> list[HouseRate | NoRate]:
    """Return the house rates of pairs (sold, bought), in as many queries as for one; for showing only."""
    return _among(sources.hear(at), pairs, at)


def _among(
    heard: Sequence[Heard], pairs: Sequence[tuple[str, str]], at: datetime
) -> list[HouseRate | NoRate]:
    found = []
    for sell, buy in pairs:
        pair = arithmetic.pair_of(sell, buy)
        found.append(_house(sell, buy, pair, sources.ask_among(heard, pair), at))
    return found


def _house(
    sell: str, buy: str, pair: Pair, answers: Sequence[Said | Silence], at: datetime
) -> HouseRate | NoRate:
    said = [one for one in answers if isinstance(one, Said)]
    judged = arithmetic.judge([one.rate for one in said], settings.FX_OUTLIER_BPS)
    used = tuple(said[index] for index in judged.used) if judged else ()
    outliers = tuple(said[index] for index in judged.outliers) if judged else ()
    silent = (one for one in answers if isinstance(one, Silence))
    left_out: tuple[Said | Silence, ...] = (*outliers, *silent)
    for one in outliers:
        _tell(pair, one)
    if judged is None or len(used) < settings.FX_SOURCES_MIN:
        reasons = "; ".join(_why(one) for one in left_out) or "no source is set up"
        needed = settings.FX_SOURCES_MIN
        reason = f"{len(used)} of {needed} sources needed have a rate for {pair}: {reasons}"
        return NoRate(sell, buy, reason, used, left_out)
    rate = judged.median if pair.base == sell else 1 / judged.median
    return HouseRate(
        sell, buy, arithmetic.to_rate(rate), at, min(one.fresh_until for one in used), used, left_out
    )


def shown(sell: str, buy: str, at: datetime) -> HouseRate:
    """Return a house rate that is at most 60 seconds old and whose sources are still fresh.

    :raises RateUnavailable: too few sources are fresh and agree.
    """
    return memory.recall(
        EVERYBODY,
        f"{sell}/{buy}",
        lambda: reckon(sell, buy, at),
        lambda kept: kept.at <= at < min(kept.at + REMEMBERED, kept.good_until),
    )


def forget() -> None:
    """Forget what all processes remember: finance has changed the table."""
    memory.forget_now(EVERYBODY)


def _tell(pair: Pair, one: Said) -> None:
    metrics.fx_left_out.labels(one.source.value).inc()
    log.warning(
        "a source of rates is left out",
        extra={"pair": str(pair), "source": one.source.value, "rate": _text(one.rate)},
    )


def _why(one: Said | Silence) -> str:
    if isinstance(one, Said):
        return f"{one.source.label} is too far off"
    since = f" since {one.as_of:%Y-%m-%d %H:%M}" if one.as_of else ""
    return f"{one.source.label}: {one.reason}{since}"


def _said(one: Said) -> dict[str, str]:
    return {
        "source": one.source.value,
        "rate": _text(one.rate),
        "as_of": one.as_of.isoformat(),
        "by": one.way,
    }


def _silence(one: Silence) -> dict[str, str | None]:
    as_of = one.as_of.isoformat() if one.as_of else None
    return {"source": one.source.value, "reason": one.reason, "as_of": as_of}


def _text(rate: Fraction) -> str:
    return plain(arithmetic.to_rate(rate))


def _packed(house: HouseRate) -> dict[str, Any]:
    return {
        "sell": house.sell,
        "buy": house.buy,
        "rate": str(house.rate),
        "at": house.at.isoformat(),
        "good_until": house.good_until.isoformat(),
        "used": [_pack(one) for one in house.used],
        "left_out": [_pack(one) for one in house.left_out],
    }


def _unpacked(packed: dict[str, Any]) -> HouseRate:
    used = [_unpack(one) for one in packed["used"]]
    return HouseRate(
        packed["sell"],
        packed["buy"],
        Decimal(packed["rate"]),
        datetime.fromisoformat(packed["at"]),
        datetime.fromisoformat(packed["good_until"]),
        tuple(one for one in used if isinstance(one, Said)),
        tuple(_unpack(one) for one in packed["left_out"]),
    )


def _pack(one: Said | Silence) -> list[str | None]:
    as_of = one.as_of.isoformat() if one.as_of else None
    if isinstance(one, Silence):
        return [one.source.value, as_of, one.reason]
    return [one.source.value, as_of, str(one.rate), one.fresh_until.isoformat(), one.way]


def _unpack(packed: list[Any]) -> Said | Silence:
    source, as_of, what, *more = packed
    spoken = datetime.fromisoformat(as_of) if as_of else None
    if not more:
        return Silence(FxSource(source), what, spoken)
    assert spoken is not None, "a source that said something said it at some time"
    return Said(FxSource(source), Fraction(what), spoken, datetime.fromisoformat(more[0]), more[1])


memory: Final = Memory("fx_rates", seconds=REMEMBERED_SECONDS, pack=_packed, unpack=_unpacked)
