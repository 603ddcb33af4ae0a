"""The journal writes balanced entries exactly once, keeps strict balances, and nothing written changes."""

import uuid

import pytest
from django.db import DatabaseError, connection, transaction

from ledger import balances, chart, clock, journal
from ledger.chart import Code, account
from ledger.journal import EntryDraft, credit, debit
from ledger.locks import phase
from ledger.models import Account, JournalEntry, Posting
from ledger.money import Money
from tests.kit.owner import OWNERS

pytestmark = pytest.mark.django_db


def usd(minor: int) -> Money:
    return Money(minor, "USD")


@pytest.fixture
def merchant() -> uuid.UUID:
    return uuid.uuid4()


def sale(merchant: uuid.UUID, vendor: str, amount: int, fee: int, step: str = "capture:1") -> EntryDraft:
    return EntryDraft(
        merchant_id=merchant, kind="capture", source_type="payment", source_id=uuid.uuid4(), step=step,
        occurred_at=clock.now(),
        legs=[
            debit(account(Code.PROVIDER_CLEARING, merchant, "USD", "velocitypay"), usd(amount - fee),
            "clearing"), debit(account(Code.PROVIDER_FEES, merchant, "USD", "velocitypay"), usd(fee),
            "fee"), credit(account(Code.VENDOR_PENDING, merchant, "USD", vendor), usd(amount), "sale"),
        ],
    )  # fmt: skip


class TestPost:
    def test_writes_one_entry_with_its_postings_and_moves_the_balances(self, merchant):
        with phase():
            (entry_id,) = journal.post([sale(merchant, "ada", 1000, 30)])
        lines = (
            Posting.objects.filter(entry_id=entry_id).order_by("line").values_list("amount", "balance_after")
        )
        assert list(lines) == [(970, None), (30, None), (-1000, -1000)]
        assert balances.balance(account(Code.VENDOR_PENDING, merchant, "USD", "ada")) == usd(-1000)
        assert balances.balance(account(Code.PROVIDER_CLEARING, merchant, "USD", "velocitypay")) == usd(970)
        assert balances.trial_balance(merchant) == {"USD": 0}

    def test_keeps_a_running_balance_over_a_batch(self, merchant):
        with phase():
            ids = journal.post([sale(merchant, "ada", amount, 10) for amount in (100, 200, 300)])
        after = [Posting.objects.get(entry_id=entry_id, line=3).balance_after for entry_id in ids]
        assert after == [-100, -300, -600]

    def test_refuses_legs_that_do_not_balance_and_writes_nothing(self, merchant):
        draft = sale(merchant, "ada", 1000, 30)
        with pytest.raises(journal.Unbalanced), phase():
            journal.post([EntryDraft(**{**_as_dict(draft), "legs": draft.legs[:2]})])
        assert not JournalEntry.objects.filter(merchant_id=merchant).exists()

    def test_refuses_to_overdraw_a_strict_account(self, merchant):
        pending = account(Code.VENDOR_PENDING, merchant, "USD", "ada")
        available = account(Code.VENDOR_AVAILABLE, merchant, "USD", "ada")
        with pytest.raises(journal.Overdraft), phase():
            journal.post([_move(merchant, pending, available, 1)])
        assert not Account.objects.filter(merchant_id=merchant).exists()

    def test_posts_a_fact_once(self, merchant):
        draft = sale(merchant, "ada", 1000, 30)
        with phase():
            journal.post([draft])
        again = EntryDraft(**{**_as_dict(draft), "id": uuid.uuid4()})
        with pytest.raises(journal.AlreadyPosted), phase():
            journal.post([again])

    def test_reverses_an_entry_once(self, merchant):
        with phase():
            entry_id, _ = journal.post([sale(merchant, "ada", 1000, 30), sale(merchant, "ada", 1000, 30)])
            entry = JournalEntry.objects.get(pk=entry_id)
            journal.post([journal.reversal(entry, step="reversal", at=clock.now())])
        assert balances.balance(account(Code.VENDOR_PENDING, merchant, "USD", "ada")) == usd(-1000)
        with pytest.raises(journal.AlreadyPosted), phase():
            journal.post([journal.reversal(entry, step="again", at=clock.now())])

    def test_takes_three_statements_when_its_accounts_are_new_and_one_when_they_are_known(
        self, merchant, django_assert_num_queries
    ):
        with phase():
            with django_assert_num_queries(4):
                journal.post([sale(merchant, "ada", 1000, 30)])
            chart._known.update(chart.ids_of(leg.account for leg in sale(merchant, "ada", 2, 1).legs))
            with django_assert_num_queries(1):
                journal.post([sale(merchant, "ada", 500, 15)])


class TestLaw:
    """Each law is attacked in SQL, past all Python."""

    ATTACKS = (
        "UPDATE ledger_posting SET amount = amount + 1",
        "DELETE FROM ledger_posting",
        "TRUNCATE ledger_posting",
        "UPDATE ledger_entry SET kind = 'gift'",
        "DELETE FROM ledger_entry",
        "TRUNCATE ledger_entry CASCADE",
        "DELETE FROM ledger_event",
        "TRUNCATE ledger_audit",
        "TRUNCATE ledger_account CASCADE",
        "UPDATE ledger_account SET currency = 'EUR'",
        "DELETE FROM ledger_account",
        "UPDATE ledger_account SET balance = 5 WHERE code = 'vendor_pending'",
        "INSERT INTO ledger_posting (entry_id, line, merchant_id, account_id, currency, amount, purpose) "
        "SELECT entry_id, 9, merchant_id, account_id, currency, 5, 'gift' FROM ledger_posting LIMIT 1",
        "INSERT INTO ledger_posting (entry_id, line, merchant_id, account_id, currency, amount, purpose) "
        "SELECT gen_random_uuid(), n, merchant_id, account_id, currency, 5 - 10 * (n - 1), 'gift' "
        "FROM ledger_posting, generate_series(1, 2) n WHERE line = 1",
    )

    @pytest.mark.parametrize("attack", ATTACKS)
    def test_is_refused_by_the_database(self, merchant, attack):
        with phase():
            journal.post([sale(merchant, "ada", 1000, 30)])
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(attack)
        assert Posting.objects.filter(merchant_id=merchant).count() == 3
        assert balances.trial_balance(merchant) == {"USD": 0}

    @pytest.mark.django_db(databases=OWNERS)
    def test_a_posting_of_another_currency_than_its_account_is_refused(self, as_owner, merchant):
        with phase():
            journal.post([sale(merchant, "ada", 1000, 30)])
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                """INSERT INTO ledger_entry (id, merchant_id, kind, source_type, source_id, step, occurred_at,
                                             content_hash)
                   VALUES ('00000000-0000-7000-8000-000000000001', %(m)s, 'x', 'x', gen_random_uuid(), 'x',
                   now(), ''); INSERT INTO ledger_posting (entry_id, line, merchant_id, account_id,
                   currency, amount, purpose) SELECT '00000000-0000-7000-8000-000000000001', line, %(m)s,
                   account_id, 'EUR', amount, 'gift' FROM ledger_posting WHERE merchant_id = %(m)s""",
                {"m": merchant},
            )


class TestDeferredBalance:
    def test_is_exact_before_and_after_a_roll(self, merchant):
        clearing = account(Code.PROVIDER_CLEARING, merchant, "USD", "velocitypay")
        with phase():
            journal.post([sale(merchant, "ada", 1000, 30), sale(merchant, "ada", 500, 15)])
        assert balances.balance(clearing) == usd(970 + 485)
        balances.roll()
        assert balances.balance(clearing) == usd(970 + 485)


def _move(merchant: uuid.UUID, source: chart.AccountRef, target: chart.AccountRef, amount: int) -> EntryDraft:
    return EntryDraft(
        merchant_id=merchant, kind="move", source_type="test", source_id=uuid.uuid4(), step="move",
        occurred_at=clock.now(),
        legs=[debit(source, usd(amount), "transfer"), credit(target, usd(amount), "transfer")],
    )  # fmt: skip


def _as_dict(draft: EntryDraft) -> dict:
    return {name: getattr(draft, name) for name in EntryDraft.__dataclass_fields__}
