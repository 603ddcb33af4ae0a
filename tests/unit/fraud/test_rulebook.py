"""Rules that are kept hold at the moment that is asked for, whichever moment was asked for before."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from fraud import rulebook, selectors
from fraud.engine.types import RuleKind
from fraud.models import RiskRule

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
STEP = timedelta(microseconds=1)


def rule(version, valid_from, valid_until=None, **more):
    return RiskRule(
        code="amount", kind=RuleKind.AMOUNT.value, limits={"*": {"review": version}}, version=version,
        valid_from=valid_from, valid_until=valid_until, **more,
    )  # fmt: skip


@pytest.fixture
def read(monkeypatch):
    """The rules that are stored, and how often they were read."""
    stored, reads = [rule(1, NOW - timedelta(days=9), MONDAY), rule(2, MONDAY)], []
    monkeypatch.setattr(selectors, "rule_rows", lambda merchant_id: reads.append(merchant_id) or stored)
    return reads


def versions(merchant_id, at, token="first"):
    return [found.version for found in rulebook.in_force(merchant_id, token, at)]


def test_a_rule_of_next_monday_waits_for_it_without_being_read_again(read):
    northwind = uuid.uuid4()
    asked = [NOW, MONDAY - STEP, MONDAY, MONDAY + timedelta(days=900), MONDAY - STEP, NOW]
    assert [versions(northwind, at) for at in asked] == [[1], [1], [2], [2], [1], [1]]
    assert read == [northwind]
    same = rulebook.in_force(northwind, "first", NOW)
    assert rulebook.in_force(northwind, "first", NOW + STEP) is same


def test_another_token_has_them_read_again(read):
    northwind = uuid.uuid4()
    assert [versions(northwind, NOW, token) for token in ("first", "second", "second")] == [[1]] * 3
    assert read == [northwind] * 2


def test_before_the_house_had_rules_nothing_is_approved(read):
    northwind = uuid.uuid4()
    assert versions(northwind, NOW) == [1]
    with pytest.raises(rulebook.NoRules):
        versions(northwind, NOW - timedelta(days=10))
    assert versions(northwind, NOW) == [1]
