"""Every entry that cannot be posted is refused by a named error, alone or among thousands, with nothing
written."""

import uuid
from dataclasses import replace

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from ledger import balances, bulk, chart, clock, journal, journal_errors
from ledger.chart import AccountRef, Code, account
from ledger.journal import EntryDraft, Leg, credit, debit
from ledger.locks import phase
from ledger.models import Account, JournalEntry, PostedFact
from ledger.money import CurrencyMismatch, Money

pytestmark = pytest.mark.django_db


@pytest.fixture
def merchant() -> uuid.UUID:
    return uuid.uuid4()


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def bank(merchant: uuid.UUID, currency: str = "USD") -> AccountRef:
    return account(Code.BANK, merchant, currency, "main")


def owed(merchant: uuid.UUID, vendor: str = "ada", currency: str = "USD") -> AccountRef:
    return account(Code.VENDOR_AVAILABLE, merchant, currency, vendor)


def _legs(debited: AccountRef, credited: AccountRef, money: Money) -> list[Leg]:
    return [debit(debited, money, "transfer"), credit(credited, money, "transfer")]


def funding(merchant: uuid.UUID, amount: int, vendor: str = "ada", **changes: object) -> EntryDraft:
    draft = EntryDraft(
        merchant_id=merchant, kind="funding", source_type="test", source_id=uuid.uuid4(), step="funding",
        occurred_at=clock.now(),
        legs=_legs(bank(merchant), owed(merchant, vendor), usd(amount)),
    )  # fmt: skip
    return replace(draft, **changes)


def spending(merchant: uuid.UUID, amount: int, vendor: str = "ada") -> EntryDraft:
    return funding(
        merchant,
        amount,
        legs=[
            debit(owed(merchant, vendor), usd(amount), "payout"),
            credit(bank(merchant), usd(amount), "payout"),
        ],
    )


def closed(merchant: uuid.UUID) -> EntryDraft:
    with phase():
        journal.post([funding(merchant, 5, "bruno"), spending(merchant, 5, "bruno")])
    Account.objects.filter(merchant_id=merchant, owner="bruno").update(closed_at=clock.now())
    return funding(merchant, 5, "bruno")


def taken_back_wrongly(merchant: uuid.UUID) -> EntryDraft:
    with phase():
        (entry_id,) = journal.post([funding(merchant, 500)])
    return replace(spending(merchant, 499), reverses_id=entry_id)


def taken_back_twice(merchant: uuid.UUID) -> EntryDraft:
    with phase():
        (entry_id,) = journal.post([funding(merchant, 500)])
        entry = JournalEntry.objects.get(pk=entry_id)
        journal.post([funding(merchant, 500), journal.reversal(entry, step="back", at=clock.now())])
    return journal.reversal(entry, step="again", at=clock.now())


def posted_before(merchant: uuid.UUID) -> EntryDraft:
    draft = funding(merchant, 7)
    with phase():
        journal.post([draft])
    return replace(draft, id=uuid.uuid4())


def of_two_currencies(merchant: uuid.UUID) -> EntryDraft:
    """Each currency must balance by itself: 5 USD are not 5 EUR."""
    return funding(
        merchant,
        5,
        legs=[
            debit(bank(merchant), usd(5), "x"),
            credit(owed(merchant, currency="EUR"), Money(5, "EUR"), "x"),
        ],
    )


BAD = {
    "no legs": (lambda m: funding(m, 5, legs=[]), journal.Unbalanced),
    "one leg": (lambda m: funding(m, 5, legs=[debit(bank(m), usd(5), "x")]), journal.Unbalanced),
    "off by one": (
        lambda m: funding(m, 5, legs=[debit(bank(m), usd(5), "x"), credit(owed(m), usd(4), "x")]),
        journal.Unbalanced,
    ),
    "balanced over two currencies only": (of_two_currencies, journal.Unbalanced),
    "zero": (
        lambda m: funding(m, 5, legs=[Leg(bank(m), usd(0), "x"), Leg(owed(m), usd(0), "x")]),
        journal.ZeroAmount,
    ),
    "beyond what the books take": (
        lambda m: funding(m, journal_errors.POSTING_MAX + 1),
        journal.AmountTooLarge,
    ),
    "beyond a bigint": (lambda m: funding(m, 2**63), journal.AmountTooLarge),
    "another currency than the account": (
        lambda m: funding(
            m, 5, legs=[Leg(bank(m), Money(5, "EUR"), "x"), Leg(owed(m), Money(-5, "EUR"), "x")]
        ),
        CurrencyMismatch,
    ),
    "an account of another merchant": (
        lambda m: funding(m, 5, legs=[debit(bank(uuid.uuid4()), usd(5), "x"), credit(owed(m), usd(5), "x")]),
        journal.UnknownAccount,
    ),
    "a closed account": (closed, journal.AccountClosed),
    "an empty strict account": (lambda m: spending(m, 1), journal.Overdraft),
    "the same fact": (posted_before, journal.AlreadyPosted),
    "not what it takes back": (taken_back_wrongly, journal.NotAReversal),
    "taken back before": (taken_back_twice, journal.AlreadyPosted),
}


def written(merchant: uuid.UUID) -> tuple[int, int]:
    return (
        JournalEntry.objects.filter(merchant_id=merchant).count(),
        PostedFact.objects.filter(merchant_id=merchant).count(),
    )


@pytest.mark.parametrize("case", BAD)
class TestEachReason:
    def test_is_named_by_a_single_post(self, merchant, case):
        make, error = BAD[case]
        draft = make(merchant)
        before = written(merchant)
        with pytest.raises(error), phase():
            journal.post([draft])
        assert written(merchant) == before

    def test_is_named_by_a_batch_which_writes_nothing(self, merchant, case):
        make, error = BAD[case]
        drafts = [funding(merchant, 3, "carla"), make(merchant)]
        before = written(merchant)
        with pytest.raises(error), phase():
            journal.post(drafts)
        assert written(merchant) == before

    def test_is_the_answer_of_a_dry_run(self, merchant, case):
        make, error = BAD[case]
        draft = make(merchant)
        before = written(merchant)
        good, bad = bulk.dry_run([funding(merchant, 3, "carla"), draft])
        assert isinstance(good, bulk.Posted)
        assert isinstance(bad, bulk.Refused)
        assert type(bad.error) is error
        assert written(merchant) == before

    def test_is_one_item_of_many(self, merchant, case):
        make, error = BAD[case]
        drafts = [funding(merchant, 3, "carla"), make(merchant), funding(merchant, 4, "carla")]
        before = written(merchant)
        with phase():
            first, bad, last = bulk.post_many(drafts)
        assert (type(bad), type(bad.error)) == (bulk.Refused, error)
        assert balances.balance(owed(merchant, "carla")) == usd(-7)
        assert written(merchant)[0] == before[0] + 2
        assert {first.entry_id, last.entry_id} <= set(
            JournalEntry.objects.filter(merchant_id=merchant).values_list("pk", flat=True)
        )

    def test_refuses_all_of_many_when_asked(self, merchant, case):
        make, error = BAD[case]
        drafts = [funding(merchant, 3, "carla"), make(merchant)]
        before = written(merchant)
        with pytest.raises(journal_errors.BatchRefused) as caught, phase():
            bulk.post_many(drafts, all_or_nothing=True)
        assert [type(refused.error) for refused in caught.value.facts["refused"]] == [error]
        assert written(merchant) == before


class TestAmounts:
    @pytest.mark.parametrize(("minor", "error"), [(0, journal.ZeroAmount), (-1, journal.NegativeAmount)])
    def test_a_debit_or_credit_is_positive(self, merchant, minor, error):
        for side in (debit, credit):
            with pytest.raises(error):
                side(bank(merchant), usd(minor), "x")

    def test_a_balance_stays_within_a_bigint(self, merchant):
        most = journal_errors.POSTING_MAX
        with phase():
            journal.post([funding(merchant, most)])
        answers = bulk.dry_run(funding(merchant, most) for _ in range(9300))
        refused = [answer for answer in answers if isinstance(answer, bulk.Refused)]
        assert {type(answer.error) for answer in refused} == {journal.AmountTooLarge}
        assert len(answers) - len(refused) == (2**63 - 1) // most - 1


class TestManyAndDry:
    def test_later_entries_see_what_earlier_ones_leave(self, merchant):
        drafts = [spending(merchant, 5), funding(merchant, 5), spending(merchant, 4), spending(merchant, 2)]
        dry = bulk.dry_run(drafts)
        with phase():
            wet = bulk.post_many(drafts)
        assert [type(answer) for answer in wet] == [bulk.Refused, bulk.Posted, bulk.Posted, bulk.Refused]
        assert [type(answer) for answer in dry] == [type(answer) for answer in wet]
        assert balances.balance(owed(merchant)) == usd(-1)

    def test_an_entry_may_not_overdraw_what_a_later_one_brings_back(self, merchant):
        drafts = [spending(merchant, 5), funding(merchant, 5)]
        with pytest.raises(journal.Overdraft), phase():
            journal.post(drafts)
        with phase():
            first, second = bulk.post_many(drafts)
        assert isinstance(first.error, journal.Overdraft)
        assert isinstance(second, bulk.Posted)

    def test_a_fact_twice_in_one_call_is_posted_once(self, merchant):
        draft = funding(merchant, 5)
        with phase():
            first, second = bulk.post_many([draft, replace(draft, id=uuid.uuid4())])
        assert isinstance(first, bulk.Posted)
        assert isinstance(second.error, journal.AlreadyPosted)

    def test_a_refused_entry_opens_no_account(self, merchant):
        with phase():
            bulk.post_many([spending(merchant, 5)])
        assert not Account.objects.filter(merchant_id=merchant).exists()

    def test_thousands_take_a_few_statements_a_thousand(self, merchant, django_assert_max_num_queries):
        drafts = [funding(merchant, 1, f"v{number % 50}") for number in range(2500)]
        with phase(), django_assert_max_num_queries(1 + 2 + 3 * 9):
            answers = bulk.post_many(drafts)
        assert all(isinstance(answer, bulk.Posted) for answer in answers)
        assert balances.balance(owed(merchant, "v0")) == usd(-50)

    def test_held_money_counts_as_gone(self, merchant):
        with phase():
            journal.post([funding(merchant, 10)])
        assert isinstance(bulk.dry_run([spending(merchant, 10)])[0], bulk.Posted)
        with connection.cursor() as cursor:
            ada = Account.objects.get(merchant_id=merchant, owner="ada")
            cursor.execute("SELECT ledger_hold(%s, %s, 4)", [ada.pk, merchant])
        assert isinstance(bulk.dry_run([spending(merchant, 7)])[0].error, journal.Overdraft)
        with pytest.raises(journal.Overdraft), phase():
            journal.post([spending(merchant, 7)])
        with phase():
            journal.post([spending(merchant, 6)])


def test_an_unknown_law_is_not_explained_away(merchant):
    with pytest.raises(IntegrityError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO auth_group (id, name) VALUES (1, NULL)")
    assert journal_errors.of_database(caught.value) is caught.value


def test_a_number_beyond_bigint_is_named(merchant):
    with pytest.raises(DataError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 9223372036854775807::bigint + 1")
    assert isinstance(journal_errors.of_database(caught.value), journal.AmountTooLarge)


def test_bounds_of_the_chart_are_those_of_the_rows(merchant):
    refs = [bank(merchant), owed(merchant), account(Code.VENDOR_RECEIVABLE, merchant, "USD", "ada")]
    with phase():
        ids = chart.ids_of(refs)
    for ref in refs:
        row = Account.objects.get(pk=ids[ref])
        assert (row.balance_min, row.balance_max) == chart.bounds(ref.code)
