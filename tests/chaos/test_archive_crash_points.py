"""kill -9 at every point of archiving a month: the next run finishes it; no row is lost or twice there."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection

from config import grants
from ledger import audit, clock, partitions
from ledger.actors import SYSTEM, Actor
from ledger.archives import archiving, carrying
from ledger.archives import files as archive_files
from ledger.locks import phase
from ledger.models import ArchiveFile, AuditRecord
from tests.kit.killed import killed_at
from tests.kit.months import month_of_its_own
from tests.kit.owner import OWNERS

POINTS = ("archive.before_file", "archive.after_file", "archive.before_commit", "archive.after_commit")
pytestmark = [pytest.mark.django_db(transaction=True, databases=OWNERS), pytest.mark.xdist_group("archives")]


def archive(partition: str) -> None:
    """Archive a month, as the owner."""
    with grants.as_owner():
        month = next(m for m in archiving.due(clock.now()) if m.parts[0][1] == partition)
        archiving.archive(month, clock.now(), SYSTEM)


@pytest.fixture
def month(as_owner, settings, tmp_path, monkeypatch):
    """A month of its own, long ago, with five records."""
    settings.ARCHIVE_DIR = tmp_path / "archive"
    monkeypatch.setattr(carrying, "unsealed_acts", lambda begins, ends: 0)
    begins = month_of_its_own()
    names = [f"obj_{uuid.uuid4().hex[:26]}" for _ in range(5)]
    with phase():
        audit.record_many(
            audit.Act(Actor("staff", "7"), "thing.done", "things.thing", name, begins + timedelta(hours=n))
            for n, name in enumerate(names)
        )
    partitions.make_ahead()
    return begins, names


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_run_is_finished_by_the_next(month, settings, tmp_path, point):
    begins, names = month
    partition = f"ledger_audit_{begins:%Y_%m}"
    killed_at(point, tmp_path, lambda: archive(partition))
    is_committed = point == "archive.after_commit"
    assert AuditRecord.objects.filter(object_id__in=names).count() == (0 if is_committed else 5)
    if not is_committed:
        archive(partition)
    assert not AuditRecord.objects.filter(object_id__in=names).exists()
    rows = list(ArchiveFile.objects.filter(table="ledger_audit", range_from=begins).order_by("-number"))
    row = rows[0]
    archive_files.check_against_row(archive_files.verify(settings.ARCHIVE_DIR / row.file_name), row)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {row.detached_as} WHERE object_id = ANY (%s)", [names])
        assert cursor.fetchone() == (5,)
    assert list(archiving.check_chain()) == []
