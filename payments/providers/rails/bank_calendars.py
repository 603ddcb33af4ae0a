"""Bank days of currencies that are neither euro nor dollars: the working days of the currency's country.

The country is what the code begins with (ISO 4217). `_KEPT` says where its settlement system does not simply
keep the public holidays. They come from the library `holidays`, which is loaded with the first question (half
a second of CPU or more, 19 MB): a house that sends no such credits never asks. A currency of several
countries (XOF), or of one that the library does not know, is settled on weekdays: a wish that its bank may
move.
"""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

WEEKEND: Final = frozenset({5, 6})  # Saturday, Sunday
PUBLIC: Final = "public"


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a settlement system keeps of a country's holidays, by the library's names; or of an exchange's."""

    country: str = ""
    region: str | None = None
    kinds: tuple[str, ...] = (PUBLIC,)
    exchange: str = ""


_KEPT: Final = {
    "AUD": _Kept("AU", "NSW", (PUBLIC, "bank")),  # RITS, in Sydney
    "BRL": _Kept(exchange="BVMF"),  # with carnival and Corpus Christi; closes 24 and 31 December too
    "CAD": _Kept("CA", kinds=(PUBLIC, "government")),  # Lynx: the federal ones
    "CHF": _Kept(exchange="XSWX"),  # SIC, whose house runs the exchange, which closes 24 and 31 December too
    "DKK": _Kept("DK", kinds=(PUBLIC, "optional")),  # Kronos2: with 5 June, 24 and 31 December
    "GBP": _Kept("GB", "ENG"),  # CHAPS: England and Wales
    "HKD": _Kept("HK", kinds=(PUBLIC, "optional")),  # CHATS: general holidays
    "JPY": _Kept("JP", kinds=(PUBLIC, "bank")),  # BOJ-NET: with 31 December to 3 January
    "KRW": _Kept("KR", kinds=(PUBLIC, "bank")),
    "SEK": _Kept("SE", kinds=(PUBLIC, "de_facto")),  # RIX: with the eves of midsummer, Christmas, new year
    "THB": _Kept("TH", kinds=(PUBLIC, "bank")),
}


@dataclass(frozen=True, slots=True)
class _Closed:
    """When banks are closed in one year."""

    weekend: frozenset[int]
    days: frozenset[date]


def is_open(currency: str, day: date) -> bool:
    """Say whether banks settle a currency (ISO 4217) on a day."""
    closed = _closed(currency, day.year)
    return day.weekday() not in closed.weekend and day not in closed.days


@lru_cache(maxsize=256)
def _closed(currency: str, year: int) -> _Closed:
    import holidays  # here, because of what it costs

    kept = _KEPT.get(currency, _Kept(currency[:2]))
    try:
        found = (
            holidays.financial_holidays(kept.exchange, years=year)
            if kept.exchange
            else holidays.country_holidays(kept.country, kept.region, years=year, categories=kept.kinds)
        )
    except NotImplementedError:  # a country that the library does not know
        return _Closed(WEEKEND, frozenset())
    # Banks rest for two days, also where shops do for one (Hong Kong).
    weekend = WEEKEND if WEEKEND.issuperset(found.weekend) else frozenset(found.weekend)
    return _Closed(weekend, frozenset(found))
