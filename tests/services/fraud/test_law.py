"""The law of fraud in SQL: each piece is attacked past the services."""

import pytest
from django.db import IntegrityError, connection, transaction

from fraud.models import FraudCheck, FraudReview, RiskRule
from fraud.services.screening import screen
from tests.factories.fraud import screening_request

ATTACKS = [
    ("a check's findings are edited", "UPDATE fraud_check SET findings = '[]' WHERE id = %s"),
    ("a check's score is edited", "UPDATE fraud_check SET score = 0 WHERE id = %s"),
    ("a check is deleted", "DELETE FROM fraud_check WHERE id = %s"),
    ("a check leaves its machine", "UPDATE fraud_check SET state = 'lost' WHERE id = %s"),
    ("a check is born again", "UPDATE fraud_check SET state = '' WHERE id = %s"),
]


@pytest.fixture
def check(northwind) -> FraudCheck:
    verdict = screen(screening_request(northwind.id, minor=1_000_001))
    return FraudCheck.objects.get(pk=verdict.check_id)


def attack(sql: str, *parameters: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)


@pytest.mark.parametrize("sql", [a[1] for a in ATTACKS], ids=[a[0] for a in ATTACKS])
def test_refuses_when(check, sql):
    with pytest.raises(IntegrityError):
        attack(sql, check.id)
    assert FraudCheck.objects.filter(pk=check.pk, score=450, state="in_review").exists()


def test_an_approved_check_cannot_be_turned_round(northwind):
    verdict = screen(screening_request(northwind.id))
    with pytest.raises(IntegrityError):
        attack("UPDATE fraud_check SET state = 'declined' WHERE id = %s", verdict.check_id)


def test_a_decided_review_stays_decided(check):
    review = FraudReview.objects.get(fraud_check=check)
    attack("UPDATE fraud_review SET state = 'expired', decided_at = now() WHERE id = %s", review.id)
    with pytest.raises(IntegrityError):
        attack("UPDATE fraud_review SET state = 'approved' WHERE id = %s", review.id)


def test_a_rule_is_not_edited_nor_deleted(db):
    rule = RiskRule.objects.filter(merchant=None, code="amount").first()
    with pytest.raises(IntegrityError, match="publish a new version"):
        attack("UPDATE fraud_rule SET limits = '{}' WHERE id = %s", rule.id)
    with pytest.raises(IntegrityError, match="not deleted"):
        attack("DELETE FROM fraud_rule WHERE id = %s", rule.id)


def test_a_rule_has_one_open_version(db):
    rule = RiskRule.objects.get(merchant=None, code="amount", valid_until=None)
    with pytest.raises(IntegrityError, match="fraud_rule_one_open"), transaction.atomic():
        RiskRule.objects.create(
            code="amount", kind=rule.kind, limits={}, version=99, valid_from=rule.valid_from
        )
