"""The days on which TARGET is open, against the central bank's calendars and its own history of rates."""

from datetime import date, timedelta

import pytest

from ledger.fx import ecb, target_days


@pytest.mark.parametrize(
    ("year", "month", "day"),
    [(2002, 3, 31), (2008, 3, 23), (2011, 4, 24), (2024, 3, 31), (2025, 4, 20), (2026, 4, 5), (2038, 4, 25),
     (2049, 4, 18), (2285, 3, 22)],
)  # fmt: skip
def test_easter(year, month, day):
    assert target_days.easter_sunday(year) == date(year, month, day)


def test_the_closing_days_of_2026():
    year = (date(2026, 1, 1) + timedelta(days=number) for number in range(365))
    closed = [day for day in year if day.weekday() < 5 and not target_days.is_open(day)]
    assert [str(day) for day in closed] == [
        "2026-01-01", "2026-04-03", "2026-04-06", "2026-05-01", "2026-12-25",
    ]  # fmt: skip


def test_the_bank_spoke_on_every_open_day_and_on_no_other_since_2002():
    spoken = {day for day, _ in ecb.read(ecb.history_file(), date(2001, 12, 31))}
    days = (min(spoken) + timedelta(days=number) for number in range((max(spoken) - min(spoken)).days + 1))
    assert {day for day in days if target_days.is_open(day)} == spoken


@pytest.mark.parametrize(
    ("day", "count", "expected"),
    [("2026-04-02", 0, "2026-04-02"), ("2026-04-02", 1, "2026-04-07"), ("2026-04-02", 2, "2026-04-08"),
     ("2026-04-04", 1, "2026-04-07"), ("2026-12-24", 1, "2026-12-28")],
)  # fmt: skip
def test_counts_from_a_day(day, count, expected):
    assert str(target_days.after(date.fromisoformat(day), count)) == expected
