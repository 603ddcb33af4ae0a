from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ledger.money import Money
from vendors import commission
from vendors.commission import RuleTerms

ADA, BRUNO = UUID(int=1), UUID(int=2)
AT = datetime(2026, 1, 15, 12, tzinfo=UTC)


def rule(number: int, **changes: object) -> RuleTerms:
    terms = {
        "id": UUID(int=number),
        "vendor_id": None,
        "category": "",
        "currency": "",
        "rate_bps": 1000,
        "fixed_minor": 0,
        "priority": 0,
        "valid_from": AT - timedelta(days=1),
        "valid_to": None,
    }
    return RuleTerms(**{**terms, **changes})


def pick(*rules: RuleTerms, category: str = "books", currency: str = "USD", at: datetime = AT) -> int | None:
    found = commission.pick(rules, vendor_id=ADA, category=category, currency=currency, at=at)
    return found and found.id.int


class TestPick:
    def test_takes_the_vendors_own_rule_in_the_currency_first(self):
        rules = [
            rule(1, priority=9),
            rule(2, category="books", priority=9),
            rule(3, category="books", currency="USD", priority=9),
            rule(4, vendor_id=ADA, priority=9),
            rule(5, vendor_id=ADA, currency="USD"),
        ]
        for last in range(5, 0, -1):
            assert pick(*rules[:last]) == last

    def test_a_rule_of_the_category_goes_before_the_merchants_rule_in_the_currency(self):
        assert pick(rule(1, category="books"), rule(2, currency="USD", priority=9)) == 1

    def test_takes_the_higher_priority_among_equals_then_the_newest(self):
        assert pick(rule(1, priority=1), rule(2, priority=2), rule(3)) == 2
        assert pick(rule(1), rule(2, valid_from=AT - timedelta(hours=1)), rule(3)) == 2

    def test_leaves_out_other_vendors_categories_currencies_and_times(self):
        assert (
            pick(
                rule(1, vendor_id=BRUNO),
                rule(2, category="food"),
                rule(3, currency="EUR"),
                rule(4, valid_from=AT + timedelta(seconds=1)),
                rule(5, valid_to=AT),
            )
            is None
        )

    def test_holds_from_its_first_instant(self):
        assert pick(rule(1, valid_from=AT, valid_to=AT + timedelta(seconds=1))) == 1


class TestCompute:
    def test_rounds_half_to_even(self):
        assert commission.compute(Money(5, "USD"), 1000, 0) == Money(0, "USD")
        assert commission.compute(Money(15, "USD"), 1000, 0) == Money(2, "USD")
        assert commission.compute(Money(25, "USD"), 1000, 0) == Money(2, "USD")

    def test_adds_the_fixed_part(self):
        assert commission.compute(Money(1000, "USD"), 250, 30) == Money(55, "USD")

    def test_never_exceeds_the_sale(self):
        assert commission.compute(Money(20, "USD"), 250, 30) == Money(20, "USD")
        assert commission.compute(Money(100, "JPY"), 10_000, 1) == Money(100, "JPY")

    @given(
        st.integers(1, 10**12), st.integers(0, 10_000), st.integers(0, 10**6), st.sampled_from(["USD", "JPY"])
    )
    def test_is_between_nothing_and_the_sale(self, minor, rate_bps, fixed_minor, currency):
        amount = Money(minor, currency)
        found = commission.compute(amount, rate_bps, fixed_minor)
        assert Money.zero(currency) <= found <= amount
        exact = minor * rate_bps / 10_000 + fixed_minor
        assert found == amount or abs(found.minor - exact) <= 0.5 + exact * 1e-12


class TestQuote:
    def test_names_the_rule_and_its_terms(self):
        found = commission.quote(Money(1000, "USD"), rule(7, rate_bps=250, fixed_minor=30))
        assert (found.rate_bps, found.fixed_minor, found.rule_id) == (250, 30, UUID(int=7))
        assert found.commission == Money(55, "USD")

    def test_keeps_nothing_without_a_rule(self):
        found = commission.quote(Money(1000, "USD"), None)
        assert (found.rate_bps, found.fixed_minor, found.rule_id) == (0, 0, None)
        assert found.commission == Money.zero("USD")
