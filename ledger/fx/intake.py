"""Taking rates in: what a source said is written once and never changed.

A batch with one rate that cannot be is refused whole: a source that is wrong once is not believed by halves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import connection

from ledger.errors import Invalid
from ledger.locks import phased
from ledger.models.fx_rates import FxSource

SKEW_MAX: Final = timedelta(seconds=60)


class RatesRefused(Invalid):
    """A source says something that cannot be."""

    code = "fx_rates_refused"


@dataclass(frozen=True, slots=True)
class NewRate:
    """A rate that a source states: one `base` is `rate` of `quote`."""

    base: str
    quote: str
    rate: Decimal
    as_of: datetime


@phased
def keep(source: FxSource, rates: Sequence[NewRate], fetched_at: datetime) -> int:
    """Write the rates that are not there yet, all or none; return how many.

    :raises RatesRefused: a rate is of the future (by more than a minute), or of a currency in itself.
    """
    if not rates:
        return 0
    for rate in rates:
        _check(rate, fetched_at)
    rows = [(one.base, one.quote, one.rate, min(one.as_of, fetched_at)) for one in rates]
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO ledger_fx_rate (source, base, quote, rate, as_of, fetched_at)
               SELECT %s, base, quote, rate, as_of, %s
               FROM unnest(%s::text[], %s::text[], %s::numeric[], %s::timestamptz[])
                 AS n (base, quote, rate, as_of)
               ON CONFLICT DO NOTHING""",
            [source.value, fetched_at, *(list(column) for column in zip(*rows, strict=True))],
        )
        return int(cursor.rowcount)


def _check(rate: NewRate, fetched_at: datetime) -> None:
    if rate.as_of > fetched_at + SKEW_MAX:
        raise RatesRefused(f"{rate.base}/{rate.quote} is of the future: {rate.as_of.isoformat()}")
    if rate.base == rate.quote or rate.rate <= 0:
        raise RatesRefused(f"{rate.base}/{rate.quote} cannot be {rate.rate}")
