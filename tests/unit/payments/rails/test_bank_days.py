"""Bank days: weekends, fixed and moving holidays, of both systems; and the names that entries carry."""

from datetime import date

import pytest

from ledger.ids import show, uuid7
from payments.providers import declines
from payments.providers.rails import bank_days, names, returns


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
    assert bank_days.next_target_day(after) == target
    assert bank_days.next_fed_day(after) == fed


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
