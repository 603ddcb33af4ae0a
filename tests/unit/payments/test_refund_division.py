"""Dividing a refund loses nothing and takes no share beyond what it holds."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Money
from payments.rules.refund_division import BadRefundSplit, Refundable, RefundTooLarge, divide_refund

ADA, BRUNO, STRANGER = UUID(int=1), UUID(int=2), UUID(int=3)


def usd(minor: int) -> Money:
    return Money(minor, "USD")


SHARES = [Refundable(ADA, usd(600)), Refundable(BRUNO, usd(300))]


class TestDivideRefund:
    def test_takes_from_all_in_proportion(self):
        division = divide_refund(usd(100), SHARES, usd(100))
        assert division.parts == {ADA: usd(60), BRUNO: usd(30)}
        assert division.own == usd(10)

    def test_gives_the_odd_cent_to_the_largest_remainder(self):
        division = divide_refund(usd(1), SHARES, usd(100))
        assert division.parts == {ADA: usd(1)}
        assert division.own == usd(0)

    def test_takes_the_whole_when_the_whole_is_refunded(self):
        division = divide_refund(usd(1000), SHARES, usd(100))
        assert division.parts == {ADA: usd(600), BRUNO: usd(300)}
        assert division.own == usd(100)

    def test_follows_a_wish_and_takes_the_rest_from_the_merchant(self):
        division = divide_refund(usd(350), SHARES, usd(100), {BRUNO: usd(300)})
        assert division.parts == {BRUNO: usd(300)}
        assert division.own == usd(50)

    def test_refuses_more_than_all_can_give(self):
        with pytest.raises(RefundTooLarge):
            divide_refund(usd(1001), SHARES, usd(100))

    @pytest.mark.parametrize(
        "wish",
        [
            {STRANGER: usd(1)},
            {BRUNO: usd(301)},
            {ADA: usd(400)},
            {ADA: usd(100)},
        ],
    )
    def test_refuses_a_wish_that_does_not_add_up(self, wish):
        with pytest.raises(BadRefundSplit):
            divide_refund(usd(350), SHARES, usd(100), wish)

    @given(
        st.lists(st.integers(0, 10**9), min_size=1, max_size=8),
        st.integers(0, 10**9),
        st.data(),
    )
    def test_loses_nothing_and_takes_no_share_beyond_what_it_holds(self, amounts, own, data):
        total = sum(amounts) + own
        if not total:
            return
        amount = data.draw(st.integers(1, total))
        shares = [Refundable(UUID(int=number + 1), usd(held)) for number, held in enumerate(amounts)]
        division = divide_refund(usd(amount), shares, usd(own))
        assert sum(part.minor for part in division.parts.values()) + division.own.minor == amount
        assert division.own.minor <= own
        held_by = {share.transaction_id: share.amount for share in shares}
        assert all(usd(0) < part <= held_by[key] for key, part in division.parts.items())
