"""A month of the journal leaves its tables, and every balance stays the sum of what is left and carried."""

import uuid
from datetime import datetime, timedelta

import pytest
from django.db import connection

from ledger import balances, clock, invariants, locks, partitions, past_balances, retention
from ledger.actors import SYSTEM, Actor
from ledger.archives import archiving, carrying
from ledger.archives.carrying import MonthArchived, NotAtRest
from ledger.chart import Code, account
from ledger.journal import EntryDraft, credit, debit
from ledger.models import Account, CarriedBalance, JournalEntry, Posting
from ledger.money import Money
from tests.kit import books as kit
from tests.kit.months import archived, key_at, month_of_its_own
from tests.kit.owner import OWNERS

# The owner of the tables archives; the application cannot.
pytestmark = [pytest.mark.django_db(databases=OWNERS), pytest.mark.usefixtures("as_owner")]

KEEPERS = ("I-01", "I-02", "I-03", "I-05", "I-81", "I-82", "I-83")


@pytest.fixture
def old_books(transactional_db, settings, tmp_path, monkeypatch):
    """A merchant with entries of a month long ago and one of today; taken as sealed, to leave no block."""
    settings.ARCHIVE_DIR = tmp_path / "archive"
    monkeypatch.setattr(carrying, "unsealed", lambda begins, ends: 0)
    merchant = uuid.uuid4()
    begins = month_of_its_own()
    with locks.phase():
        ids = kit.post(
            [funding(merchant, minor, begins + timedelta(days=minor % 20)) for minor in (100, 250, 999)]
        )
        kit.post([funding(merchant, 40, clock.now())])
    partitions.make_ahead()
    return merchant, begins, ids


def funding(merchant: uuid.UUID, minor: int, at: datetime) -> EntryDraft:
    """An entry with the id that it would have got at an instant; on a deferred and on a strict account."""
    return EntryDraft(
        id=key_at(at), merchant_id=merchant, kind="funding", source_type="test", source_id=uuid.uuid4(),
        step="funding", occurred_at=at,
        legs=[
            debit(account(Code.BANK, merchant, "USD", "main"), Money(minor, "USD"), "funding"),
            credit(account(Code.MERCHANT_BALANCE, merchant, "USD"), Money(minor, "USD"), "sale"),
        ],
    )  # fmt: skip


def month_of(begins: datetime) -> archiving.Month:
    return next(m for m in archiving.due(clock.now()) if m.kept.name == "journal" and m.begins == begins)


def faults() -> dict[str, list[str]]:
    found = {number: list(invariants.registry[number].check()) for number in KEEPERS}
    return {number: rows for number, rows in found.items() if rows}


def balance(merchant: uuid.UUID) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT code, balance FROM ledger_balance WHERE merchant_id = %s", [merchant])
        return dict(cursor.fetchall())


def test_a_month_leaves_with_its_entries_and_its_sums_are_carried(old_books):
    merchant, begins, ids = old_books
    before = balance(merchant)
    assert faults() == {}
    postings, entries = archived("journal", begins)
    assert (postings.table, entries.table) == ("ledger_posting", "ledger_entry")
    assert entries.rows >= 3
    assert postings.rows >= 6
    assert not JournalEntry.objects.filter(pk__in=ids).exists()
    assert Posting.objects.filter(merchant_id=merchant).count() == 2
    carried = CarriedBalance.objects.filter(merchant_id=merchant)
    assert sorted(row.amount for row in carried) == [-1349, 1349]
    assert {row.postings for row in carried} == {3}
    assert balance(merchant) == before
    assert faults() == {}


def test_a_balance_moves_on_from_what_was_carried(old_books):
    merchant, begins, _ids = old_books
    archived("journal", begins)
    with locks.phase():
        kit.post([funding(merchant, 11, clock.now())])
    assert set(map(abs, balance(merchant).values())) == {1349 + 40 + 11}
    assert faults() == {}


def test_a_balance_of_the_past_counts_what_was_carried(old_books):
    merchant, begins, _ids = old_books
    archived("journal", begins)
    ends = (begins + timedelta(days=32)).replace(day=1)
    for held in Account.objects.filter(merchant_id=merchant):
        sign = 1 if held.is_deferred else -1
        assert past_balances.balance_at(held, ends).minor == sign * 1349
        assert past_balances.balance_at(held, clock.now()).minor == sign * 1389
        with pytest.raises(MonthArchived):
            past_balances.balance_at(held, begins + timedelta(days=3))


def test_a_month_that_is_not_sealed_stays(old_books, monkeypatch):
    _merchant, begins, ids = old_books
    monkeypatch.undo()
    balances.roll()
    with pytest.raises(NotAtRest, match="not sealed"):
        archiving.archive(month_of(begins), clock.now(), SYSTEM)
    assert JournalEntry.objects.filter(pk__in=ids).count() == 3


def test_a_hold_on_one_business_fact_keeps_its_month(old_books):
    _merchant, begins, ids = old_books
    source = JournalEntry.objects.get(pk=ids[1]).source_id
    actor = Actor("staff", "7", "irene")
    hold = retention.place_hold(subject=str(source), reason="a claim", actor=actor, at=clock.now())
    assert month_of(begins).is_held
    retention.lift_hold(hold_id=hold.pk, reason="settled", actor=actor, at=clock.now())
    assert not month_of(begins).is_held


def test_restored_postings_sum_to_what_was_carried(old_books, settings):
    merchant, begins, _ids = old_books
    postings, _entries = archived("journal", begins)
    name, count = archiving.restore(settings.ARCHIVE_DIR / postings.file_name, clock.now(), SYSTEM)
    assert count == postings.rows
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT r.account_id, sum(r.amount) FROM {name} r WHERE r.merchant_id = %s GROUP BY 1
                EXCEPT SELECT account_id, amount FROM ledger_carried WHERE merchant_id = %s""",
            [merchant, merchant],
        )
        assert cursor.fetchall() == []
