"""The days on which banks settle a currency: not on weekends, nor on the holidays of its system.

TARGET closing days for euro, and the Federal Reserve's holidays for dollars, are computed, so no list of
years ends. Every other currency is settled on the bank days of its country (`bank_calendars`).
"""

from datetime import date, timedelta
from typing import Final

from ledger.fx import target_days
from payments.providers.rails import bank_calendars

DAY: Final = timedelta(days=1)
SATURDAY: Final = 5
MONDAY: Final = 0
THURSDAY: Final = 3


def next_bank_day(currency: str, after: date) -> date:
    """Return the first day after a date on which banks settle a currency (ISO 4217)."""
    day = after + DAY
    while not is_bank_day(currency, day):
        day += DAY
    return day


def is_bank_day(currency: str, day: date) -> bool:
    """Say whether banks settle a currency on a day."""
    match currency:
        case "EUR":
            return target_days.is_open(day)
        case "USD":
            return day.weekday() < SATURDAY and day not in _fed_holidays(day.year)
    return bank_calendars.is_open(currency, day)


def _fed_holidays(year: int) -> set[date]:
    """Those that fall on a Sunday are kept on Monday; on a Saturday the Reserve Banks are closed anyway."""
    fixed = [date(year, *day) for day in ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25))]
    kept = {day + DAY if day.weekday() > SATURDAY else day for day in fixed}
    return kept | {
        _nth(year, 1, MONDAY, 3),
        _nth(year, 2, MONDAY, 3),
        _nth(year, 6, MONDAY, 1) - 7 * DAY,  # the last Monday of May
        _nth(year, 9, MONDAY, 1),
        _nth(year, 10, MONDAY, 2),
        _nth(year, 11, THURSDAY, 4),
    }


def _nth(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
