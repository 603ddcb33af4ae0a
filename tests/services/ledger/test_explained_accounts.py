"""Balances of many postings: sums of shorter and shorter stretches of time, a posting a few steps away.

What is asked of the database does not grow with the number of postings, parts or accounts.
"""

import uuid
from datetime import timedelta

import pytest

from ledger import balances, chart, clock, locks
from ledger.chart import CHART, Code, account
from ledger.explain import accounts, totals, walking
from ledger.explain.types import PARTS_MAX
from ledger.journal import EntryDraft, credit, debit
from ledger.models import Account
from ledger.money import Money
from tests.kit import books
from tests.kit.queries import statements

pytestmark = pytest.mark.django_db


def write(merchant, *minors, currency="USD", owner="main"):
    """Post entries of these amounts between the bank and the merchant."""
    bank, own = account(Code.BANK, merchant, currency, owner), account(Code.SUSPENSE, merchant, currency)
    with locks.phase():
        books.post(
            [
                EntryDraft(
                    merchant, "funding", "test", uuid.uuid4(), "funding", clock.now(),
                    [debit(bank, money, "funding"), credit(own, money, "sale")],
                )
                for money in (Money(minor, currency) for minor in minors)
            ]
        )  # fmt: skip


def row(merchant, code=Code.BANK):
    return Account.objects.get(merchant_id=merchant, code=code.value)


@pytest.fixture
def merchant():
    return uuid.uuid4()


def asked(thing, **limits):
    """Explain and return the story with the number of statements it took."""
    with statements() as sent:
        story = walking.explain(thing, **limits)
    return story, len(sent)


class TestBalance:
    def test_few_postings_are_its_parts(self, merchant):
        write(merchant, 5, 7, 11)
        story, _ = asked(row(merchant))
        assert story.is_explained
        assert story.root.amounts == (Money(23, "USD"),)
        assert sorted(part.amount.minor for part in story.root.parts) == [5, 7, 11]
        assert "Our bank account: main" in story.root.title

    def test_many_are_sums_that_lead_to_every_one_of_them(self, merchant):
        for start in range(0, 250, 50):
            write(merchant, *range(start + 1, start + 51))
        story, _ = asked(row(merchant))
        assert story.is_explained
        assert len(story.root.parts) <= PARTS_MAX
        assert story.root.amounts == (Money(250 * 251 // 2, "USD"),)
        postings = [node for node in story.nodes.values() if node.kind == "posting"]
        assert sorted(node.amounts[0].minor for node in postings) == list(range(1, 251))

    def test_an_account_without_postings_is_nothing_and_explained(self, merchant):
        write(merchant, 5)
        closed = accounts.balance_ref(row(merchant), clock.now() - timedelta(days=400))
        story, _ = asked(closed)
        assert story.root.amounts == (Money(0, "USD"),)
        assert story.is_explained

    def test_at_an_instant_it_is_what_was_recorded_until_then(self, merchant):
        write(merchant, 5, 7)
        story, _ = asked(accounts.balance_ref(row(merchant), clock.now() + timedelta(days=1)))
        assert story.root.amounts == (Money(12, "USD"),)
        assert story.is_explained

    def test_a_kept_balance_that_is_not_the_sum_says_so(self, merchant, monkeypatch):
        write(merchant, 5)
        held = row(merchant)
        monkeypatch.setattr(accounts, "_kept", lambda accounts: {held.pk: 6})
        story, _ = asked(held)
        assert story.unexplained(held.public_id) == (Money(1, "USD"),)
        assert list(story.reasons()) == [(held.public_id, "its parts are 0.01 USD off")]


class TestBudget:
    """The same statements for one posting as for a thousand: everything of a level is asked for together."""

    def test_a_level_costs_the_same_for_one_part_and_for_a_hundred(self, merchant):
        other = uuid.uuid4()
        write(merchant, 1)
        write(other, *range(1, PARTS_MAX + 1))
        one, few = asked(row(merchant))
        many, more = asked(row(other))
        assert len(many.nodes) > 3 * PARTS_MAX > len(one.nodes)
        assert few == more <= 25

    def test_it_costs_the_same_for_many_accounts_as_for_one(self, merchant):
        for number in range(30):
            write(merchant, 5, owner=f"bank {number}")
        one, few = asked(Account.objects.filter(merchant_id=merchant, code="bank").first().public_id)
        with statements() as sent:
            story = walking.explain_all(Account.objects.filter(merchant_id=merchant, code="bank"))
        assert len(story.nodes) > 20 * len(one.nodes)
        assert len(sent) - 1 == few  # one more reads the accounts

    def test_more_postings_only_cost_more_levels(self, merchant):
        for start in range(0, 1_000, 100):
            write(merchant, *range(start + 1, start + 101))
        first, few = asked(row(merchant), depth=1)
        assert len(first.nodes) <= 1 + PARTS_MAX
        assert few <= 12
        whole, all_of_it = asked(row(merchant))
        assert len(whole.nodes) > 3_000
        assert all_of_it <= 60


class TestEveryAccountOfTheChart:
    def test_leads_to_its_postings(self, merchant):
        """Escrow, reserve and all the others: now, at an instant, as a cell of the trial balance."""
        bank = account(Code.BANK, merchant, "USD", "the other side")
        others = [code for code in Code if code is not Code.BANK]
        with locks.phase():
            for code in others:
                own = account(code, merchant, "USD", "owner" if CHART[code].owner else "")
                low, _high = chart.bounds(code)
                first, second = (own, bank) if low == 0 else (bank, own)
                legs = [debit(first, Money(5, "USD"), "x"), credit(second, Money(5, "USD"), "x")]
                books.post(
                    [EntryDraft(merchant, "x", "test", uuid.uuid4(), "x", clock.now(), legs)],
                )
        assert Account.objects.filter(merchant_id=merchant).count() == len(others) + 1
        for held in Account.objects.filter(merchant_id=merchant):
            cell = totals.cell_ref("trial", totals.short("mer", merchant), "USD", held.code)
            for thing in (held, accounts.balance_ref(held, clock.now() + timedelta(days=1)), cell):
                story, _ = asked(thing)
                assert story.is_explained, (held.code, list(story.reasons()))
                assert story.root.footing == (Money(0, "USD"),)
                assert held.code == "bank" or abs(story.root.amounts[0].minor) == 5


class TestTrialBalance:
    def cell(self, merchant, code, currency="USD"):
        return totals.cell_ref("trial", totals.short("mer", merchant), currency, code.value)

    def test_a_cell_is_its_accounts(self, merchant):
        write(merchant, 5, owner="one")
        write(merchant, 7, owner="two")
        story, _ = asked(self.cell(merchant, Code.BANK))
        assert story.is_explained
        assert story.root.amounts == (Money(12, "USD"),)
        assert {part.label for part in story.root.parts} == {"Our bank account: one", "Our bank account: two"}

    def test_more_than_a_hundred_accounts_are_pages(self, merchant):
        for number in range(PARTS_MAX + 5):
            write(merchant, 1, owner=f"bank {number}")
        story, _ = asked(self.cell(merchant, Code.BANK))
        assert [part.amount.minor for part in story.root.parts] == [100, 5]
        assert story.is_explained
        assert balances.trial_balance(merchant) == {"USD": 0}
