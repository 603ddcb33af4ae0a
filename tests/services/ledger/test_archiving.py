"""A month past its retention goes to a sealed file and leaves its table, unless a hold keeps it."""

import gzip
import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from ledger import audit, clock, invariants, partitions, retention
from ledger.actors import SYSTEM, Actor
from ledger.archives import archiving, carrying
from ledger.archives import files as archive_files
from ledger.archives.carrying import NotAtRest
from ledger.archives.files import BadArchive
from ledger.errors import Conflict
from ledger.locks import phase
from ledger.models import AuditRecord
from tests.kit.months import month_of_its_own
from tests.kit.owner import OWNERS
from tests.kit.race import together

# The owner of the tables archives; the application cannot.
pytestmark = [pytest.mark.django_db(databases=OWNERS), pytest.mark.usefixtures("as_owner")]

IRENE = Actor("staff", "7", "irene")
DAYS = timedelta(days=1)


@pytest.fixture
def place(settings, tmp_path, monkeypatch):
    """Where archives lie; audit records are taken as sealed, to leave no block."""
    monkeypatch.setattr(carrying, "unsealed_acts", lambda begins, ends: 0)
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return settings.ARCHIVE_DIR


def written_in(month: datetime, number: int = 5, merchant: uuid.UUID | None = None) -> list[str]:
    """Write audit records of a month that has no partition, as a late one does; return their objects."""
    merchant = merchant or uuid.uuid4()
    names = [f"obj_{uuid.uuid4().hex[:26]}" for _ in range(number)]
    with phase():
        audit.record_many(
            audit.Act(IRENE, "thing.done", "things.thing", name, month + timedelta(hours=n), merchant,
                      "ö \\☕\n",
                      after={"n": n, "text": 'a "quoted" \\ line\n', "none": None, "deep": [{"a": [1, 2]}]})
            for n, name in enumerate(names)
        )  # fmt: skip
    partitions.make_ahead()
    return names


def month_of(table: str, begins: datetime, at: datetime) -> archiving.Month:
    return next(m for m in archiving.due(at) if m.parts[0][0] == table and m.begins == begins)


@pytest.fixture
def a_month(transactional_db, place):
    """A month of its own, long ago, with five records, and the instant at which it is due."""
    begins = month_of_its_own()
    names = written_in(begins)
    return begins, names


def due_at(begins: datetime) -> datetime:
    ends = (begins + 32 * DAYS).replace(day=1)
    return ends + retention.DAYS_DEFAULT * DAYS


class TestRound:
    def test_what_was_archived_comes_back_as_it_was(self, a_month, place):
        begins, names = a_month
        was = list(AuditRecord.objects.filter(object_id__in=names).order_by("id").values())
        [row] = archiving.archive(month_of("ledger_audit", begins, clock.now()), clock.now(), SYSTEM)
        assert row.rows >= 5
        assert not AuditRecord.objects.filter(object_id__in=names).exists()
        name, count = archiving.restore(place / row.file_name, clock.now(), SYSTEM)
        assert count == row.rows
        with connection.cursor() as cursor:
            cursor.execute(f"TABLE {name} EXCEPT TABLE {row.detached_as}")
            assert cursor.fetchall() == []
            cursor.execute(f"TABLE {row.detached_as} EXCEPT TABLE {name}")
            assert cursor.fetchall() == []
            columns = ", ".join(was[0])
            cursor.execute(f"SELECT {columns} FROM {name} WHERE object_id = ANY (%s) ORDER BY id", [names])
            back = [
                {**dict(zip(was[0], values, strict=True)), "before": {}, "after": json.loads(values[13])}
                for values in cursor.fetchall()
            ]
        assert [str(row) for row in back] == [str(row) for row in was]

    def test_a_month_that_is_not_sealed_stays(self, a_month, monkeypatch):
        begins, names = a_month
        monkeypatch.undo()
        with pytest.raises(NotAtRest, match="audit records of"):
            archiving.archive(month_of("ledger_audit", begins, clock.now()), clock.now(), SYSTEM)
        assert AuditRecord.objects.filter(object_id__in=names).count() == 5

    def test_zcat_reads_it_without_us(self, a_month, place):
        begins, _names = a_month
        [row] = archiving.archive(month_of("ledger_audit", begins, clock.now()), clock.now(), SYSTEM)
        with gzip.open(place / row.file_name, "rt") as file:
            header, *lines = [json.loads(line) for line in file]
        assert (header["table"], header["rows"], len(lines)) == ("ledger_audit", row.rows, row.rows)
        assert list(lines[0]) == header["columns"]

    def test_archives_are_a_chain_and_each_act_is_audited(self, a_month, place):
        begins, _names = a_month
        [row] = archiving.archive(month_of("ledger_audit", begins, clock.now()), clock.now(), SYSTEM)
        written_in(begins)  # late records of a month that is gone: their own partition, their own archive
        [again] = archiving.archive(month_of("ledger_audit", begins, clock.now()), clock.now(), SYSTEM)
        assert bytes(again.previous_hash) == bytes(row.archive_hash)
        assert list(archiving.check_chain()) == []
        dropped = archiving.drop(row.number, clock.now(), SYSTEM)
        acts = (
            AuditRecord.objects.filter(object_id=str(row.number))
            .order_by("id")
            .values_list("action", flat=True)
        )
        assert list(acts) == ["archive.detached", "archive.dropped"]
        with pytest.raises(archiving.NotDetached):
            archiving.drop(dropped.number, clock.now(), SYSTEM)

    def test_nothing_is_dropped_when_the_file_is_gone(self, a_month, place):
        begins, _names = a_month
        [row] = archiving.archive(month_of("ledger_audit", begins, clock.now()), clock.now(), SYSTEM)
        (place / row.file_name).rename(place / "elsewhere")
        with pytest.raises(BadArchive, match="no file"):
            archiving.drop(row.number, clock.now(), SYSTEM)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {row.detached_as}")
            assert cursor.fetchone() == (row.rows,)

    def test_every_flipped_byte_is_refused(self, tmp_path):
        path = tmp_path / "one.jsonl.gz"
        lines = [json.dumps({"id": n, "text": "x" * n}) for n in range(12)]
        archive_files.write(path, archive_files.Header(1, "t", "a", "b", ("id", "text")), lines)
        assert list(archive_files.read(path)) == lines
        raw = path.read_bytes()
        missed = []
        for place in range(len(raw)):
            for bit in (1, 0x80):
                path.write_bytes(raw[:place] + bytes([raw[place] ^ bit]) + raw[place + 1 :])
                try:
                    archive_files.verify(path)
                except BadArchive:
                    continue
                missed.append((place, bit))
        assert not missed

    @pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: raw + b"\0", lambda raw: raw[:40],
                                        lambda raw: b"", lambda raw: raw + raw])  # fmt: skip
    def test_a_file_that_is_cut_or_longer_is_refused(self, tmp_path, damage):
        path = tmp_path / "one.jsonl.gz"
        archive_files.write(path, archive_files.Header(1, "t", "a", "b", ("id",)), ['{"id": 1}'])
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(BadArchive):
            archive_files.verify(path)

    def test_a_flipped_byte_restores_nothing(self, a_month, place):
        begins, _names = a_month
        [row] = archiving.archive(month_of("ledger_audit", begins, clock.now()), clock.now(), SYSTEM)
        path = place / row.file_name
        raw = bytearray(path.read_bytes())
        raw[-12] ^= 1
        path.write_bytes(raw)
        with pytest.raises(BadArchive):
            archiving.restore(path, clock.now(), SYSTEM)
        with connection.cursor() as cursor:
            cursor.execute(
                r"SELECT count(*) FROM pg_class WHERE relname ~ %s", [rf"^restored_.*_{row.number}$"]
            )
            assert cursor.fetchone() == (0,)


class TestRetention:
    @pytest.mark.parametrize(("late", "is_due"), [(-1, False), (0, True), (1, True), (400, True)])
    def test_a_month_is_due_when_its_last_instant_is_past(self, a_month, late, is_due):
        begins, _names = a_month
        at = due_at(begins) + timedelta(seconds=late)
        assert is_due == any(m.kept.name == "audit" and m.begins == begins for m in archiving.due(at))

    def test_a_longer_policy_keeps_it_longer(self, db):
        before = clock.now()
        retention.set_policy(
            record_class="audit", days=3_650, legal_basis="ten years of commercial law", reason="a new law",
            valid_from=before + DAYS, actor=IRENE, at=before,
        )  # fmt: skip
        assert retention.policy("audit", before).days == 2_555
        assert retention.policy("audit", before + 2 * DAYS).days == 3_650
        act = AuditRecord.objects.get(action="retention.set", actor_id="7", after__days=3_650)
        assert (act.before["days"], act.reason) == (2_555, "a new law")

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"days": 364}, "at least 365"),
            ({"legal_basis": " "}, "basis"),
            ({"valid_from": datetime(2020, 1, 1, tzinfo=UTC)}, "past"),
        ],
    )
    def test_a_policy_that_may_not_be_is_refused(self, db, change, match):
        at = clock.now()
        wish = {
            "record_class": "audit",
            "days": 3_000,
            "legal_basis": "law",
            "valid_from": at + DAYS,
        } | change
        with pytest.raises(retention.BadPolicy, match=match):
            retention.set_policy(**wish, reason="because", actor=IRENE, at=at)

    def test_every_class_has_a_policy_with_a_basis(self, db):
        for name, kept in retention.registry.items():
            found = retention.policy(name, clock.now())
            assert (found.days, bool(found.legal_basis)) == (kept.days, True)
            assert found.pk, f"{name}: the default was written after migrate"


HOLDS = {
    "everything": ({}, True),
    "the class": ({"record_class": "audit"}, True),
    "another class": ({"record_class": "jobs"}, False),
    "its merchant": ({"merchant_id": "own"}, True),
    "another merchant": ({"merchant_id": "other"}, False),
    "its object": ({"subject": "own"}, True),
    "another object": ({"subject": "obj_nobody"}, False),
    "who did it": ({"subject": "7"}, True),
    "its month": ({"covers_from": 0, "covers_to": 3}, True),
    "until its first instant": ({"covers_to": 0}, False),
    "a second of it": ({"covers_to": 1}, True),
    "from its end": ({"covers_from": 2}, False),
    "its merchant in another month": ({"merchant_id": "own", "covers_from": 2}, False),
    "its object by another class": ({"subject": "own", "record_class": "outbox"}, False),
}


class TestHolds:
    @pytest.mark.parametrize("scope", HOLDS)
    def test_a_hold_keeps_what_it_covers_until_it_is_lifted(self, transactional_db, place, scope):
        wish, keeps = HOLDS[scope]
        begins = month_of_its_own()
        merchant = uuid.uuid4()
        names = written_in(begins, merchant=merchant)
        end = (begins + 32 * DAYS).replace(day=1)
        instants = [begins, begins + timedelta(seconds=1), end, end + DAYS]
        covers = {k: instants[v] if k.startswith("covers") else v for k, v in wish.items()}
        if "merchant_id" in covers:
            covers["merchant_id"] = merchant if wish["merchant_id"] == "own" else uuid.uuid4()
        if covers.get("subject") == "own":
            covers["subject"] = names[2]
        hold = retention.place_hold(**covers, reason="the court asks", actor=IRENE, at=clock.now())
        try:
            found = month_of("ledger_audit", begins, clock.now())
            assert found.is_held is keeps
            if keeps:
                free = replace(found, holds=())
                with pytest.raises(Conflict, match="under hold"):
                    archiving.archive(free, clock.now(), SYSTEM)  # it came between the look and the detaching
                assert AuditRecord.objects.filter(object_id__in=names).count() == 5
        finally:
            retention.lift_hold(hold_id=hold.pk, reason="the case is closed", actor=IRENE, at=clock.now())
        assert not month_of("ledger_audit", begins, clock.now()).is_held
        with pytest.raises(retention.HoldLifted):
            retention.lift_hold(hold_id=hold.pk, reason="again", actor=IRENE, at=clock.now())
        acts = AuditRecord.objects.filter(object_id=hold.public_id).order_by("id")
        assert [act.action for act in acts] == ["hold.placed", "hold.lifted"]

    def test_none_is_placed_between_the_look_at_holds_and_the_erasing(self, transactional_db, monkeypatch):
        look, free = retention.held, []

        def could_one_be_placed() -> bool:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('ledger_legal_hold'))")
                return bool(cursor.fetchone()[0])

        def looked(kept):
            found = look(kept)
            free.extend(outcome.result for outcome in together(could_one_be_placed))
            return found

        monkeypatch.setattr(retention, "held", looked)
        retention.erase("jobs", clock.now() - 4_000 * DAYS)
        assert free == [False]

    def test_what_is_written_of_a_hold_stays(self, db):
        hold = retention.place_hold(reason="the court asks", actor=IRENE, at=clock.now())
        attacks = [
            "UPDATE ledger_legal_hold SET reason = 'none'", "DELETE FROM ledger_legal_hold",
            "TRUNCATE ledger_legal_hold",
            "UPDATE ledger_legal_hold SET subject = 'x', lifted_at = now()",
            "UPDATE ledger_retention SET days = 1", "DELETE FROM ledger_retention",
            "DELETE FROM ledger_archive",
        ]  # fmt: skip
        for attack in attacks:
            with (
                pytest.raises(DatabaseError, match=r"append only|lifted once|permission denied"),
                transaction.atomic(),
            ):
                with connection.cursor() as cursor:
                    cursor.execute(attack)
        retention.lift_hold(hold_id=hold.pk, reason="closed", actor=IRENE, at=clock.now())


def test_the_invariants_of_the_months_hold(db):
    partitions.make_ahead()
    assert [list(invariants.registry[number].check()) for number in ("I-80", "I-81")] == [[], []]
