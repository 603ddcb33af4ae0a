"""The audit desk, retention and legal holds: who may look and act, and that each look and act is recorded."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from ledger import audit, clock, retention
from ledger.actors import Actor
from ledger.locks import phase
from ledger.models import AuditRecord, LegalHold, RetentionPolicy
from tests.kit.queries import statements

IRENE = Actor("staff", "7", "irene")
LIST = "/admin/ledger/auditrecord/"


@pytest.fixture
def record(northwind):
    with phase():
        return audit.record(
            actor=IRENE, action="merchant.renamed", subject=northwind, at=clock.now(), reason="as asked",
            before={"name": "North", "iban": "DE89370400440532013000"}, after={"name": "Northwind"},
        )  # fmt: skip


def reads(role: str) -> list[AuditRecord]:
    return list(AuditRecord.objects.filter(action="audit.read", actor_label=role).order_by("id"))


class TestReading:
    def test_a_list_and_a_record_each_leave_one_record(self, sign_in, record):
        auditor = sign_in("auditor")
        assert auditor.get(f"{LIST}?q={record.object_id}").status_code == 200
        assert auditor.get(reverse("admin:ledger_auditrecord_change", args=[record.pk])).status_code == 200
        listed, looked_at = reads("auditor")
        assert (listed.object_id, listed.role) == ("list", "auditor")
        assert listed.after == {"sought": {"period": "30", "q": record.object_id}}
        assert looked_at.after == {"sought": {"id": str(record.pk)}}

    def test_who_may_not_look_leaves_a_refusal(self, sign_in, record):
        support = sign_in("support")
        assert support.get(LIST).status_code == 403
        assert reads("support") == []
        [refused] = AuditRecord.objects.filter(action="access.refused", actor_label="support")
        assert (refused.outcome, refused.after, refused.role) == (
            "refused",
            {"request": f"GET {LIST}"},
            "support",
        )

    def test_a_page_shows_before_and_after_masked(self, sign_in, record):
        page = sign_in("auditor").get(reverse("admin:ledger_auditrecord_change", args=[record.pk]))
        text = page.content.decode()
        assert "Northwind" in text
        assert "as asked" in text
        assert "DE8937" not in text

    @pytest.mark.parametrize("period", ["", "1", "366", "2026-11", "2024-02", "nonsense", "9999-99"])
    def test_every_list_names_a_period(self, sign_in, record, period):
        with statements() as found:
            assert sign_in("auditor").get(f"{LIST}?period={period}").status_code == 200
        [listed] = [sql for sql in found.sent if 'FROM "ledger_audit"' in sql]
        assert '"ledger_audit"."at" >= ' in listed
        assert '"ledger_audit"."at" < ' in listed


class TestTheDoor:
    def test_coming_in_going_out_and_being_refused_are_recorded(self, db):
        user = User.objects.create_user("irene.at.the.door", password="a long enough sentence", is_staff=True)
        user.groups.add(Group.objects.get(name="risk"))
        client = Client()
        login = reverse("admin:login")
        client.post(login, {"username": user.username, "password": "wrong"})
        client.post(login, {"username": user.username, "password": "a long enough sentence"})
        client.post(reverse("admin:logout"))
        acts = AuditRecord.objects.filter(object_id=str(user.pk), object_type="auth.user").order_by("id")
        assert [(act.action, act.outcome, act.role) for act in acts] == [
            ("staff.login_refused", "refused", "risk"),
            ("staff.logged_in", "done", "risk"),
            ("staff.logged_out", "done", "risk"),
        ]
        assert {act.ip for act in acts} == {"127.0.0.1"}

    def test_a_name_that_nobody_has_is_not_kept(self, db):
        Client().post(reverse("admin:login"), {"username": "my secret password", "password": "x"})
        row = AuditRecord.objects.filter(action="staff.login_refused").latest("id")
        assert (row.actor_id, row.object_id) == ("unknown", "unknown")
        assert "my secret" not in str(row.__dict__)


class TestRetention:
    @pytest.fixture
    def policy(self, db) -> RetentionPolicy:
        return retention.policy("audit", clock.now())

    def act(self, policy, name: str) -> str:
        return reverse(f"admin:ledger_retentionpolicy_act_{name}", args=[policy.pk])

    def test_a_period_is_set_with_a_basis_and_a_reason(self, sign_in, policy):
        told = {"days": "3000", "legal_basis": "a new law", "valid_from": "", "reason": "the law has changed"}
        answer = sign_in("admin").post(self.act(policy, "set"), told)
        assert answer.status_code == 302
        assert retention.policy("audit", clock.now()).days == 3000
        assert AuditRecord.objects.filter(action="retention.set", reason="the law has changed").exists()

    def test_too_short_a_period_is_refused_in_words_and_recorded(self, sign_in, policy):
        told = {"days": "30", "legal_basis": "none", "valid_from": "", "reason": "to save space"}
        answer = sign_in("admin").post(self.act(policy, "set"), told)
        assert answer.status_code == 422
        assert "at least 365 days" in answer.content.decode()
        [refused] = AuditRecord.objects.filter(action="retentionpolicy.set", outcome="refused")
        assert (refused.after, refused.reason) == ({"refused": "retention_invalid"}, "to save space")

    def test_a_hold_is_placed_and_lifted(self, sign_in, policy, northwind):
        admin = sign_in("admin")
        told = {"merchant": northwind.public_id, "subject": "", "covers_from": "2026-01-01T00:00",
                "covers_to": "", "reason": "the court asks"}  # fmt: skip
        assert admin.post(self.act(policy, "hold"), told).status_code == 302
        hold = LegalHold.objects.get(merchant_id=northwind.id)
        assert (hold.record_class, hold.covers_from.year, hold.placed_by) == ("audit", 2026, "admin")
        lift = reverse("admin:ledger_legalhold_act_lift", args=[hold.pk])
        assert admin.post(lift, {"reason": "the case is closed"}).status_code == 302
        assert LegalHold.objects.get(pk=hold.pk).lifted_at is not None
        assert admin.post(lift, {"reason": "again"}).status_code == 422

    def test_a_merchant_that_is_none_is_refused(self, sign_in, policy):
        answer = sign_in("admin").post(
            self.act(policy, "hold"), {"merchant": "mer_x", "reason": "the court asks"}
        )
        assert answer.status_code == 422
        assert not LegalHold.objects.filter(placed_by="admin").exists()

    @pytest.mark.parametrize("role", ["support", "finance", "risk", "auditor"])
    def test_others_decide_nothing(self, sign_in, policy, role):
        client = sign_in(role)
        for name in ("set", "hold"):
            assert client.post(self.act(policy, name), {"reason": "because"}).status_code == 403
