"""Blocks of older schemes before those of today: one chain, one verification, one proof."""

import gzip
import json
import subprocess
import sys
import uuid

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from ledger import ids
from ledger.models import SealBlock
from ledger.proof import blocks, exporting, readers, row_images, rows, verifying
from tests.kit import seals
from tests.kit.seals import OWNERS

pytestmark = pytest.mark.django_db(transaction=True, databases=OWNERS)


@pytest.fixture
def mixed(books):
    """Books sealed by the scheme before, and after them others sealed by that of today."""
    seals.seal_as(blocks.WITH_AUDIT)
    newer = seals.write(uuid.uuid4())
    seals.seal_everything()
    schemes = list(SealBlock.objects.order_by("number").values_list("scheme", flat=True))
    assert schemes == sorted(schemes)
    assert {blocks.WITH_AUDIT, blocks.ROW_IMAGES} == set(schemes)
    return books, newer


def verified(path, *arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", "verify_proof.py", path.name, *map(str, arguments)]
    return subprocess.run(command, cwd=path.parent, env={}, capture_output=True, text=True, check=False)


def test_both_are_verified_and_a_change_is_named_in_either(mixed):
    found = verifying.verify()
    assert found.holds, found.fault
    for books in mixed:
        entry, event, act = books.entries[1], books.event_of(books.entries[1]), books.act
        rows_of = {"ledger_entry": (entry, "entry"), "ledger_event": (event, "event"),
                   "ledger_audit": (act, "audit record")}  # fmt: skip
        for table, (row, name) in rows_of.items():
            change = f"UPDATE {table} SET xid = (xid::text::bigint - 1)::text::xid8 WHERE id = %s"
            assert f"{name} {row} " in seals.fault_after(change, row)
        change = "UPDATE ledger_posting SET purpose = 'gift' WHERE entry_id = %s AND line = 3"
        assert f"entry {entry}: posting 3 is not as it was sealed" in seals.fault_after(change, entry)
        change = (
            "UPDATE ledger_account SET owner = 'other' WHERE merchant_id = %s AND code = 'vendor_available'"
        )
        fault = seals.fault_after(change, books.merchant)
        assert f"entry {books.entries[0]}: posting 2 is not as it was sealed" in fault


def test_a_proof_of_both_is_verified_alone(mixed, head, tmp_path, settings):
    path, keys = tmp_path / "proof" / "books.jsonl.gz", tmp_path / "keys.json"
    keys.write_text(json.dumps(settings.EVENT_SIGNING_KEYS))
    call_command("export_proof", path, verbosity=0)
    ended = verified(path, "--key", keys, "--head", head)
    assert ended.returncode == 0, ended.stdout
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    texts = {line[68:69] for line in lines if line.startswith(b'["')}
    assert texts == {b"[", b'"'}, "rows of both schemes stand in it"


@pytest.mark.parametrize("which", [0, 1])
def test_a_proof_of_one_merchant_in_either(mixed, which, tmp_path, head):
    path = tmp_path / "one.jsonl.gz"
    call_command("export_proof", path, merchant=ids.show("mer", mixed[which].merchant), verbosity=0)
    ended = verified(path, "--head", head)
    assert ended.returncode == 0, ended.stdout
    assert "4 entries, 12 postings, 4 events, 0 audits" in ended.stdout


def test_a_row_is_written_as_its_block_is(mixed, tmp_path):
    """A row of one scheme in a block of the other is refused, whatever its leaf."""
    path = tmp_path / "books.jsonl"
    exporting.export(path, 1, 10**9)
    lines = path.read_bytes().splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if line.startswith(b'["')]
    first, last = starts[0], starts[-1]
    path.write_bytes(b"".join([*lines[:first], lines[last], *lines[first + 1 :]]))
    assert "is not written as its block is" in verified(path).stdout


def test_what_a_session_is_set_to_changes_no_record(books):
    """Of either scheme, but for the encoding: what would be sealed in another is refused."""
    for scheme in (blocks.WITH_AUDIT, blocks.ROW_IMAGES):
        reader = readers.of(scheme)
        kinds = {
            rows.ENTRY: books.reversal,
            rows.EVENT: books.event_of(books.reversal),
            rows.AUDIT: books.act,
        }
        before = {kind: reader.record_now(kind, row) for kind, row in kinds.items()}
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                """SET LOCAL "TimeZone" = 'Asia/Kathmandu'; SET LOCAL "DateStyle" = 'German, DMY';
                   SET LOCAL bytea_output = 'escape'; SET LOCAL extra_float_digits = -5"""
            )
            assert {kind: reader.record_now(kind, row) for kind, row in kinds.items()} == before
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL client_encoding = 'LATIN1'")
        with pytest.raises(RuntimeError, match="UTF-8"):
            row_images.record_now(rows.AUDIT, books.act)


def test_accounts_are_looked_up_anew_when_there_are_too_many(books, monkeypatch):
    before = row_images.record_now(rows.ENTRY, books.reversal)
    monkeypatch.setattr(row_images, "_ACCOUNTS_KEPT", 1)
    assert row_images.record_now(rows.ENTRY, books.reversal) == before
    assert verifying.verify().holds


def test_an_entry_without_postings_is_named(books):
    fault = seals.fault_after("DELETE FROM ledger_posting WHERE entry_id = %s", books.entries[0])
    assert f"entry {books.entries[0]}: 0 postings stand where 3 were sealed" in fault


@pytest.mark.parametrize(
    ("moment", "lies_by"),
    [
        ("2026-11-22 00:00:00+00", str(uuid.UUID(int=1_795_305_600_000 << 80))),
        ("1969-12-31 23:59:59+00", "00000000-0000-0000-0000-000000000000"),
        ("12026-01-01 00:00:00+00", "00000000-0000-0000-0000-000000000000"),
        ("infinity", "00000000-0000-0000-0000-000000000000"),
        ("-infinity", "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_an_audit_record_lies_by_its_moment(db, moment, lies_by):
    with connection.cursor() as cursor:
        cursor.execute("SELECT timestamptz_send(%s)", [moment])
        sent = bytes(cursor.fetchone()[0])
    record = rows.AUDIT + bytes(48) + b"\x00\x00\x00\x02" + sent
    assert list(rows.split(record)) == [record]
    assert rows.Record.parse(record).lies_by == uuid.UUID(lies_by)
