"""The reckoning with a vendor: worked figures, and the sum that must always come out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Money
from settlements.calculation import reckon

purposes = st.sampled_from(["sale", "commission", "commission_back", "refund", "something_new"])
sums = st.dictionaries(purposes, st.tuples(st.integers(-(10**12), 10**12), st.integers(1, 1000)))


@pytest.mark.parametrize("currency", ["USD", "JPY", "BHD"])
class TestReckon:
    def test_takes_commission_refunds_and_debts_from_the_gross(self, currency):
        result = reckon(
            {
                "sale": (-10_000, 3),
                "commission": (1_000, 3),
                "refund": (2_000, 1),
                "commission_back": (-200, 1),
            },
            owed=Money(500, currency),
        )
        assert result.gross == Money(10_000, currency)
        assert result.commission == Money(800, currency)
        assert result.refunds == Money(2_000, currency)
        assert result.pending == Money(7_200, currency)
        assert result.net == Money(6_700, currency)
        assert result.items == 8
        assert result.is_payable

    def test_pays_nothing_when_refunds_eat_the_sales(self, currency):
        result = reckon({"sale": (-100, 1), "refund": (100, 1)}, owed=Money.zero(currency))
        assert result.net == Money.zero(currency)
        assert not result.is_payable

    def test_pays_nothing_when_the_vendor_owes_more(self, currency):
        result = reckon({"sale": (-100, 1)}, owed=Money(101, currency))
        assert result.net == Money(-1, currency)
        assert not result.is_payable

    @given(sums=sums, owed=st.integers(0, 10**12))
    def test_the_net_is_the_postings_less_the_debt_whatever_they_are(self, currency, sums, owed):
        result = reckon(sums, owed=Money(owed, currency))
        assert result.pending.minor == -sum(minor for minor, _ in sums.values())
        assert result.net.minor == result.pending.minor - owed
        parts = result.gross - result.commission - result.refunds + result.other - result.recovered
        assert parts == result.net
