"""Sealed books show every later change, and the head kept outside shows a removed block."""

import uuid

import pytest
from django.db import connection, transaction

from config import grants
from ledger import clock, locks, sealing
from ledger.chart import Code, account
from ledger.journal import EntryDraft, credit, debit
from ledger.models import JournalEntry, Posting, SealBlock
from ledger.money import Money
from tests.kit import books as kit
from tests.kit.owner import OWNERS, unguarded
from tests.kit.polling import eventually

pytestmark = pytest.mark.django_db(transaction=True, databases=OWNERS)


@pytest.fixture
def head(settings, tmp_path):
    settings.SEAL_HEAD_FILE = tmp_path / "head.jsonl"
    return settings.SEAL_HEAD_FILE


@pytest.fixture
def books(transactional_db, head):
    """Real commits: a seal takes only what is committed. The rows stay; the seals are taken off again."""
    merchant = uuid.uuid4()
    with locks.phase():
        kit.post([_funding(merchant, amount) for amount in (100, 250, 999)])
    _sealed()
    yield merchant
    tamper("DELETE FROM ledger_seal")


def _sealed() -> None:
    """Seal until every entry is in: open transactions of other tests hold the horizon back meanwhile."""

    def is_all_sealed() -> bool:
        sealing.seal()
        return not sealing.verify().unsealed

    eventually(is_all_sealed, seconds=60, what="every entry to be sealed")


def _funding(merchant: uuid.UUID, minor: int) -> EntryDraft:
    return EntryDraft(
        merchant_id=merchant, kind="funding", source_type="test", source_id=uuid.uuid4(), step="funding",
        occurred_at=clock.now(),
        legs=[
            debit(account(Code.BANK, merchant, "USD", "main"), Money(minor, "USD"), "funding"),
            credit(account(Code.MERCHANT_BALANCE, merchant, "USD"), Money(minor, "USD"), "sale"),
        ],
    )  # fmt: skip


def tamper(sql: str, *parameters: object) -> None:
    """Change sealed rows as somebody with the whole database in hands could."""
    with grants.as_owner(), unguarded("ledger_entry", "ledger_posting", "ledger_seal"):
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)


class TestVerify:
    def test_holds_for_untouched_books(self, books):
        verdict = sealing.verify()
        assert verdict.holds, verdict.fault
        assert verdict.entries >= 3

    def test_names_an_entry_whose_amounts_were_changed(self, books):
        entry = JournalEntry.objects.filter(merchant_id=books).first()
        line = Posting.objects.get(entry=entry, line=1)
        change = "UPDATE ledger_posting SET amount = %s WHERE entry_id = %s AND line = 1"
        tamper(change, line.amount + 1, entry.pk)
        assert str(entry.pk) in sealing.verify().fault
        tamper(change, line.amount, entry.pk)
        assert sealing.verify().holds

    def test_sees_an_entry_slipped_into_a_sealed_block(self, books):
        block = SealBlock.objects.order_by("-number").first()
        copy = """INSERT INTO ledger_entry SELECT (jsonb_populate_record(
                      e, jsonb_build_object('id', gen_random_uuid(), 'step', 'gift'))).*
                  FROM ledger_entry e WHERE merchant_id = %s LIMIT 1 RETURNING id"""
        with grants.as_owner(), connection.cursor() as cursor:
            cursor.execute(copy, [books])
            (slipped,) = cursor.fetchone()
        assert f"block {block.number}" in sealing.verify().fault
        tamper("DELETE FROM ledger_entry WHERE id = %s", slipped)
        assert sealing.verify().holds

    def test_sees_that_the_last_block_is_gone(self, books, head):
        with locks.phase():
            kit.post([_funding(books, 5)])
        _sealed()
        last = SealBlock.objects.order_by("-number").first()
        tamper("DELETE FROM ledger_seal WHERE number = %s", last.number)
        assert "is gone" in sealing.verify().fault

    def test_seals_nothing_twice(self, books):
        _sealed()
        before = SealBlock.objects.count()
        assert sealing.seal() is None
        assert SealBlock.objects.count() == before

    def test_refuses_to_look_at_an_earlier_state(self, books):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            with pytest.raises(RuntimeError, match="earlier state"):
                sealing.verify()
