"""One quote, two conversions at once: one has it. And many conversions both ways neither wait in a circle nor
lose a cent."""

import random
from uuid import uuid4

import pytest
from django.db import IntegrityError

from ledger import balances
from ledger.actors import SYSTEM
from ledger.chart import Code, account
from ledger.fx import converting, unwinding
from ledger.fx.converting import ConversionWish, QuoteUsed
from ledger.fx.unwinding import UnwindTooLarge
from ledger.models import FxConversion, FxExposure, JournalEntry
from ledger.money import Money
from tests.kit import fx
from tests.kit.race import Meeting, errors, locks_taken_away, results, together

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def at():
    return fx.some_instant()


@pytest.fixture
def merchant(at):
    """A merchant with 1,000 dollars and 1,000 euros."""
    fx.two_sources(at)
    found = uuid4()
    fx.fund(found, Money(100_000, "USD"))
    fx.fund(found, Money(100_000, "EUR"))
    return found


def converter(given, at):
    wish = ConversionWish(uuid4(), given.pk)
    return lambda: converting.convert(merchant_id=given.merchant_id, wish=wish, actor=SYSTEM, at=at)


def test_a_quote_is_used_by_one_of_many(merchant, at):
    given = fx.quote(merchant, Money(10_000, "USD"), "EUR", at)
    outcomes = together(*(converter(given, at) for _ in range(6)))
    assert len(results(outcomes)) == 1
    assert {type(error) for error in errors(outcomes)} == {QuoteUsed}
    assert FxConversion.objects.filter(quote=given).count() == 1
    assert balances.balance(account(Code.MERCHANT_BALANCE, merchant, "USD")).minor == -90_000


def test_without_the_lock_both_believe_they_have_it_and_only_the_table_stops_one(merchant, at, monkeypatch):
    """The negative control: both have read an open quote; unique columns are the second line of defence."""
    given = fx.quote(merchant, Money(10_000, "USD"), "EUR", at)
    meeting = Meeting()
    with locks_taken_away(monkeypatch, meeting):
        outcomes = together(converter(given, at), converter(given, at))
    assert meeting.met
    (error,) = errors(outcomes)
    assert isinstance(error, IntegrityError)
    # Written together, so that either may be met first: one use of the quote, one next event of it.
    assert any(law in str(error) for law in ("quote_id", "ledger_event_other_subject_id_sequence"))
    assert JournalEntry.objects.filter(merchant_id=merchant, kind="fx_conversion").count() == 1


def test_a_conversion_is_not_turned_back_twice(merchant, at):
    made = fx.convert(fx.quote(merchant, Money(10_000, "USD"), "EUR", at), at)

    def unwind():
        return unwinding.unwind(
            merchant_id=merchant, conversion_id=made.pk, amount=Money(6_000, "USD"), actor=SYSTEM, at=at
        )

    outcomes = together(unwind, unwind, unwind)
    assert len(results(outcomes)) == 1
    assert {type(error) for error in errors(outcomes)} == {UnwindTooLarge}
    assert FxConversion.objects.get(pk=made.pk).unwound_minor == 6_000


def test_conversions_in_both_directions_neither_deadlock_nor_lose_a_cent(merchant, at):
    def shuffle(seed: int):
        dice = random.Random(seed)

        def run() -> None:
            for _ in range(8):
                sell, buy = dice.sample(["USD", "EUR"], 2)
                fx.convert(fx.quote(merchant, Money(dice.randint(1, 500), sell), buy, at), at)

        return run

    assert errors(together(*(shuffle(seed) for seed in range(4)))) == []
    assert balances.trial_balance(merchant) == {"EUR": 0, "USD": 0}
    noted = FxExposure.objects.filter(merchant_id=merchant)
    assert noted.count() == 32
    for currency, column in (("EUR", "base_minor"), ("USD", "quote_minor")):
        position = balances.balance(account(Code.FX_POSITION, merchant, currency, "EUR/USD")).minor
        assert position == -sum(noted.values_list(column, flat=True))
