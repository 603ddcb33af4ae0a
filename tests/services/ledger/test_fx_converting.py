"""Quotes, conversions and their unwinding: what is promised is posted, once, and explained."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from ledger import balances, journal, locks
from ledger.actors import SYSTEM
from ledger.chart import Code, account
from ledger.errors import DomainError
from ledger.events import Cause, stream, verify_chain
from ledger.fx import arithmetic, converting, exposure, quoting, unwinding
from ledger.fx.converting import ConversionWish, QuoteDiffers, QuoteExpired, QuoteUsed
from ledger.fx.quoting import QuoteWish
from ledger.fx.rates import RateUnavailable
from ledger.invariants import registry
from ledger.journal import EntryDraft, Overdraft, credit, debit
from ledger.models import FxConversion, FxExposure, FxQuote, FxUnwind, JournalEntry
from ledger.models.fx import FxConversionNotFound, FxQuoteNotFound
from ledger.models.fx_rates import FxKind, FxSource
from ledger.money import CurrencyMismatch, Money
from ledger.states import StateConflict
from tests.kit import fx
from tests.kit.books import assert_all_invariants_hold

pytestmark = pytest.mark.django_db


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@pytest.fixture
def at():
    return fx.some_instant()


@pytest.fixture
def merchant(at):
    """A merchant with 1,000 dollars, while a euro is 1.10 dollars."""
    fx.two_sources(at)
    found = uuid4()
    fx.fund(found, usd(100_000))
    return found


def held(merchant, code: Code, currency: str, owner: str = "") -> int:
    return balances.balance(account(code, merchant, currency, owner)).minor


def lines(entry_id) -> list[tuple[str, str, int]]:
    postings = JournalEntry.objects.get(pk=entry_id).postings.select_related("account").order_by("line")
    return [(one.account.code, one.currency, one.amount) for one in postings]


class TestQuote:
    def test_shows_both_rates_the_spread_and_its_sources(self, merchant, at):
        found = fx.quote(merchant, usd(10_000), "EUR", at)
        assert found.house_rate == Decimal("0.909090909091")
        assert found.customer_rate == Decimal("0.8954545454546350")  # 150 bps lower
        assert (found.house, found.buy, found.spread) == (eur(9_091), eur(8_955), eur(136))
        assert [one["source"] for one in found.sources["used"]] == ["ecb", "feed"]
        assert found.sources["left_out"] == [{"source": "table", "reason": "missing", "as_of": None}]
        assert found.expires_at == at + timedelta(seconds=60)

    @pytest.mark.parametrize(
        ("kind", "bps"), [(FxKind.PAYMENT, 150), (FxKind.PAYOUT, 100), (FxKind.OTHER, 200)]
    )
    def test_has_the_spread_of_its_kind(self, merchant, at, kind, bps):
        assert fx.quote(merchant, usd(10_000), "EUR", at, kind).spread_bps == bps

    @pytest.mark.parametrize(
        ("sell", "buy", "expected"),
        [
            (usd(10_000), "JPY", 14_775),  # 15,000 yen less 1.5 %
            (usd(10_000), "KWD", 30_222),  # 30.6818… dinars less 1.5 %: 30.2216
            (Money(1_000, "JPY"), "USD", 657),  # 6.6667 less 1.5 %: 6.5667
        ],
    )
    def test_comes_out_in_the_currency_s_own_decimals(self, merchant, at, sell, buy, expected):
        assert fx.quote(merchant, sell, buy, at).buy_minor == expected

    @pytest.mark.parametrize(
        ("sell", "buy"), [(usd(100), "USD"), (usd(100), "XXX"), (usd(100), "CHF"), (Money(1, "JPY"), "EUR")]
    )
    def test_is_refused_for_what_cannot_be(self, merchant, at, sell, buy):
        if sell.currency == "JPY":
            fx.say(FxSource.FEED, at, JPY="1650")  # far off: two contradict each other
        with pytest.raises(DomainError):
            fx.quote(merchant, sell, buy, at)
        assert not FxQuote.objects.filter(merchant_id=merchant).exists()

    def test_is_refused_for_less_than_the_smallest_unit_and_more_than_the_largest_amount(self, merchant, at):
        fx.rates.forget()
        with pytest.raises(arithmetic.AmountTooSmall):
            fx.quote(merchant, usd(0), "JPY", at)
        with pytest.raises(arithmetic.AmountTooLarge):
            fx.quote(merchant, Money(10**12, "JPY"), "KWD", at)

    def test_made_again_under_its_id_is_the_first(self, merchant, at):
        wish = QuoteWish(uuid4(), usd(100), "EUR")
        first, again = (
            quoting.quote(merchant_id=merchant, wish=wish, actor=SYSTEM, at=at + timedelta(seconds=second))
            for second in (0, 5)
        )
        assert (first.pk, first.expires_at) == (again.pk, again.expires_at)

    def test_lapses_by_the_clock(self, merchant, at):
        early, late = (fx.quote(merchant, usd(100), "EUR", at + timedelta(seconds=s)) for s in (0, 30))
        assert quoting.expire_due(at + timedelta(seconds=60)) == 1
        assert {one.pk: one.state for one in FxQuote.objects.filter(merchant_id=merchant)} == {
            early.pk: "expired", late.pk: "open",
        }  # fmt: skip

    def test_is_cancelled_once_and_then_not_used(self, merchant, at):
        found = fx.quote(merchant, usd(100), "EUR", at)
        quoting.cancel(merchant_id=merchant, quote_id=found.pk, actor=SYSTEM, at=at)
        with pytest.raises(StateConflict):
            quoting.cancel(merchant_id=merchant, quote_id=found.pk, actor=SYSTEM, at=at)
        with pytest.raises(QuoteExpired):
            fx.convert(found, at)

    @pytest.mark.parametrize("change", ["state = 'open'", "state = 'expired'"])
    def test_used_stays_used_whatever_a_statement_says(self, merchant, at, change):
        found = fx.quote(merchant, usd(100), "EUR", at)
        fx.convert(found, at)
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE ledger_fx_quote SET {change} WHERE id = %s", [found.pk])


class TestConvert:
    def test_posts_through_four_accounts_and_the_spread(self, merchant, at):
        made = fx.convert(fx.quote(merchant, usd(10_000), "EUR", at), at)
        assert lines(made.entry_id) == [
            ("merchant_balance", "USD", 10_000),
            ("fx_position", "USD", -10_000),
            ("fx_position", "EUR", 9_091),
            ("merchant_balance", "EUR", -8_955),
            ("fx_spread", "EUR", -136),
        ]
        assert held(merchant, Code.MERCHANT_BALANCE, "USD") == -90_000
        assert held(merchant, Code.MERCHANT_BALANCE, "EUR") == -8_955
        assert balances.trial_balance(merchant) == {"EUR": 0, "USD": 0}
        assert_all_invariants_hold()

    def test_uses_the_quote_s_rate_whatever_the_rate_is_now(self, merchant, at):
        given = fx.quote(merchant, usd(10_000), "EUR", at)
        later = at + timedelta(seconds=30)
        fx.say(FxSource.ECB, later, USD="1.2")
        fx.say(FxSource.FEED, later, USD="1.2")
        assert fx.convert(given, later).buy == eur(8_955)

    def test_explains_itself_to_the_fraction_of_a_cent(self, merchant, at):
        made = fx.convert(fx.quote(merchant, usd(10_000), "EUR", at), at)
        assert made.house_rounding == Decimal("-0.09090909")
        assert made.rounding == Decimal("-0.45454545365")
        for part in (
            "100.00 USD",
            "90.91 EUR",
            "89.55 EUR",
            "150 bps",
            "1.36 EUR",
            "ecb, feed",
            "-0.09090909",
        ):
            assert part in made.explanation

    def test_keeps_what_the_house_is_left_holding(self, merchant, at):
        made = fx.convert(fx.quote(merchant, usd(10_000), "EUR", at), at)
        noted = FxExposure.objects.get(conversion=made)
        assert (noted.pair, noted.base_minor, noted.quote_minor) == ("EUR/USD", -9_091, 10_000)
        assert noted.rate == Decimal("1.1")

    def test_tells_two_signed_histories(self, merchant, at):
        given = fx.quote(merchant, usd(10_000), "EUR", at)
        made = fx.convert(given, at)
        assert [event.type for event in stream("fx_quote", given.pk)] == ["fx_quote.opened", "fx_quote.used"]
        told = list(stream("fx_conversion", made.pk))
        assert [(event.type, event.entry_id) for event in told] == [("fx_conversion.booked", made.entry_id)]
        assert verify_chain(iter(told)) is None

    def test_is_done_once_for_its_id_and_once_for_its_quote(self, merchant, at):
        given = fx.quote(merchant, usd(10_000), "EUR", at)
        wish = ConversionWish(uuid4(), given.pk)
        first, again = (
            converting.convert(merchant_id=merchant, wish=wish, actor=SYSTEM, at=at) for _ in range(2)
        )
        assert first.pk == again.pk
        with pytest.raises(QuoteUsed):
            fx.convert(given, at)
        assert FxConversion.objects.filter(merchant_id=merchant).count() == 1

    @pytest.mark.parametrize(("seconds", "is_late"), [(59, False), (60, True), (3_600, True)])
    def test_is_refused_when_the_quote_s_time_is_over(self, merchant, at, seconds, is_late):
        given = fx.quote(merchant, usd(100), "EUR", at)
        if is_late:
            with pytest.raises(QuoteExpired):
                fx.convert(given, at + timedelta(seconds=seconds))
        else:
            fx.convert(given, at + timedelta(seconds=seconds))

    @pytest.mark.parametrize("amount", [usd(99), usd(101), eur(100)])
    def test_is_of_the_quote_s_amount(self, merchant, at, amount):
        given = fx.quote(merchant, usd(100), "EUR", at)
        wish = ConversionWish(uuid4(), given.pk, amount)
        with pytest.raises(QuoteDiffers):
            converting.convert(merchant_id=merchant, wish=wish, actor=SYSTEM, at=at)

    def test_needs_the_money_and_leaves_the_quote_open_without_it(self, merchant, at):
        given = fx.quote(merchant, usd(100_001), "EUR", at)
        with pytest.raises(Overdraft):
            fx.convert(given, at)
        assert FxQuote.objects.get(pk=given.pk).state == "open"
        assert not FxConversion.objects.filter(merchant_id=merchant).exists()

    def test_a_foreign_quote_is_none(self, merchant, at):
        given = fx.quote(merchant, usd(100), "EUR", at)
        for call in (
            lambda: converting.convert(
                merchant_id=uuid4(), wish=ConversionWish(uuid4(), given.pk), actor=SYSTEM, at=at
            ),
            lambda: quoting.cancel(merchant_id=uuid4(), quote_id=given.pk, actor=SYSTEM, at=at),
        ):
            with pytest.raises(FxQuoteNotFound):
                call()


class TestUnwind:
    @pytest.fixture
    def made(self, merchant, at):
        """100 dollars became 89.55 euros; the house holds them at 1.10."""
        return fx.convert(fx.quote(merchant, usd(10_000), "EUR", at), at)

    def unwind(self, made, minor, at, **more):
        return unwinding.unwind(
            merchant_id=made.merchant_id,
            conversion_id=made.pk,
            amount=usd(minor),
            actor=SYSTEM,
            at=at,
            **more,
        )

    def a_day_later(self, at, rate):
        """The euro is worth `rate` dollars now."""
        later = at + timedelta(days=1)
        fx.two_sources(later, USD=rate)
        return later

    def test_at_the_same_rate_brings_everything_back_to_the_cent(self, made, merchant, at):
        done = self.unwind(made, 10_000, at + timedelta(seconds=5))
        assert (done.buy_minor, done.spread_minor, done.cost_minor, done.gain_minor) == (8_955, 136, 9_091, 0)
        assert held(merchant, Code.MERCHANT_BALANCE, "USD") == -100_000
        for code, owner in [(Code.MERCHANT_BALANCE, ""), (Code.FX_SPREAD, ""), (Code.FX_POSITION, "EUR/USD")]:
            assert held(merchant, code, "EUR", owner) == 0
        assert FxConversion.objects.get(pk=made.pk).state == "unwound"
        assert_all_invariants_hold()

    @pytest.mark.parametrize(
        ("rate", "cost", "gain"),
        [("1.25", 8_000, 1_091), ("1.00", 10_000, -909)],
        ids=["the dollar fell: a gain", "the dollar rose: a loss"],
    )
    def test_at_another_rate_books_and_explains_the_difference(self, made, merchant, at, rate, cost, gain):
        later = self.a_day_later(at, rate)
        done = self.unwind(made, 10_000, later, cause=Cause("refund", "ref_1"))
        assert (done.cost_minor, done.gain_minor) == (cost, gain)
        assert lines(done.entry_id) == [
            ("merchant_balance", "EUR", 8_955),
            ("fx_spread", "EUR", 136),
            ("fx_position", "EUR", -cost),
            ("fx_gain_loss", "EUR", -gain),
            ("fx_position", "USD", 10_000),
            ("merchant_balance", "USD", -10_000),
        ]
        word = "a gain of 10.91 EUR" if gain > 0 else "a loss of 9.09 EUR"
        assert word in done.explanation
        assert (done.cause_type, done.cause_id) == ("refund", "ref_1")
        assert held(merchant, Code.FX_GAIN_LOSS, "EUR") == -gain
        assert exposure.earned(merchant) == [exposure.Earned(eur(0), eur(gain))]
        assert_all_invariants_hold()

    def test_in_parts_sums_to_the_whole(self, made, merchant, at):
        later = self.a_day_later(at, "1.25")
        parts = [self.unwind(made, minor, later) for minor in (1, 3_333, 3_333, 3_333)]
        assert (sum(one.buy_minor for one in parts), sum(one.spread_minor for one in parts)) == (8_955, 136)
        found = FxConversion.objects.get(pk=made.pk)
        assert (found.state, found.unwinds_made, found.left) == ("unwound", 4, usd(0))
        assert found.gain_minor == sum(one.gain_minor for one in parts)
        assert held(merchant, Code.FX_POSITION, "USD", "EUR/USD") == 0
        assert_all_invariants_hold()

    def test_is_done_once_for_its_id(self, made, at):
        key = uuid4()
        first, again = (self.unwind(made, 1_000, at + timedelta(seconds=5), unwind_id=key) for _ in range(2))
        assert first.pk == again.pk
        assert FxConversion.objects.get(pk=made.pk).unwound_minor == 1_000

    @pytest.mark.parametrize("minor", [0, -1, 10_001])
    def test_is_refused_for_more_than_is_left_or_nothing(self, made, at, minor):
        with pytest.raises(unwinding.UnwindTooLarge):
            self.unwind(made, minor, at)

    def test_is_refused_in_the_other_currency_and_for_another_merchant(self, made, at):
        who = {"conversion_id": made.pk, "actor": SYSTEM, "at": at}
        with pytest.raises(CurrencyMismatch):
            unwinding.unwind(merchant_id=made.merchant_id, amount=eur(1), **who)
        with pytest.raises(FxConversionNotFound):
            unwinding.unwind(merchant_id=uuid4(), amount=usd(1), **who)

    def test_is_refused_without_a_rate_of_the_day(self, made, at):
        with pytest.raises(RateUnavailable):
            self.unwind(made, 1_000, at + timedelta(days=10))
        assert FxConversion.objects.get(pk=made.pk).unwound_minor == 0

    def test_takes_back_only_what_the_merchant_has(self, made, merchant, at):
        back = fx.quote(merchant, eur(8_955), "USD", at)
        fx.convert(back, at)
        with pytest.raises(Overdraft):
            self.unwind(made, 10_000, at + timedelta(seconds=5))

    @pytest.mark.parametrize("table", ["ledger_fx_unwind", "ledger_fx_exposure"])
    def test_what_was_written_stays(self, made, at, table):
        self.unwind(made, 1_000, at + timedelta(seconds=5))
        assert FxUnwind.objects.filter(conversion=made).exists()
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")


class TestExposure:
    def test_is_worth_what_closing_it_would_bring(self, merchant, at):
        for _ in range(3):
            fx.convert(fx.quote(merchant, usd(10_000), "EUR", at), at)
        later = at + timedelta(days=1)
        fx.two_sources(later, USD="1.00")
        (found,) = exposure.report(later, merchant)
        # Short 272.73 euros, sold at 1.09999; at 1.00 they cost 272.73 of the 300 dollars held.
        assert (found.pair, found.base, found.counter) == ("EUR/USD", eur(-27_273), usd(30_000))
        assert found.average_rate == Decimal("1.099989000110")
        assert (found.today.rate, found.unrealised) == (Decimal(1), usd(2_727))
        assert exposure.earned(merchant) == [exposure.Earned(eur(3 * 136), eur(0))]

    def test_of_the_house_is_that_of_all_merchants(self, merchant, at):
        before = {one.pair: one.counter.minor for one in exposure.report(at)}
        fx.convert(fx.quote(merchant, usd(10_000), "EUR", at), at)
        after = {one.pair: one.counter.minor for one in exposure.report(at)}
        assert after["EUR/USD"] - before.get("EUR/USD", 0) == 10_000

    def test_without_rates_says_why_it_has_no_value(self, merchant, at):
        fx.convert(fx.quote(merchant, usd(10_000), "EUR", at), at)
        (found,) = exposure.report(at + timedelta(days=30), merchant)
        assert (found.today, found.unrealised) == (None, None)
        assert "sources needed" in found.why_not


class TestInvariants:
    """Each names what was touched past the services."""

    @pytest.mark.parametrize(
        ("number", "damage"),
        [
            ("I-60", "UPDATE ledger_fx_conversion SET sell_minor = sell_minor + 1 WHERE id = %s"),
            ("I-61", "UPDATE ledger_fx_conversion SET sell_minor = sell_minor + 1 WHERE id = %s"),
            ("I-63", "UPDATE ledger_fx_conversion SET unwound_minor = 1 WHERE id = %s"),
            ("I-64", "UPDATE ledger_fx_conversion SET gain_minor = 1 WHERE id = %s"),
        ],
    )
    def test_finds_a_touched_conversion(self, merchant, at, number, damage):
        made = fx.convert(fx.quote(merchant, usd(10_000), "EUR", at), at)
        assert not list(registry[number].check())
        with connection.cursor() as cursor:
            cursor.execute(damage, [made.pk])
        assert list(registry[number].check())

    def test_finds_a_position_that_no_exposure_explains(self, merchant, at):
        fx.convert(fx.quote(merchant, usd(10_000), "EUR", at), at)
        assert not list(registry["I-62"].check())
        draft = EntryDraft(
            merchant_id=merchant, kind="test", source_type="test", source_id=uuid4(), step="test",
            occurred_at=at,
            legs=[
                debit(account(Code.FX_POSITION, merchant, "EUR", "EUR/USD"), eur(1), "test"),
                credit(account(Code.FX_POSITION, merchant, "EUR", "EUR/GBP"), eur(1), "test"),
            ],
        )  # fmt: skip
        with locks.phase():
            journal.post([draft])
        assert len(list(registry["I-62"].check())) == 2
