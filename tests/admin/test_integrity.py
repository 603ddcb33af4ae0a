"""The integrity desk: from a violation to a restoration that two people approved, and rows as they were."""

import pytest
from django.urls import reverse

from ledger import clock
from ledger.history import comparing, watching
from ledger.models import InvariantRun, InvariantViolation, Restoration
from payments.models import Payment
from tests.factories.payments import AT
from tests.kit import tampering
from tests.kit.owner import OWNERS

# Whoever tampers owns the tables, and sees what its own transaction wrote.
pytestmark = [pytest.mark.django_db(databases=OWNERS), pytest.mark.usefixtures("as_owner")]


@pytest.fixture
def violation(payment) -> InvariantViolation:
    tampering.change("payments_payment", "order_ref = 'another'", "id = %s", [payment.pk])
    watching.watch_all(clock.now())
    return InvariantViolation.objects.get(number="I-70", subject_key=str(payment.pk), gone_at=None)


def act(client, row, name, reason="I looked at it"):
    page = f"admin:{row._meta.app_label}_{row._meta.model_name}_act_{name}"
    return client.post(reverse(page, args=[row.pk]), {"reason": reason})


@pytest.fixture
def finance(sign_in):
    from django.contrib.auth.models import Group, User
    from django.test import Client

    def person(name: str) -> Client:
        user = User.objects.create_user(name, password="not used", is_staff=True)
        user.groups.set(Group.objects.filter(name="finance"))
        client = Client()
        client.force_login(user)
        return client

    return [person(name) for name in ("paula", "fred", "sue")]


def test_a_violation_becomes_a_restoration_and_is_gone(violation, payment, finance):
    paula, fred, sue = finance
    page = paula.get(reverse("admin:ledger_invariantviolation_change", args=[violation.pk])).content.decode()
    assert "Propose restoration" in page
    assert act(paula, violation, "propose").status_code == 302
    restoration = Restoration.objects.get(subject_key=str(payment.pk))
    shown = fred.get(reverse("admin:ledger_restoration_change", args=[restoration.pk])).content.decode()
    assert "another" in shown
    assert "order-1" in shown
    assert act(paula, restoration, "approve").status_code == 422
    assert act(fred, restoration, "approve").status_code == 302
    assert act(fred, restoration, "approve").status_code == 422
    assert Payment.objects.get(pk=payment.pk).order_ref == "another"
    assert act(sue, restoration, "approve").status_code == 302
    assert comparing.compare("payment", payment.pk).holds
    watching.watch_all(clock.now())
    violation.refresh_from_db()
    assert violation.gone_at is not None


def test_a_restoration_is_rejected(violation, payment, finance):
    assert act(finance[0], violation, "propose").status_code == 302
    restoration = Restoration.objects.get(subject_key=str(payment.pk))
    assert act(finance[1], restoration, "reject").status_code == 302
    restoration.refresh_from_db()
    assert (restoration.state, restoration.rejecter != "") == ("rejected", True)


@pytest.mark.parametrize("role", ["support", "risk", "auditor", "admin"])
def test_others_may_not_propose(violation, sign_in, role):
    assert act(sign_in(role), violation, "propose").status_code == 403
    assert not Restoration.objects.filter(subject_key=violation.subject_key).exists()


class TestBoard:
    def test_shows_the_last_runs_and_what_is_broken_since_when(self, root, violation):
        watching.watch_changed(clock.now())
        board = root.get(reverse("admin:invariants")).content.decode()
        assert "Last full check" in board
        assert "Last check of what changed" in board
        assert "differs from its events in order_ref" in board
        now = root.get(reverse("admin:invariants") + "?now=1").content.decode()
        assert "differs from its events in order_ref" in now

    def test_opens_before_the_first_check(self, root, db):
        InvariantRun.objects.all().delete()
        assert "never" in root.get(reverse("admin:invariants")).content.decode()

    @pytest.mark.parametrize("page", ["invariantviolation", "invariantrun", "restoration"])
    def test_the_lists_open(self, root, violation, page):
        assert root.get(reverse(f"admin:ledger_{page}_changelist")).status_code == 200


class TestHistory:
    def page(self, client, payment, query=""):
        return client.get(reverse("admin:history", args=["payment", payment.pk]) + query)

    def test_is_linked_from_the_row(self, root, payment):
        page = root.get(reverse("admin:payments_payment_change", args=[payment.pk])).content.decode()
        assert reverse("admin:history", args=["payment", payment.pk]) in page

    def test_shows_the_row_after_a_step_and_what_it_is_now(self, root, payment):
        shown = self.page(root, payment, "?sequence=1").content.decode()
        assert "created" in shown
        assert "captured_minor" in shown
        assert "the row, its events and its entries agree" in shown

    def test_shows_the_row_at_an_instant(self, root, payment):
        at = AT.strftime("%Y-%m-%dT%H:%M:%S")
        assert self.page(root, payment, f"?as_of={at}").status_code == 200
        assert self.page(root, payment, f"?as_of={at}&known=1").status_code == 200
        early = self.page(root, payment, "?as_of=2001-01-01T00:00").content.decode()
        assert "nothing of it yet" in early

    @pytest.mark.parametrize("query", ["?as_of=yesterday", "?sequence=x", "?as_of=2026-99-99T00:00"])
    def test_refuses_what_is_no_instant(self, root, payment, query):
        assert self.page(root, payment, query).status_code == 422

    def test_shows_the_number_by_which_people_know_it(self, root, payment):
        rows = self.page(root, payment).context_data["panels"][0].rows
        assert payment.number in "".join(str(cell) for row in rows for cell in row)

    def test_hides_what_the_rows_page_hides(self, root, payment):
        assert "vpt_test" not in self.page(root, payment).content.decode()

    def test_is_for_those_who_may_see_the_row(self, sign_in, payment):
        assert self.page(sign_in("support"), payment).status_code == 200
        assert self.page(sign_in(), payment).status_code == 200
        vendor = payment.share_rows[0].vendor_id
        assert (
            sign_in("finance").get(reverse("admin:history", args=["fraud_check", vendor])).status_code == 404
        )

    def test_is_not_found_for_what_has_none(self, root, payment):
        assert root.get(reverse("admin:history", args=["sandwich", payment.pk])).status_code == 404
        assert root.get(reverse("admin:history", args=["vendor", payment.pk])).status_code == 404
