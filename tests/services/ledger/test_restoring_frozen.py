"""Columns that the law freezes are set right by an approved restoration, and by nothing else."""

import pytest
from django.db import DatabaseError, connection, transaction

from fraud.models import FraudCheck
from fraud.services.screening import screen
from ledger import clock
from ledger.actors import staff_actor
from ledger.history import comparing, restoring
from ledger.models import Restoration
from subscriptions.models import Invoice
from tests.factories import subscriptions as make
from tests.factories.fraud import screening_request
from tests.kit import tampering
from tests.kit.owner import OWNERS

pytestmark = pytest.mark.django_db(transaction=True, databases=OWNERS)

PAULA, FRED, SUE = (staff_actor(number, name) for number, name in ((1, "paula"), (2, "fred"), (3, "sue")))


@pytest.fixture
def check(northwind):
    found = FraudCheck.objects.get(pk=screen(screening_request(northwind.id, minor=1_000_001)).check_id)
    tampering.change("fraud_check", "score = 1, findings = '[]'", "id = %s", [found.pk])
    return found


@pytest.fixture
def invoice(northwind):
    found = make.finalize_invoice(make.draft_invoice(make.create_subscription(northwind)))
    tampering.change("subscriptions_invoice", "total_minor = 1", "id = %s", [found.pk])
    return found


def propose(row):
    return restoring.propose(
        subject_type=row.SUBJECT, subject_key=str(row.pk), reason="it differs", actor=PAULA, at=clock.now()
    )


def approve(restoration, actor):
    return restoring.approve(restoration_id=restoration.pk, reason="I looked", actor=actor, at=clock.now())


def restore(row):
    approve(approve(propose(row), FRED), SUE)
    assert comparing.compare(row.SUBJECT, row.pk).holds


def attack(sql, *values):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)


class TestAnApprovedRestoration:
    def test_sets_the_findings_of_a_fraud_check_right(self, check):
        restore(check)
        row = FraudCheck.objects.get(pk=check.pk)
        assert (row.score, row.findings) == (check.score, check.findings)

    def test_sets_the_amount_of_a_final_invoice_right(self, invoice):
        restore(invoice)
        assert Invoice.objects.get(pk=invoice.pk).total_minor == 999


class TestTheLaw:
    def test_still_binds_one_that_is_only_proposed_or_half_approved(self, check, invoice):
        for row, sql in (
            (check, "UPDATE fraud_check SET score = 450 WHERE id = %s"),
            (invoice, "UPDATE subscriptions_invoice SET total_minor = 999 WHERE id = %s"),
        ):
            restoration = approve(propose(row), FRED)
            with pytest.raises(DatabaseError, match="not edited"):
                attack(sql, row.pk)
            assert approve(restoration, SUE).state == "applied"

    def test_binds_again_as_soon_as_the_restoration_is_done(self, check, invoice):
        restore(check)
        restore(invoice)
        with pytest.raises(DatabaseError, match="not edited"):
            attack("UPDATE fraud_check SET score = 2 WHERE id = %s", check.pk)
        with pytest.raises(DatabaseError, match="not edited"):
            attack("UPDATE subscriptions_invoice SET total_minor = 2 WHERE id = %s", invoice.pk)

    @pytest.mark.parametrize("column", ["rules_token", "payment_ref"])
    def test_frees_no_column_that_was_not_looked_at(self, check, column, monkeypatch):
        """Whoever applies a restoration may not smuggle another column in with it."""
        restoration = approve(propose(check), FRED)

        def smuggle(*_, **__):
            attack(f"UPDATE fraud_check SET score = 450, {column} = 'x' WHERE id = %s", check.pk)

        monkeypatch.setattr(restoring, "_apply_row", smuggle)
        with pytest.raises(DatabaseError, match="not edited"):
            approve(restoration, SUE)
        monkeypatch.undo()
        assert Restoration.objects.get(pk=restoration.pk).state == "approved"
        assert approve(restoration, SUE).state == "applied"

    def test_frees_no_other_row(self, check, northwind, monkeypatch):
        other = screen(screening_request(northwind.id)).check_id
        restoration = approve(propose(check), FRED)

        def smuggle(*_, **__):
            attack("UPDATE fraud_check SET score = 450 WHERE id = %s", other)

        monkeypatch.setattr(restoring, "_apply_row", smuggle)
        with pytest.raises(DatabaseError, match="not edited"):
            approve(restoration, SUE)
        monkeypatch.undo()
        assert approve(restoration, SUE).state == "applied"
