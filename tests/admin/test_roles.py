"""Each role sees and does what its table says, and nothing else; strangers to a desk are refused."""

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.urls import reverse

from config.management.commands.staff import add_staff, disable_staff
from config.roles import ACTS, ROLES, permissions_of, write_roles
from ledger.models import AuditRecord

PAGES = {
    "payments": "admin:payments_payment_changelist",
    "reviews": "admin:fraud_fraudreview_changelist",
    "rules": "admin:fraud_riskrule_changelist",
    "batches": "admin:settlements_settlementbatch_changelist",
    "entries": "admin:ledger_journalentry_changelist",
    "trial balance": "admin:trial_balance",
    "invariants": "admin:invariants",
    "keys": "admin:vendors_apikey_changelist",
    "audit": "admin:ledger_auditrecord_changelist",
    "staff": "admin:auth_user_changelist",
}
SEEN = {
    "support": {"payments", "reviews"},
    "finance": {"payments", "reviews", "batches", "entries", "trial balance", "invariants"},
    "risk": {"payments", "reviews", "rules"},
    "auditor": set(PAGES),
    "admin": set(PAGES) - {"batches"},
}


@pytest.mark.parametrize("role", SEEN)
def test_a_role_sees_its_desks_only(sign_in, role):
    client = sign_in(role)
    answers = {name: client.get(reverse(page)).status_code for name, page in PAGES.items()}
    assert {name for name, status in answers.items() if status == 200} == SEEN[role]
    assert set(answers.values()) <= {200, 403}


@pytest.mark.parametrize("role", SEEN)
def test_the_sidebar_shows_only_what_may_be_seen(sign_in, role):
    page = sign_in(role).get("/admin/").content.decode()
    for name, address in PAGES.items():
        assert (f'href="{reverse(address)}"' in page) == (name in SEEN[role]), name


def test_no_role_may_add_change_or_delete(db):
    for group in Group.objects.filter(name__in=[role.name for role in ROLES]).prefetch_related("permissions"):
        verbs = {permission.codename.partition("_")[0] for permission in group.permissions.all()}
        acts = {name.partition(".")[2].partition("_")[0] for name in ACTS}
        assert verbs <= {"view"} | acts


def test_the_auditor_does_nothing_and_everybody_s_acts_are_known(db):
    by_name = {role.name: role for role in ROLES}
    assert by_name["auditor"].does == ()
    assert {act for role in ROLES for act in role.does} <= ACTS.keys()


def test_the_table_is_written_to_the_groups(db):
    group = Group.objects.get(name="risk")
    group.permissions.clear()
    write_roles()
    held = {
        f"{p.content_type.app_label}.{p.codename}" for p in group.permissions.select_related("content_type")
    }
    assert held == set(permissions_of(next(role for role in ROLES if role.name == "risk")))


class TestStaff:
    def test_are_made_with_roles_and_an_audit_record(self, db):
        irene = add_staff("irene", ["risk"], "a long enough sentence", "new analyst")
        assert [group.name for group in irene.groups.all()] == ["risk"]
        assert irene.has_perm("fraud.decide_review")
        assert not irene.is_superuser
        kept = AuditRecord.objects.get(action="staff.added", object_id=str(irene.pk))
        assert (kept.reason, kept.after["roles"]) == ("new analyst", ["risk"])
        assert "password" not in kept.after

    def test_are_disabled_and_lose_their_roles(self, db):
        irene = add_staff("irene", ["risk"], "a long enough sentence", "new analyst")
        disable_staff("irene", "left")
        irene.refresh_from_db()
        assert (irene.is_active, irene.groups.count()) == (False, 0)

    def test_strangers_cannot_be_disabled(self, db):
        with pytest.raises(CommandError, match="nobody"):
            call_command("staff", "disable", "nobody-here")
