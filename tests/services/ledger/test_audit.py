"""The audit log: what a record holds, that nothing changes it, and that a period reads only its months."""

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from ledger import audit, clock, ids, partitions
from ledger.actors import Actor, RequestContext, set_request
from ledger.locks import NoPhase, phase
from ledger.models import AuditRecord
from tests.factories import vendors as factory
from vendors.services import keys, onboarding

IRENE = Actor("staff", "7", "irene")
CARD = "4242 4242 4242 4242"
KEY = "sk_live_abcdefgh0123_" + "x" * 43


@pytest.fixture
def from_a_request():
    set_request(RequestContext("req_123", "192.0.2.7", "curl/8", "risk"))
    yield
    set_request(RequestContext())


def act(name: str = "", at: datetime | None = None, **more) -> audit.Act:
    name = name or f"obj_{uuid.uuid4().hex[:26]}"
    return audit.Act(IRENE, "thing.done", "things.thing", name, at or clock.now(), uuid.uuid4(), **more)


class TestRecord:
    def test_says_who_in_which_role_what_why_and_from_where(self, db, northwind, from_a_request):
        with phase():
            row = audit.record(
                actor=IRENE, action="merchant.renamed", subject=northwind, at=clock.now(), reason="as asked",
                before={"name": "North"}, after={"name": "Northwind"},
            )  # fmt: skip
        row.refresh_from_db()
        assert (row.actor_kind, row.actor_id, row.actor_label, row.role) == ("staff", "7", "irene", "risk")
        assert (row.object_type, row.object_id) == ("vendors.merchant", northwind.public_id)
        assert (row.merchant_id, row.reason, row.outcome) == (northwind.id, "as asked", "done")
        assert (row.before, row.after) == ({"name": "North"}, {"name": "Northwind"})
        assert (row.request_id, row.ip, row.user_agent) == ("req_123", "192.0.2.7", "curl/8")

    def test_one_by_one_and_in_bulk_are_the_same(self, db, from_a_request):
        acts = [
            act(reason=f"paid with {CARD}", before={"n": n},
                after={"key": KEY, "list": [{"iban": "DE89"}, CARD], "none": None})
            for n in range(3)
        ]  # fmt: skip
        with phase():
            one = [audit.record_one(one) for one in acts]
            assert audit.record_many(iter(acts)) == 3
        for row, one_act in zip(one, acts, strict=True):
            found = list(AuditRecord.objects.filter(object_id=one_act.object_id).order_by("id").values())
            assert len(found) == 2
            assert {**found[0], "id": None} == {**found[1], "id": None}
            assert found[0]["reason"] == "paid with •••"
            assert found[0]["after"] == {"key": "•••", "list": [{"iban": "•••"}, "•••"], "none": None}
            assert row.pk in {found[0]["id"], found[1]["id"]}

    def test_in_bulk_it_is_all_or_nothing(self, db):
        acts = [act(), act(at="not an instant")]
        with pytest.raises((DatabaseError, TypeError, ValueError)), phase():
            audit.record_many(acts)
        assert not AuditRecord.objects.filter(object_id=acts[0].object_id).exists()

    def test_needs_a_phase(self, db):
        with pytest.raises(NoPhase):
            audit.record_one(act())
        with pytest.raises(NoPhase):
            audit.record_many([act()])

    def test_what_no_column_can_hold_is_kept_as_far_as_it_can_be(self, db):
        odd = act(
            name="x" * 500, reason="nul \x00 and half \ud800", after={"\x00": "\ud83d", "deep": [[[1.5]]]}
        )
        with phase():
            audit.record_one(odd)
            audit.record_many([odd])
        rows = AuditRecord.objects.filter(object_id="x" * 64)
        assert {row.reason for row in rows} == {"nul \ufffd and half \ufffd"}
        assert rows[0].after == {"\ufffd": "\ufffd", "deep": [[["1.5"]]]}

    def test_without_words_it_tells_what_the_phase_changed(self, db, northwind):
        ada = factory.create_vendor(northwind, "Ada")
        onboarding.suspend_vendor(
            merchant_id=northwind.id, vendor_id=ada.id, reason="no goods", actor=IRENE, at=clock.now()
        )
        row = AuditRecord.objects.get(object_id=ada.public_id, action="vendor.suspended")
        assert (row.before["state"], row.after["state"]) == ("active", "suspended")
        assert "event_hash" not in row.after

    def test_a_rotated_key_tells_until_when_the_old_one_holds(self, db, northwind):
        at = clock.now()
        old, _ = keys.issue(northwind, actor=IRENE, at=at)
        new, _ = keys.rotate(
            merchant_id=northwind.id, api_key_id=old.id, overlap=timedelta(hours=1), actor=IRENE, at=at
        )
        row = AuditRecord.objects.get(object_id=old.public_id, action="api_key.rotated")
        assert row.before == {"expires_at": None}
        assert row.after == {
            "expires_at": (at + timedelta(hours=1)).isoformat(),
            "replaced_by": new.public_id,
        }


ATTACKS = {
    "update": "UPDATE {0} SET reason = 'none' WHERE id = %s",
    "delete": "DELETE FROM {0} WHERE id = %s",
    "truncate": "TRUNCATE {0}",
    "upsert": """INSERT INTO {0} SELECT * FROM {0} WHERE id = %s
                 ON CONFLICT (id, at) DO UPDATE SET reason = 'none'""",
    "merge": "MERGE INTO {0} a USING (SELECT 1) b ON a.id = %s WHEN MATCHED THEN UPDATE SET reason = 'none'",
    "delete by a with": "WITH gone AS (DELETE FROM {0} WHERE id = %s RETURNING 1) SELECT 1",
    "no rows at all": "UPDATE {0} SET reason = 'none' WHERE id = %s AND false",
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("place", ["the log", "its month"])
def test_a_record_is_never_changed(db, attack, place):
    at = clock.now()
    with phase():
        row = audit.record_one(act(at=at))
    table = "ledger_audit" if place == "the log" else f"ledger_audit_{at:%Y_%m}"
    sql = ATTACKS[attack].format(table)
    with (
        pytest.raises(DatabaseError, match=r"append only|permission denied|must be owner"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql, [row.pk] * sql.count("%s"))
    assert AuditRecord.objects.get(pk=row.pk).reason == ""


class TestMonths:
    def test_a_period_reads_its_months_only(self, db):
        at = clock.now()
        begins = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        for found in (
            AuditRecord.objects.filter(at__gte=begins, at__lte=at),
            AuditRecord.objects.filter(at__gte=begins, at__lte=at, object_id="obj").order_by("-pk"),
            AuditRecord.objects.filter(at__gte=begins, at__lte=at, merchant_id=uuid.uuid4()).order_by("-pk")[
                :21
            ],
            AuditRecord.objects.filter(at__gte=begins, at__lte=at, request_id="req_1"),
        ):
            read = set(re.findall(r"ledger_audit_\w*?(\d{4}_\d\d|other)", found.explain()))
            assert read == {f"{at:%Y_%m}"}

    def test_a_search_by_object_uses_its_index(self, db):
        at = clock.now()
        found = AuditRecord.objects.filter(at__gte=at - timedelta(days=2), object_id="obj")
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        assert "object_id_at" in found.explain()

    def test_what_came_for_a_month_that_was_not_there_moves_home(self, db):
        then = datetime(2001, 5, 17, tzinfo=UTC)
        with phase():
            row = audit.record_one(act(at=then))
        assert _place_of(row) in {"ledger_audit_other", "ledger_audit_2001_05"}
        assert list(partitions.nothing_waits_for_its_month()) or _place_of(row) == "ledger_audit_2001_05"
        partitions.make_ahead()
        assert _place_of(row) == "ledger_audit_2001_05"
        assert list(partitions.nothing_waits_for_its_month()) == []
        assert AuditRecord.objects.get(pk=row.pk).at == then

    def test_far_ahead_months_are_made_and_their_lack_is_told(self, db):
        far = clock.now() + timedelta(days=4 * 365)
        assert partitions.make_ahead(since=far) >= 12
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT months FROM ledger_partitions_ahead(%s) WHERE name = 'ledger_audit'", [far]
            )
            assert cursor.fetchone()[0] == partitions.MONTHS_AHEAD + 1
            cursor.execute("SELECT months FROM ledger_partitions_ahead(%s)", [far + timedelta(days=3_000)])
            assert {months for (months,) in cursor.fetchall()} == {0}

    def test_making_them_again_makes_nothing(self, db):
        partitions.make_ahead()
        assert partitions.make_ahead() == 0


def _place_of(row: AuditRecord) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM ledger_audit WHERE id = %s", [row.pk])
        return cursor.fetchone()[0]


def test_an_id_of_a_record_is_shown_like_all_others():
    row = AuditRecord()
    assert ids.parse("aud", row.public_id) == row.id
