"""Pure: the days on which banks settle: not on weekends, nor on the holidays of their system.

TARGET2 closing days (ECB, since 2002) for euro; the Federal Reserve's holidays for dollars. Both are
computed, so no list of years ends.
"""

from datetime import date, timedelta
from typing import Final

DAY: Final = timedelta(days=1)
SATURDAY: Final = 5
MONDAY: Final = 0
THURSDAY: Final = 3


def next_target_day(after: date) -> date:
    """Return the first TARGET day after a date."""
    day = after + DAY
    while day.weekday() >= SATURDAY or _is_target_holiday(day):
        day += DAY
    return day


def next_fed_day(after: date) -> date:
    """Return the first day after a date on which the Federal Reserve Banks settle."""
    day = after + DAY
    while day.weekday() >= SATURDAY or day in _fed_holidays(day.year):
        day += DAY
    return day


def next_weekday(after: date) -> date:
    """Return the first day after a date that is no weekend: a wish, where a bank knows its own holidays."""
    day = after + DAY
    while day.weekday() >= SATURDAY:
        day += DAY
    return day


def _is_target_holiday(day: date) -> bool:
    easter = easter_sunday(day.year)
    moving = (easter - 2 * DAY, easter + DAY)  # Good Friday, Easter Monday
    return (day.month, day.day) in ((1, 1), (5, 1), (12, 25), (12, 26)) or day in moving


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


def easter_sunday(year: int) -> date:
    """Return Easter Sunday in the Gregorian calendar (the anonymous algorithm of 1876)."""
    golden, century, of_century = year % 19, year // 100, year % 100
    leaps, left = divmod(century, 4)
    moon = (19 * golden + century - leaps - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    fours, ones = divmod(of_century, 4)
    weekday = (32 + 2 * left + 2 * fours - moon - ones) % 7
    late = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)
