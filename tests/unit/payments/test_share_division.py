"""Dividing a payment over vendors by amounts and weights: whatever is asked, no unit is lost or made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Money
from payments.rules import share_division
from payments.rules.share_division import WEIGHT_MAX, Line, SplitInvalid, SplitTooLarge

CURRENCIES = ("JPY", "USD", "BHD", "CLF")  # exponents 0, 2, 3, 4
weights = st.integers(1, WEIGHT_MAX).map(lambda weight: Line(weight=weight))


def divide(whole: Money, lines: list[Line], kept: int = 0) -> list[Money]:
    return share_division.divide(whole, lines, Money(kept, whole.currency), param="vendor_split")


@given(
    amounts=st.lists(st.integers(1, 10**9), max_size=5),
    shares=st.lists(weights, min_size=1, max_size=50),
    kept=st.integers(0, 10**9),
    spare=st.integers(0, 10**12),
    currency=st.sampled_from(CURRENCIES),
    data=st.data(),
)
def test_parts_and_what_is_kept_sum_to_the_whole(amounts, shares, kept, spare, currency, data):
    lines = data.draw(st.permutations([*(Line(amount_minor=amount) for amount in amounts), *shares]))
    whole = Money(sum(amounts) + kept + spare, currency)
    total_weight = sum(line.weight or 0 for line in lines)
    try:
        parts = divide(whole, lines, kept)
    except SplitInvalid:
        # Only when somebody would have had nothing: his exact part is less than one unit.
        assert min(spare * (line.weight or 0) for line in shares) < total_weight
        return
    assert sum(part.minor for part in parts) + kept == whole.minor
    for line, part in zip(lines, parts, strict=True):
        assert part.currency == currency
        if line.amount_minor is not None:
            assert part.minor == line.amount_minor
        else:  # never a whole unit away from the exact part
            assert abs(part.minor * total_weight - spare * (line.weight or 0)) < total_weight


def test_without_weights_what_is_left_is_the_merchants_own():
    parts = divide(Money(1_000, "USD"), [Line(amount_minor=300), Line(amount_minor=200)])
    assert [part.minor for part in parts] == [300, 200]


def test_a_third_each_of_a_hundred():
    assert [part.minor for part in divide(Money(100, "JPY"), [Line(weight=1)] * 3)] == [34, 33, 33]


def test_more_than_there_is_is_refused():
    with pytest.raises(SplitTooLarge):
        divide(Money(1_000, "USD"), [Line(amount_minor=900)], kept=101)


def test_a_weight_that_comes_to_nothing_is_refused():
    with pytest.raises(SplitInvalid):
        divide(Money(2, "JPY"), [Line(weight=1)] * 3)
