"""What each source says of a pair at an instant, and whether it is fresh enough to be asked.

A source is stale by its own `as_of`, not by when it was fetched. The central bank speaks once on each day on
which TARGET is open, and its age is counted in such days, so that no holiday makes it stale; the feed speaks
each minute, finance's table as long as a row is valid. A cross rate is as old as its older leg.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

from django.conf import settings
from django.db import connection
from django.db.models import Q

from ledger.fx import arithmetic, target_days
from ledger.fx.arithmetic import Pair
from ledger.models import FxTableRate
from ledger.models.fx_rates import FxSource

ALL: Final = (FxSource.ECB, FxSource.FEED, FxSource.TABLE)
_STORED: Final = (FxSource.ECB, FxSource.FEED)


@dataclass(frozen=True, slots=True)
class Said:
    """What one source says of a pair, until when it is fresh, and by which of its written pairs."""

    source: FxSource
    rate: Fraction
    as_of: datetime
    fresh_until: datetime
    way: str


@dataclass(frozen=True, slots=True)
class Silence:
    """Why a source says nothing: `stale` (it spoke last at `as_of`) or `missing`."""

    source: FxSource
    reason: str
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """One written rate of a source."""

    base: str
    quote: str
    rate: Decimal
    as_of: datetime
    fresh_until: datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """What one source says at an instant, and why it says nothing of what it does not speak of."""

    source: FxSource
    known: list[Known]
    silence: Silence


def fresh_until(source: FxSource, as_of: datetime) -> datetime:
    """Return the instant from which what a stored source said as of another is stale."""
    if source is FxSource.FEED:
        return as_of + timedelta(seconds=settings.FX_FEED_MAX_AGE_SECONDS)
    last_day = target_days.after(as_of.date(), settings.FX_ECB_MAX_AGE_DAYS)
    return datetime.combine(last_day, as_of.timetz())


def ask(pair: Pair, at: datetime) -> list[Said | Silence]:
    """Return what every source says of a pair at an instant."""
    return ask_among(hear(at, (pair.base, pair.quote)), pair)


def hear(at: datetime, currencies: Sequence[str] = ()) -> list[Heard]:
    """Return what every source says at an instant, of everything or of some currencies."""
    return [_hear(source, at, currencies) for source in ALL]


def ask_among(heard: Sequence[Heard], pair: Pair) -> list[Said | Silence]:
    """Return what every source says of a pair, without a query."""
    return [_ask(one, pair) for one in heard]


def last_spoken(source: FxSource, at: datetime) -> datetime | None:
    """Return the `as_of` of the newest rate of a stored source."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(as_of) FROM ledger_fx_rate WHERE source = %s AND as_of <= %s", [source.value, at]
        )
        spoken: datetime | None = cursor.fetchone()[0]
        return spoken


def fresh(source: FxSource, at: datetime, currencies: Sequence[str] = ()) -> list[Known]:
    """Return a source's fresh rates: all of them, or those that touch one of the currencies."""
    if source is FxSource.TABLE:
        return _of_table(at, currencies)
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT DISTINCT ON (base, quote) base, quote, rate, as_of FROM ledger_fx_rate
               WHERE source = %(source)s AND as_of > %(oldest)s AND as_of <= %(at)s
                 AND (%(any)s OR base = ANY (%(touched)s) OR quote = ANY (%(touched)s))
               ORDER BY base, quote, as_of DESC""",
            {"source": source.value, "oldest": _oldest(source, at), "at": at, "any": not currencies,
             "touched": list(currencies)},
        )  # fmt: skip
        newest = [
            Known(base, quote, rate, as_of, fresh_until(source, as_of))
            for base, quote, rate, as_of in cursor.fetchall()
        ]
    return [known for known in newest if at < known.fresh_until]


def _oldest(source: FxSource, at: datetime) -> datetime:
    """Return an instant before which everything is stale, for the index; not much earlier than need be."""
    if source is FxSource.FEED:
        return at - timedelta(seconds=settings.FX_FEED_MAX_AGE_SECONDS)
    # At most four days in a row are closed (Good Friday to Easter Monday, or Christmas beside a weekend).
    return at - timedelta(days=2 * settings.FX_ECB_MAX_AGE_DAYS + 7)


def _hear(source: FxSource, at: datetime, currencies: Sequence[str]) -> Heard:
    known = fresh(source, at, currencies)
    silence = Silence(source, "missing")
    if not known and source is not FxSource.TABLE:
        spoken = last_spoken(source, at)
        is_stale = spoken is not None and fresh_until(source, spoken) <= at
        silence = Silence(source, "stale" if is_stale else "missing", spoken)
    return Heard(source, known, silence)


def _ask(heard: Heard, pair: Pair) -> Said | Silence:
    known = {(one.base, one.quote): one for one in heard.known}
    rates = {name: Fraction(one.rate) for name, one in known.items()}
    way = arithmetic.cross(rates, pair.base, pair.quote)
    if way is None:
        return heard.silence
    legs = [known[step] for step in way]
    return Said(
        source=heard.source,
        rate=arithmetic.along(rates, way, pair.base, pair.quote),
        as_of=min(leg.as_of for leg in legs),
        fresh_until=min(leg.fresh_until for leg in legs),
        way=", ".join(f"{base}/{quote}" for base, quote in way),
    )


def _of_table(at: datetime, currencies: Iterable[str]) -> list[Known]:
    valid = FxTableRate.objects.filter(Q(valid_to=None) | Q(valid_to__gt=at), valid_from__lte=at)
    named = list(currencies)
    if named:
        valid = valid.filter(Q(base__in=named) | Q(quote__in=named))
    newest: dict[tuple[str, str], FxTableRate] = {}
    for row in valid.order_by("valid_from", "recorded_at", "id"):
        newest[row.base, row.quote] = row
    end = datetime.max.replace(tzinfo=at.tzinfo)
    return [
        Known(row.base, row.quote, row.rate, row.valid_from, row.valid_to or end) for row in newest.values()
    ]
