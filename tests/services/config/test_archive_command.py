"""`manage.py archive` says what is due, archives, verifies and restores; a changed file is refused."""

import io
import uuid
from datetime import datetime

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from ledger import audit, partitions
from ledger.actors import Actor
from ledger.archives import carrying
from ledger.locks import phase
from ledger.models import ArchiveFile, AuditRecord
from tests.kit.months import month_of_its_own
from tests.kit.owner import OWNERS

pytestmark = pytest.mark.django_db(transaction=True, databases=OWNERS)


def said(*arguments: str, **options: bool) -> str:
    out = io.StringIO()
    call_command("archive", *arguments, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def begins(db, settings, tmp_path, monkeypatch) -> datetime:
    """A month long ago with three records, taken as sealed."""
    monkeypatch.setattr(carrying, "unsealed_acts", lambda begins, ends: 0)
    settings.ARCHIVE_DIR = tmp_path
    month = month_of_its_own()
    with phase():
        audit.record_many(
            audit.Act(Actor("staff", "7"), "thing.done", "things.thing", uuid.uuid4().hex, month)
            for _ in range(3)
        )
    partitions.make_ahead()
    return month


def test_the_round_by_hand(begins, tmp_path, monkeypatch):
    from ledger.archives import archiving

    every = archiving.due
    monkeypatch.setattr(
        archiving, "due", lambda at: [m for m in every(at) if m.kept.name == "audit" and m.begins == begins]
    )
    month = f"{begins:%Y-%m}"
    assert f"audit records of {month} are past their retention" in said()
    done = said("run")
    assert f"archived ledger_audit {month}: " in done
    row = ArchiveFile.objects.get(range_from=begins, file_name__in=done.split())
    assert f"{row.file_name}: {row.rows} rows of ledger_audit, whole" in said("verify", row.file_name)
    assert f"{row.rows} rows stand in table restored_ledger_audit_" in said("restore", row.file_name)
    act = AuditRecord.objects.get(action="audit.read", object_id="restore", after__sought__file=row.file_name)
    assert act.actor_kind == "operator"
    path = tmp_path / row.file_name
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.write_bytes(raw)
    for act in ("verify", "restore"):
        with pytest.raises(CommandError, match="Take another copy"):
            said(act, row.file_name)
