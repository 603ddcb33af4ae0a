"""Any amounts, rates and parts: every currency sums to zero, gains are the formula, no cent is lost."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import balances
from ledger.actors import SYSTEM
from ledger.chart import Code, account
from ledger.fx import arithmetic, unwinding
from ledger.models import FxConversion
from ledger.money import Money, exponent
from tests.kit import fx

CURRENCIES = ("USD", "EUR", "JPY", "KWD")
rates = st.fractions(Fraction(1, 50), Fraction(200), max_denominator=10**6).map(
    lambda value: arithmetic.to_rate(value)
)


class TestArithmetic:
    @given(
        minor=st.integers(-(10**12), 10**12),
        rate=rates,
        sell=st.sampled_from(CURRENCIES),
        buy=st.sampled_from(CURRENCIES),
    )
    def test_money_and_remainder_are_the_exact_product(self, minor, rate, sell, buy):
        found = arithmetic.convert(Money(minor, sell), rate, buy)
        exact = minor * Fraction(rate) * Fraction(10) ** (exponent(buy) - exponent(sell))
        assert found.money.minor + Fraction(found.rounding) == exact
        assert abs(found.rounding) <= Decimal("0.5")
        assert found.money.minor == round(exact)  # Python rounds fractions half to even

    @given(rate=rates, bps=st.integers(0, 2_000))
    def test_the_customer_s_rate_is_exact(self, rate, bps):
        assert Fraction(arithmetic.customer_rate(rate, bps)) == Fraction(rate) * (10_000 - bps) / 10_000

    @given(st.lists(st.fractions(Fraction(1, 100), 100), min_size=1, max_size=9), st.integers(1, 5_000))
    def test_a_judged_median_lies_between_those_believed(self, values, bps):
        judged = arithmetic.judge(values, bps)
        assert sorted(judged.used + judged.outliers) == list(range(len(values)))
        if judged.used:
            believed = [values[index] for index in judged.used]
            assert min(believed) <= judged.median <= max(believed)


@st.composite
def stories(draw):
    """A sale of one currency for another, the rate then and later, and the parts in which it is undone."""
    sell, buy = draw(st.permutations(CURRENCIES))[:2]
    parts = draw(st.lists(st.integers(1, 5_000_000), min_size=1, max_size=6))
    is_whole = draw(st.booleans())
    whole = max(sum(parts) + (0 if is_whole else draw(st.integers(1, 10_000))), 1_000)
    moves = draw(st.lists(st.integers(-1_500, 1_500), min_size=len(parts), max_size=len(parts)))
    return sell, buy, whole, parts, moves


@pytest.mark.django_db
class TestBooks:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(story=stories())
    def test_unwound_in_any_parts_nothing_is_lost_and_gains_are_the_formula(self, story):
        sell, buy, whole, parts, moves = story
        at, merchant = fx.some_instant(), uuid4()
        fx.two_sources(at)
        fx.fund(merchant, Money(whole, sell))
        made = fx.convert(fx.quote(merchant, Money(whole, sell), buy, at), at)
        returned = spread_back = gains = 0
        for number, (part, bps) in enumerate(zip(parts, moves, strict=True), start=1):
            later = at + timedelta(days=30 * number)
            moved = {code: self.moved(text, bps, code == buy) for code, text in fx.PER_EURO.items()}
            fx.two_sources(later, **moved)
            done = unwinding.unwind(
                merchant_id=merchant, conversion_id=made.pk, amount=Money(part, sell), actor=SYSTEM, at=later
            )
            so_far = sum(parts[:number])
            returned, spread_back = returned + done.buy_minor, spread_back + done.spread_minor
            assert returned == round(Fraction(made.buy_minor * so_far, whole))
            assert spread_back == round(Fraction(made.spread_minor * so_far, whole))
            shift = Fraction(10) ** (exponent(buy) - exponent(sell))
            assert done.cost_minor == round(part * Fraction(done.house_rate) * shift)
            assert done.gain_minor == done.buy_minor + done.spread_minor - done.cost_minor
            gains += done.gain_minor
            assert set(balances.trial_balance(merchant).values()) == {0}
        assert balances.balance(account(Code.FX_GAIN_LOSS, merchant, buy)).minor == -gains
        self.check_end(FxConversion.objects.get(pk=made.pk), sum(parts), whole)

    def moved(self, text: str, bps: int, is_bought: bool) -> str:
        return f"{Decimal(text) * (10_000 + (bps if is_bought else 0)) / 10_000:.9f}"

    def check_end(self, conversion: FxConversion, undone: int, whole: int) -> None:
        own = balances.balance(
            account(Code.MERCHANT_BALANCE, conversion.merchant_id, conversion.sell_currency)
        )
        assert own.minor == -undone
        if undone == whole:
            assert conversion.state == "unwound"
            for code in (Code.MERCHANT_BALANCE, Code.FX_SPREAD):
                left = balances.balance(account(code, conversion.merchant_id, conversion.buy_currency))
                assert left.minor == 0
