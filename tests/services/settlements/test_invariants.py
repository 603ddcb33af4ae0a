"""Every invariant of this floor finds the violation it is there for."""

from datetime import UTC, datetime

import pytest
from django.db import connection

from ledger import invariants
from ledger.money import Money
from tests.kit import settling
from tests.kit.owner import OWNERS, unguarded

pytestmark = pytest.mark.django_db(databases=OWNERS)
AT = datetime(2026, 3, 2, 22, tzinfo=UTC)
# What a hand in the database would have to do, with the law switched off, and which invariants say so.
VIOLATIONS = {
    "UPDATE settlements_batchline SET amount_minor = amount_minor + 1": {"I-51", "I-52"},
    "UPDATE settlements_batchline SET line = line + 40": {"I-52", "I-53"},
    "UPDATE settlements_settlementbatch SET net_minor = 1, gross_minor = 1, commission_minor = 0": {
        "I-51",
        "I-54",
    },
    "UPDATE settlements_payout SET amount_minor = amount_minor - 1": {"I-55", "I-57"},
    "UPDATE settlements_payout SET state = 'paid'": {"I-55", "I-56", "I-57"},
    "UPDATE settlements_settlementbatch SET state = 'closed'": {"I-55", "I-56"},
    "UPDATE settlements_statementline SET amount_minor = amount_minor + 1": {"I-57"},
    "UPDATE settlements_fundedoperation SET fee_minor = fee_minor + 1": {"I-57"},
    "UPDATE settlements_bankstatement SET closing_minor = closing_minor + 1": {"I-58"},
    "UPDATE settlements_bankstatement SET opening_minor = 5, closing_minor = closing_minor + 5": {"I-59"},
    "DELETE FROM settlements_fundedoperation": {"I-57"},
    "DELETE FROM settlements_fundedoperation; DELETE FROM settlements_match": {"I-58", "I-59"},
}


TABLES = [f"settlements_{name}" for name in (
    "batchline", "settlementbatch", "payout", "statementline", "fundedoperation", "bankstatement", "match",
)]  # fmt: skip


@pytest.fixture
def reconciled(as_owner, northwind, ada, own_network):
    """A day that is settled, paid and reconciled."""
    settling.sell(own_network, ada, Money(10_000, "EUR"), AT)
    settling.pay(settling.settle(ada, "EUR", AT), AT)
    settling.take_in(northwind, settling.statement_file(own_network, AT), AT)


def broken():
    """Return the numbers of this floor's invariants that do not hold."""
    ours = {number: found for number, found in invariants.registry.items() if number.startswith("I-5")}
    return {number for number, found in ours.items() if list(found.check())}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_violation_is_found(reconciled, violation):
    assert broken() == set()
    with unguarded(*TABLES), connection.cursor() as cursor:
        cursor.execute(violation)
    assert broken() >= VIOLATIONS[violation]


def test_every_invariant_has_a_violation_that_shows_it():
    numbers = {number for number in invariants.registry if number.startswith("I-5")}
    assert set().union(*VIOLATIONS.values()) == numbers
