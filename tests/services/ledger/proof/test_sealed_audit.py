"""Audit records are sealed with the books: any byte of any of them, one gone, one slipped in, one moved."""

import uuid
from importlib import import_module

import pytest
from django.db import DatabaseError, connection, transaction

from ledger import ids
from ledger.explain import walking
from ledger.explain.types import Seal
from ledger.models import AuditRecord, SealBlock
from ledger.proof import blocks, row_images, rows, sealing, verifying
from tests.kit import seals
from tests.kit.seals import OWNERS

pytestmark = pytest.mark.django_db(transaction=True, databases=OWNERS)

TEXTS = (
    "actor_kind", "actor_id", "actor_label", "role", "action", "object_type", "object_id", "outcome",
    "reason", "request_id", "user_agent",
)  # fmt: skip
COPY = """INSERT INTO ledger_audit SELECT (jsonb_populate_record(r, jsonb_build_object(%s::text, %s::text))).*
          FROM ledger_audit r WHERE id = %s"""


def test_any_byte_of_any_text_makes_it_another_record(books):
    """What verifications compare is the record taken of the row: it changes with each byte."""
    was = row_images.record_now(rows.AUDIT, books.act)
    unseen = []
    for column in TEXTS:
        length = len(AuditRecord.objects.values_list(column, flat=True).get(pk=books.act))
        assert length, column
        for at in range(1, length + 1):
            change = f"""UPDATE ledger_audit SET {column} = overlay({column} placing
                         chr(ascii(substr({column}, {at}, 1)) # 1) from {at} for 1) WHERE id = %s"""
            with seals.tampered(change, books.act):
                if row_images.record_now(rows.AUDIT, books.act) == was:
                    unseen.append((column, at))
    assert not unseen


@pytest.mark.parametrize(
    "change",
    [
        'before = before || \'{"step": "c"}\'',
        "after = after - 'none'",
        "after = '[]'",
        "ip = set_masklen(ip, 24)",
        "ip = NULL",
        "merchant_id = NULL",
        "at = 'infinity'",
        "at = '0044-03-15 00:00:00+00 BC'",
        "at = '12026-03-15 00:00:00+00'",
    ],
)
def test_what_is_no_single_byte_is_found_too(books, change):
    fault = seals.fault_after(f"UPDATE ledger_audit SET {change} WHERE id = %s", books.act)
    assert fault.endswith(f"audit record {books.act} is not as it was sealed")


def test_an_explanation_shows_its_seal(books):
    act = AuditRecord.objects.get(pk=books.act)
    [node] = walking.explain(act).nodes.values()
    assert (node.seal.seal, node.seal.is_anchored) == (Seal.SEALED, True)
    seals.unseal()
    [node] = walking.explain(act).nodes.values()
    assert node.seal.seal is Seal.WAITING


def test_one_that_is_gone_is_named(books):
    fault = seals.fault_after("DELETE FROM ledger_audit WHERE id = %s", books.act)
    assert fault.endswith(f"audit record {books.act} was sealed here and is gone")


@pytest.mark.parametrize("column", ["id", "at"])
def test_one_slipped_in_is_named(books, column):
    new = ids.uuid7()
    value = str(new) if column == "id" else "2026-01-01T00:00:00Z"
    fault = seals.fault_after(COPY, column, value, books.act)
    assert str(new if column == "id" else books.act) in fault


def test_one_moved_to_another_transaction_is_named(books):
    last = SealBlock.objects.order_by("-number").first()
    change = "UPDATE ledger_audit SET xid = %s::text::xid8 WHERE id = %s"
    fault = seals.fault_after(change, str(last.transaction_to), books.act)
    assert fault.endswith(f"audit record {books.act} was moved to another transaction")


def test_what_blocks_of_an_older_scheme_left_out_is_sealed_by_the_next(books, head, monkeypatch):
    """A house whose blocks did not know of audit records: those still verify, and the next takes all in."""
    seals.unseal()
    head.unlink()
    monkeypatch.setattr(sealing, "_take_rows", _as_scheme_2(sealing._take_rows))
    sealing.seal_all()
    monkeypatch.undo()
    old = SealBlock.objects.order_by("-number").first()
    assert (old.scheme, old.audits) == (blocks.MERKLE, 0)
    seals.write(uuid.uuid4())
    seals.seal_everything()
    found = verifying.verify()
    assert found.holds, found.fault
    assert found.audits == AuditRecord.objects.count()
    first = SealBlock.objects.filter(scheme__gte=blocks.WITH_AUDIT).earliest("number")
    assert (first.audits_from, first.transaction_from) == (0, old.transaction_to)
    fault = seals.fault_after("UPDATE ledger_audit SET reason = 'none' WHERE id = %s", books.act)
    assert f"block {first.number}: audit record {books.act} is not as it was sealed" in fault


def _as_scheme_2(take):
    def taken(block):
        block.scheme, block.audits_from = blocks.MERKLE, block.transaction_to
        take(block)
        block.audits_from = 0

    return taken


def test_their_migration_does_not_go_back_over_them(books):
    stay = import_module("ledger.migrations.0019_sealed_audit").STAY
    with pytest.raises(DatabaseError, match="could not be verified"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(stay)
    seals.unseal()
    with connection.cursor() as cursor:
        cursor.execute(stay)


def test_the_sealer_finds_them_by_their_transaction(db):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN SELECT 1 FROM ledger_audit WHERE xid >= '7' AND xid < '8'")
        assert "Seq Scan" not in "\n".join(line for (line,) in cursor.fetchall())
