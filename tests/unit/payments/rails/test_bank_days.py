"""Bank days: weekends, fixed and moving holidays of each currency; and the names that entries carry."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import holidays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iso4217 import Currency

from ledger.ids import show, uuid7
from payments.providers import declines
from payments.providers.rails import bank_days, names, returns
from payments.providers.rails.client import Credits
from tests.unit.payments.rails.files import CREDITOR

DAY = timedelta(days=1)
CURRENCIES = sorted(Currency.__members__)
DATES = st.dates(date(2025, 1, 1), date(2032, 12, 31))
# Weekdays of 2026 on which each system is closed, as its operator published them.
CLOSED_2026 = {
    # Bank of England, CHAPS
    "GBP": "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-28",
    # Bank of Japan
    "JPY": "01-01 01-02 01-12 02-11 02-23 03-20 04-29 05-04 05-05 05-06 07-20 08-11 09-21 09-22 09-23 10-12"
    " 11-03 11-23 12-31",
    # Payments Canada, Lynx
    "CAD": "01-01 04-03 05-18 07-01 09-07 09-30 10-12 11-11 12-25 12-28",
    # Sveriges Riksbank, RIX
    "SEK": "01-01 01-06 04-03 04-06 05-01 05-14 06-19 12-24 12-25 12-31",
    # Norges Bank
    "NOK": "01-01 04-02 04-03 04-06 05-01 05-14 05-25 12-25",
    # Federal Reserve Banks
    "USD": "01-01 01-19 02-16 05-25 06-19 09-07 10-12 11-11 11-26 12-25",
    # European Central Bank, TARGET
    "EUR": "01-01 04-03 04-06 05-01 12-25",
}


@pytest.mark.parametrize(
    ("after", "target", "fed"),
    [
        (date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 3)),
        (date(2026, 3, 6), date(2026, 3, 9), date(2026, 3, 9)),  # a Friday
        (date(2026, 4, 2), date(2026, 4, 7), date(2026, 4, 3)),  # before Easter: only TARGET is closed
        (date(2026, 12, 24), date(2026, 12, 28), date(2026, 12, 28)),
        (date(2025, 12, 31), date(2026, 1, 2), date(2026, 1, 2)),
        (date(2026, 4, 30), date(2026, 5, 4), date(2026, 5, 1)),  # Labour Day
        (date(2026, 5, 22), date(2026, 5, 25), date(2026, 5, 26)),  # Memorial Day
        (date(2026, 11, 25), date(2026, 11, 26), date(2026, 11, 27)),  # Thanksgiving
        (date(2027, 7, 2), date(2027, 7, 5), date(2027, 7, 6)),  # the 4th is a Sunday, kept on Monday
        (date(2026, 7, 2), date(2026, 7, 3), date(2026, 7, 3)),  # the 4th is a Saturday, not moved
    ],
)
def test_the_next_bank_day(after, target, fed):
    assert bank_days.next_bank_day("EUR", after) == target
    assert bank_days.next_bank_day("USD", after) == fed


@pytest.mark.parametrize("currency", CLOSED_2026)
def test_closed_as_published(currency):
    year = (date(2026, 1, 1) + number * DAY for number in range(365))
    closed = [day for day in year if day.weekday() < 5 and not bank_days.is_bank_day(currency, day)]
    assert " ".join(f"{day:%m-%d}" for day in closed) == CLOSED_2026[currency]


@given(st.sampled_from(CURRENCIES), DATES)
@settings(max_examples=150, deadline=None)
def test_a_value_date_is_the_first_day_that_is_no_weekend_and_no_holiday_of_its_currency(currency, made):
    due = bank_days.next_bank_day(currency, made)
    assert made < due <= made + 14 * DAY
    between = (made + number * DAY for number in range(1, (due - made).days))
    assert not any(bank_days.is_bank_day(currency, day) for day in between)
    country = currency[:2]
    if country not in holidays.list_supported_countries() or currency == "USD":
        assert due.weekday() < 5  # of several countries; the Federal Reserve does not move Saturdays
        return
    kept = holidays.country_holidays(country)
    assert due.weekday() not in kept.weekend
    assert due not in kept, kept.get(due)


@pytest.mark.parametrize(
    ("currency", "made", "due"),
    [
        ("GBP", datetime(2026, 4, 2, 9, tzinfo=UTC), date(2026, 4, 7)),  # Easter
        ("GBP", datetime(2026, 8, 28, 9, tzinfo=UTC), date(2026, 9, 1)),  # the summer bank holiday
        ("JPY", datetime(2026, 5, 1, 9, tzinfo=UTC), date(2026, 5, 7)),  # the golden week
        ("CHF", datetime(2028, 7, 31, 9, tzinfo=UTC), date(2028, 8, 2)),  # the national day
        ("HKD", datetime(2026, 2, 16, 9, tzinfo=UTC), date(2026, 2, 20)),  # the new year by the moon
        (
            "HKD",
            datetime(2026, 3, 6, 9, tzinfo=UTC),
            date(2026, 3, 9),
        ),  # shops open on Saturday, banks do not
        ("ILS", datetime(2026, 3, 5, 9, tzinfo=UTC), date(2026, 3, 8)),  # Friday and Saturday are the weekend
        ("XOF", datetime(2026, 3, 6, 9, tzinfo=UTC), date(2026, 3, 9)),  # of no country: weekdays
    ],
)
def test_a_credit_is_due_on_the_next_bank_day_of_its_currency(currency, made, due):
    assert Credits(None, currency, CREDITOR).due_date(made) == due


def test_euro_and_dollars_need_no_calendars():
    """The library costs half a second and 19 MB: only houses with accounts in other currencies pay for it."""
    asked = (
        "import sys, datetime; from payments.providers.rails import bank_days;"
        "[bank_days.next_bank_day(one, datetime.date(2026, 4, 2)) for one in ('EUR', 'USD')];"
        "sys.exit('holidays' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


def test_an_entry_names_its_operation_and_the_key_of_its_money():
    key = uuid7()
    sale, other = names.end_to_end(key, is_sale=True), names.end_to_end(key, is_sale=False)
    assert len(sale) <= 35
    assert names.operation_id(sale) == names.operation_id(other) == key
    assert names.booked_key(other) == show("op", key)
    assert names.booked_key(sale) == f"{show('op', key)}:capture"
    assert names.operation_id("NOTPROVIDED") is None
    assert names.booked_key("NOTPROVIDED") == "NOTPROVIDED"


@pytest.mark.parametrize("table", [returns.ACH, returns.SEPA])
def test_every_return_has_a_canonical_decline(table):
    for code in table:
        canonical, says = returns.meaning(table, code)
        assert canonical in declines.DECLINES
        assert code in says
    assert returns.meaning(table, "ZZ99")[0] == returns.UNKNOWN
