"""The comparison of two lists: exact, complete, and the same from either side."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Money
from settlements.reconciliation.matching import Difference, Pair, Reason, Record, compare

records = st.lists(
    st.builds(
        lambda key, minor, currency, fee: (key, Money(minor, currency), fee),
        st.sampled_from(["", "po_1", "po_2", "po_3"]),
        st.integers(-3, 3),
        st.sampled_from(["EUR", "JPY"]),
        st.integers(0, 1),
    ),
    max_size=12,
)


def made(rows, side):
    return [Record(f"{side}{n:02}", key, amount, fee) for n, (key, amount, fee) in enumerate(rows)]


def eur(minor):
    return Money(minor, "EUR")


class TestCompare:
    @given(records, records)
    def test_is_the_same_from_either_side(self, left, right):
        ours, theirs = made(left, "l"), made(right, "r")
        there, back = compare(ours, theirs), compare(theirs, ours)
        assert set(there.pairs) == {Pair(pair.right, pair.left) for pair in back.pairs}
        assert Counter(there.differences) == Counter(
            Difference(d.reason, d.right, d.left) for d in back.differences
        )

    @given(records, records)
    def test_holds_every_record_exactly_once(self, left, right):
        ours, theirs = made(left, "l"), made(right, "r")
        result = compare(ours, theirs)
        both = (*result.pairs, *result.differences)
        assert sorted(p.left.row for p in both if p.left) == [r.row for r in ours]
        assert sorted(p.right.row for p in both if p.right) == [r.row for r in theirs]

    @given(records, records)
    def test_pairs_only_what_agrees_in_every_figure(self, left, right):
        for pair in compare(made(left, "l"), made(right, "r")).pairs:
            assert pair.left.key == pair.right.key != ""
            assert (pair.left.amount, pair.left.fee_minor) == (pair.right.amount, pair.right.fee_minor)

    @given(records, st.randoms(use_true_random=False))
    def test_a_list_with_keys_agrees_with_its_own_shuffle(self, rows, random):
        ours = made([row for row in rows if row[0]], "x")
        theirs = list(ours)
        random.shuffle(theirs)
        assert compare(ours, theirs).agrees

    def test_names_a_changed_amount(self):
        (difference,) = compare([Record("a", "po_1", eur(100))], [Record("b", "po_1", eur(99))]).differences
        assert difference.reason is Reason.AMOUNT_DIFFERS
        assert (difference.left.row, difference.right.row) == ("a", "b")

    def test_names_a_changed_fee(self):
        result = compare([Record("a", "op_1", eur(100), 3)], [Record("b", "op_1", eur(100), 4)])
        assert [d.reason for d in result.differences] == [Reason.FEE_DIFFERS]

    def test_names_another_currency(self):
        result = compare([Record("a", "po_1", eur(100))], [Record("b", "po_1", Money(100, "JPY"))])
        assert [d.reason for d in result.differences] == [Reason.CURRENCY_DIFFERS]

    def test_names_what_came_twice(self):
        result = compare(
            [Record("a", "po_1", eur(100))], [Record("b", "po_1", eur(100)), Record("c", "po_1", eur(100))]
        )
        assert len(result.pairs) == 1
        assert [(d.reason, d.right.row) for d in result.differences] == [(Reason.DUPLICATE, "c")]

    def test_names_what_only_one_side_has(self):
        result = compare([Record("a", "po_1", eur(1))], [Record("b", "po_2", eur(1))])
        assert [(d.reason, d.key) for d in result.differences] == [
            (Reason.ALONE, "po_1"),
            (Reason.ALONE, "po_2"),
        ]

    def test_never_matches_by_an_empty_key(self):
        assert not compare([Record("a", "", eur(1))], [Record("b", "", eur(1))]).pairs
