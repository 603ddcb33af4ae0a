"""The sealer: what it takes, how large a block grows, and blocks of the first scheme."""

import hashlib
import uuid
from itertools import pairwise

import pytest
from django.db import connection

from ledger import clock
from ledger.models import SealBlock, SealRecords
from ledger.proof import blocks, heads, rows, sealing, verifying
from tests.kit import seals
from tests.kit.seals import OWNERS

pytestmark = pytest.mark.django_db(transaction=True, databases=OWNERS)


def test_nothing_is_sealed_twice(books):
    before = SealBlock.objects.count()
    assert sealing.seal() is None
    assert SealBlock.objects.count() == before


def test_a_block_ends_when_it_is_full_and_a_transaction_is_never_split(books, monkeypatch):
    monkeypatch.setattr(sealing, "BLOCK_ROWS", 3)
    monkeypatch.setattr(sealing, "RECORDS_IN_A_PART", 2)
    with seals.resealed():
        pass
    found = list(SealBlock.objects.order_by("number"))
    assert len(found) > 1
    assert all(one.transaction_to == after.transaction_from for one, after in pairwise(found))
    assert SealRecords.objects.filter(part__gt=0).exists()
    assert verifying.verify().holds


def test_the_block_counts_its_rows(books):
    seals.write(uuid.uuid4())
    seals.seal_everything()
    last = SealBlock.objects.order_by("-number").first()
    kept = b"".join(
        bytes(part.records) for part in SealRecords.objects.filter(number=last.number).order_by("part")
    )
    records = [rows.Record.parse(record) for record in rows.split(kept)]
    assert len([one for one in records if one.kind == rows.ENTRY]) == last.entries
    assert len([one for one in records if one.kind == rows.EVENT]) == last.events
    assert sum(len(one.hints) for one in records) == last.postings
    assert heads.last().number == last.number


class TestFirstScheme:
    @pytest.fixture
    def old_block(self, books, head):
        """The books, sealed as the house once did."""
        seals.unseal()
        head.unlink()
        with connection.cursor() as cursor:
            cursor.execute("SELECT max(xid::text::bigint) + 1 FROM ledger_entry")
            end = cursor.fetchone()[0]
            digest, counts = hashlib.sha256(), []
            for table, column in (("ledger_entry", "content_hash"), ("ledger_event", "hash")):
                cursor.execute(
                    f"SELECT {column} FROM {table} WHERE xid < %s::text::xid8 ORDER BY xid, id", [str(end)]
                )
                hashes = [bytes(row[0]) for row in cursor.fetchall()]
                digest.update(b"".join(hashes) + b"|")
                counts.append(len(hashes))
        block = SealBlock(
            number=1, scheme=1, transaction_from=0, transaction_to=end, entries=counts[0], events=counts[1],
            root=digest.digest(), previous_hash=b"", key_id="dev1", sealed_at=clock.now(),
        )  # fmt: skip
        block.block_hash = blocks.block_hash(block)
        block.mac = blocks.mac(block)
        block.save(force_insert=True)
        heads.note(block)
        return books

    def test_old_blocks_still_verify_and_new_ones_follow_them(self, old_block):
        assert verifying.verify().holds
        seals.write(uuid.uuid4())
        seals.seal_everything()
        assert SealBlock.objects.get(number=2).scheme == blocks.ROW_IMAGES
        assert verifying.verify().holds

    def test_what_they_sealed_is_still_found_when_it_changes(self, old_block):
        entry = old_block.entries[0]
        change = "UPDATE ledger_posting SET amount = amount + 1 WHERE entry_id = %s AND line = 1"
        assert f"entry {entry} is not as it was written" in seals.fault_after(change, entry)
        event = old_block.event_of(entry)
        change = "UPDATE ledger_event SET type = 'forged' WHERE id = %s"
        assert f"event {event} is not as it was written" in seals.fault_after(change, event)
        remove = "DELETE FROM ledger_event WHERE id = %s"
        assert "events stand where" in seals.fault_after(remove, event)

    def test_a_block_that_says_it_is_of_another_scheme_was_changed(self, old_block):
        assert seals.fault_after("UPDATE ledger_seal SET scheme = 2") == "block 1 was changed"
