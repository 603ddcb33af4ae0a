"""A verification names what is wrong: which row of which block, or what became of a block or its head."""

import json
import uuid
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction

from ledger import clock, events, ids
from ledger.actors import SYSTEM
from ledger.archives import files as archive_files
from ledger.archives.files import Header
from ledger.models import ArchivedStream, Event, SealBlock
from ledger.proof import sealing, verifying
from tests.kit import seals
from tests.kit.polling import eventually
from tests.kit.seals import OWNERS

pytestmark = pytest.mark.django_db(transaction=True, databases=OWNERS)


@pytest.fixture
def two_blocks(books):
    """Books in at least two blocks; the last holds four entries."""
    seals.write(uuid.uuid4())
    seals.seal_everything()
    first, *_, last = SealBlock.objects.order_by("number")
    return books, first, last


class TestRows:
    def test_untouched_books_hold(self, books):
        found = verifying.verify()
        assert found.holds, found.fault
        assert found.is_last
        assert found.entries >= 4
        assert found.postings >= 12
        assert found.events >= 4

    def test_a_missing_posting(self, books):
        fault = seals.fault_after(
            "DELETE FROM ledger_posting WHERE entry_id = %s AND line = 3", books.entries[0]
        )
        assert f"entry {books.entries[0]}: 2 postings stand where 3 were sealed" in fault

    def test_an_extra_posting(self, books):
        copy = """INSERT INTO ledger_posting SELECT (jsonb_populate_record(p, '{"line": 9}')).*
                  FROM ledger_posting p WHERE entry_id = %s AND line = 1"""
        fault = seals.fault_after(copy, books.entries[1])
        assert f"entry {books.entries[1]}: 4 postings stand where 3 were sealed" in fault

    def test_an_amount_of_one_cent(self, books):
        change = "UPDATE ledger_posting SET amount = amount + 1 WHERE entry_id = %s AND line = 2"
        assert f"entry {books.entries[2]}: posting 2 is not as it was sealed" in seals.fault_after(
            change, books.entries[2]
        )

    def test_a_missing_entry(self, books):
        remove = "DELETE FROM ledger_entry WHERE id = %s"
        assert f"entry {books.entries[1]} was sealed here and is gone" in seals.fault_after(
            remove, books.entries[1]
        )

    def test_an_entry_slipped_in(self, books):
        new = ids.uuid7()
        copy = """INSERT INTO ledger_entry SELECT (jsonb_populate_record(
                      e, jsonb_build_object('id', %s::text, 'step', 'gift'))).*
                  FROM ledger_entry e WHERE id = %s"""
        assert f"entry {new} was not sealed here" in seals.fault_after(copy, str(new), books.entries[0])

    def test_a_row_moved_to_another_transaction(self, two_blocks):
        books, _, last = two_blocks
        moved = "UPDATE ledger_entry SET xid = %s::text::xid8 WHERE id = %s"
        fault = seals.fault_after(moved, str(last.transaction_to), books.entries[0])
        assert f"entry {books.entries[0]} was moved to another transaction" in fault

    def test_an_altered_payload(self, books):
        event = books.event_of(books.entries[0])
        change = """UPDATE ledger_event SET payload = '{"forged": true}' WHERE id = %s"""
        assert f"event {event} is not as it was sealed" in seals.fault_after(change, event)

    def test_an_event_that_nobody_with_the_key_wrote(self, books):
        event = Event.objects.get(pk=books.event_of(books.entries[0]))
        event.pk, event.subject_id, event.hash = ids.uuid7(), ids.uuid7(), b"\x00" * 32
        with seals.resealed(), transaction.atomic():
            event.save(force_insert=True)
        assert f"event {event.pk} is not as it was written" in verifying.verify().fault
        with seals.resealed():
            seals.remove("DELETE FROM ledger_event WHERE id = %s", event.pk)
        assert verifying.verify().holds

    def test_a_key_that_is_not_configured(self, books, settings):
        settings.EVENT_SIGNING_KEYS = {**settings.EVENT_SIGNING_KEYS, "k9": "another-key"}
        settings.EVENT_SIGNING_KEY_ID = "k9"
        newer = seals.write(uuid.uuid4())
        settings.EVENT_SIGNING_KEY_ID = "dev1"
        seals.seal_everything()
        settings.EVENT_SIGNING_KEYS = {"dev1": settings.EVENT_SIGNING_KEYS["dev1"]}
        fault = verifying.verify().fault
        assert f"event {newer.event_of(newer.entries[0])} was signed with key 'k9', which is not" in fault
        with seals.resealed():
            seals.remove("DELETE FROM ledger_event WHERE key_id = 'k9'")
            seals.remove("DELETE FROM ledger_fact WHERE merchant_id = %s", newer.merchant)
            seals.remove("DELETE FROM ledger_posting WHERE merchant_id = %s", newer.merchant)
            seals.remove("DELETE FROM ledger_entry WHERE merchant_id = %s", newer.merchant)
            seals.remove("UPDATE ledger_account SET balance = 0 WHERE merchant_id = %s", newer.merchant)

    def test_a_posting_without_its_entry(self, books):
        stray = ids.uuid7()
        copy = """INSERT INTO ledger_posting SELECT (jsonb_populate_record(
                      p, jsonb_build_object('entry_id', %s::text))).*
                  FROM ledger_posting p WHERE entry_id = %s AND line = 1"""
        fault = seals.fault_after(copy, str(stray), books.entries[0])
        assert f"posting 1 of entry {stray} stands without its entry" in fault

    def test_a_fact_that_no_entry_tells(self, books):
        copy = """INSERT INTO ledger_fact SELECT (jsonb_populate_record(f, '{"step": "gift"}')).*
                  FROM ledger_fact f WHERE entry_id = %s"""
        assert "'gift' is not what entry" in seals.fault_after(copy, books.entries[0])


def test_rows_of_an_archived_month_are_counted_not_missed(books):
    tables = ("ledger_entry", "ledger_posting", "ledger_event")
    subjects = list(Event.objects.filter(merchant_id=books.merchant).values_list("subject_id", flat=True))
    gone = "; ".join(f"DELETE FROM {table} WHERE merchant_id = '{books.merchant}'" for table in tables)
    with seals.tampered(gone):
        assert "was sealed here and is gone" in verifying.verify().fault
        for number, table in enumerate(tables, 1_000_000):
            seals.say_archived(
                number, table, datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
            )
        assert "no archive has them" in verifying.verify().fault
        ArchivedStream.objects.bulk_create(
            ArchivedStream(
                subject_id=subject, subject_type="test", merchant_id=books.merchant, archive=1_000_002,
                first_sequence=1, last_sequence=1, last_hash=b"",
            )
            for subject in subjects
        )  # fmt: skip
        found = verifying.verify()
        assert found.holds, found.fault
        assert found.archived >= 2 * len(books.entries)


@pytest.mark.parametrize(
    "change", ["range_to = '2100-01-01'", "mac = mac || '\\x00'", "\"table\" = 'ledger_entry'"]
)
def test_a_row_that_says_more_was_archived_than_was_is_refused(books, change):
    """Else rows could be taken out of the books, and called archived."""
    with seals.tampered("SELECT 1"):
        begins, ends = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 2, 1, tzinfo=UTC)
        seals.say_archived(2_000_000, "ledger_audit", begins, ends)
        assert verifying.verify().holds
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE ledger_archive DISABLE TRIGGER USER")
            cursor.execute(f"UPDATE ledger_archive SET {change} WHERE number = 2000000")
        assert verifying.verify().fault == "archive 2000000 is not as it was sealed"


def test_a_row_that_tells_no_columns_is_proven_by_its_file(books, settings, tmp_path):
    """As rows did before 0020: by its MAC alone it could say that any month was archived."""
    settings.ARCHIVE_DIR = tmp_path
    begins, ends = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 2, 1, tzinfo=UTC)
    header = Header(2_000_000, "ledger_audit", begins.isoformat(), ends.isoformat(), ("id",))
    with seals.tampered("SELECT 1"):
        row = seals.say_archived(2_000_000, "ledger_audit", begins, ends)
        written = archive_files.write(tmp_path / row.file_name, header, ['{"id":1}'])
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE ledger_archive DISABLE TRIGGER USER")
            cursor.execute(
                """UPDATE ledger_archive SET columns = NULL, archive_hash = %s, mac = %s, rows = %s,
                       content_hash = %s, packed_hash = %s WHERE number = 2000000""",
                [bytes.fromhex(written.archive_hash()), bytes.fromhex(written.mac), written.rows,
                 bytes.fromhex(written.content_hash), bytes.fromhex(written.packed_hash)],
            )  # fmt: skip
            assert verifying.verify().holds
            widened = "UPDATE ledger_archive SET range_to = %s WHERE number = 2000000"
            cursor.execute(widened, [datetime(2026, 1, 1, tzinfo=UTC)])
            assert "archive 2000000 is not as it was sealed" in verifying.verify().fault
            cursor.execute(widened, [ends])
            assert verifying.verify().holds
            (tmp_path / row.file_name).unlink()
            assert f"{row.file_name} is not in ARCHIVE_DIR" in verifying.verify().fault


@pytest.mark.parametrize("first", [b"\x00", b"D", b"V"])
def test_a_record_with_another_kind_is_a_fault_and_no_crash(books, first):
    """Also where months were archived, so that each record is asked for its month."""
    change = """UPDATE ledger_seal_records SET records = set_byte(records, 0, %s)"""
    with seals.tampered(change, first[0]):
        begins, ends = datetime(1970, 1, 1, tzinfo=UTC), datetime(1971, 1, 1, tzinfo=UTC)
        seals.say_archived(2_000_000, "ledger_entry", begins, ends)
        assert "were changed" in verifying.verify().fault


class TestBlocks:
    def test_the_first_block_is_gone(self, two_blocks):
        assert "block 1 is missing" in seals.fault_after("DELETE FROM ledger_seal WHERE number = 1")

    def test_the_last_block_is_gone(self, two_blocks):
        *_, last = two_blocks
        fault = seals.fault_after("DELETE FROM ledger_seal WHERE number = %s", last.number)
        assert fault == f"block {last.number} was sealed and is gone"

    def test_two_blocks_are_swapped(self, two_blocks):
        _, first, last = two_blocks
        a, b = first.number, last.number
        swap = """UPDATE ledger_seal SET number = CASE number WHEN %s THEN -%s ELSE -%s END
                  WHERE number IN (%s, %s);
                  UPDATE ledger_seal SET number = -number WHERE number < 0"""
        fault = seals.fault_after(swap, a, b, a, a, b)
        assert f"block {a}" in fault

    def test_the_records_of_a_block_are_gone(self, books):
        assert "the records of its rows were changed" in seals.fault_after("DELETE FROM ledger_seal_records")

    def test_a_block_sealed_with_a_key_that_is_not_configured(self, books, settings):
        settings.EVENT_SIGNING_KEYS = {"other": "key"}
        fault = verifying.verify().fault  # of block 1, or of an archive that another test left
        assert fault.endswith("cannot be verified: key 'dev1' is not configured here")

    def test_a_caller_in_one_earlier_state_is_refused(self, books):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            with pytest.raises(RuntimeError, match="earlier state"):
                verifying.verify()


class TestHeads:
    @pytest.fixture
    def lines(self, head, two_blocks):
        """The lines of four blocks and more."""
        for _ in range(3):
            seals.write(uuid.uuid4())
            seals.seal_everything()
        return head.read_text().splitlines(keepends=True)

    def test_a_line_cut_in_its_middle(self, head, lines):
        head.write_text("".join(lines)[:-20])
        assert verifying.verify().fault == f"the last line of {head.name} is cut off"

    def test_lines_cut_off_the_end(self, head, lines):
        head.write_text("".join(lines[:-2]))
        missing = json.loads(lines[-2])["number"]
        assert verifying.verify().fault == f"the head of block {missing} is missing outside the database"

    def test_a_line_taken_out_of_the_middle(self, head, lines):
        head.write_text("".join(lines[:1] + lines[2:]))
        missing = json.loads(lines[1])["number"]
        assert verifying.verify().fault == f"the head of block {missing} is missing outside the database"

    def test_a_line_written_over(self, head, lines):
        line = json.loads(lines[1])
        line["hash"] = "0" * 64
        head.write_text("".join([lines[0], json.dumps(line) + "\n", *lines[2:]]))
        fault = f"block {line['number']} is not the one whose hash was kept outside the database"
        assert verifying.verify().fault == fault

    def test_a_line_that_is_none(self, head, lines):
        head.write_text("".join([lines[0], "nothing\n", *lines[1:]]))
        assert verifying.verify().fault == f"a line of {head.name} is no head of a block"

    def test_other_databases_share_the_file(self, head, lines):
        other = [json.dumps({**json.loads(line), "database": "other", "hash": "0"}) + "\n" for line in lines]
        head.write_text("".join(line for pair in zip(lines, other, strict=True) for line in pair))
        assert verifying.verify().holds

    def test_the_sealer_notes_what_a_crash_left_out(self, head, lines):
        head.write_text("".join(lines[:-1]))

        def is_noted_again() -> bool:
            sealing.seal()
            return head.read_text() == "".join(lines)

        eventually(is_noted_again, seconds=60, what="the head to be noted again")
        assert verifying.verify().holds


def test_a_verification_may_stop_and_go_on(two_blocks):
    whole = verifying.verify()
    first = verifying.verify(until=clock.monotonic() - 1)
    assert (first.first, first.is_last) == (1, True) or first.last < whole.last
    rest = verifying.verify(after=1)
    assert (rest.first, rest.last, rest.is_last) == (2, whole.last, True)
    assert rest.holds, rest.fault
    assert rest.entries < whole.entries


def test_an_event_of_the_kit_is_signed_as_any_other(books):
    event = Event.objects.get(pk=books.event_of(books.entries[0]))
    assert event.actor_id == SYSTEM.id
    assert bytes(event.hash) == events.signature(event)
