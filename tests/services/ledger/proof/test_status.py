"""The seal of a row: none at first, then a block; anchored while its head stands outside the database."""

import uuid

import pytest

from ledger import clock, ids, locks
from ledger.chart import Code, account
from ledger.journal import EntryDraft, credit, debit
from ledger.models import Event, JournalEntry
from ledger.money import Money
from ledger.proof import sealing, status
from tests.kit import books as kit
from tests.kit.polling import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def written():
    merchant = uuid.uuid4()
    legs = [
        debit(account(Code.BANK, merchant, "USD", "main"), Money(5, "USD"), "funding"),
        credit(account(Code.MERCHANT_BALANCE, merchant, "USD"), Money(5, "USD"), "sale"),
    ]
    with locks.phase():
        [entry_id] = kit.post(
            [EntryDraft(merchant, "funding", "test", uuid.uuid4(), "funding", clock.now(), legs)]
        )
    return JournalEntry.objects.get(pk=entry_id), Event.objects.get(merchant_id=merchant)


def test_a_row_is_unsealed_until_the_sealer_comes_and_anchored_while_its_head_is_kept(head, written):
    entry, event = written
    assert status.seal_of(entry) == status.UNSEALED

    def is_sealed() -> bool:
        sealing.seal_all()
        return status.seal_of(entry).block is not None

    eventually(is_sealed, seconds=60, what="the entry to be sealed")
    seals = status.seals_of([entry.pk, event.pk])
    assert seals[entry.pk] == seals[event.pk]
    assert seals[entry.pk].is_anchored
    assert seals[entry.pk].sealed_at <= clock.now()
    head.unlink()
    assert not status.seal_of(entry).is_anchored


def test_what_is_not_there_is_unsealed():
    unknown = ids.uuid7()
    assert status.seals_of([unknown]) == {unknown: status.UNSEALED}
    assert status.seals_of([]) == {}


def test_a_head_that_cannot_be_read_anchors_nothing(head, written):
    head.write_text('{"database": "cut o')
    assert status.seals_of([row.pk for row in written])[written[0].pk].is_anchored is False
