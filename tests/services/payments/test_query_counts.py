"""The hot path's statements, counted exactly: each one more is a decision, not an accident.

Opening and closing transactions is not counted (tests/kit/queries.py); there is one such pair in create, two
in authorize, two in capture, and two in a payment that is paid in one call.
"""

import pytest

from ledger.ids import uuid7
from tests.kit.queries import statement_budget
from tests.services.payments.cast import authorized, captured, created, sold, wish

pytestmark = pytest.mark.django_db(transaction=True)

CREATE, AUTHORIZE, CAPTURE = 4, 5, 5
PAY = 6


@pytest.fixture
def warm(northwind, ada, bruno, network):
    """A first payment of the day has been made: accounts are known, a block of numbers is taken."""
    split = [(ada, 6_000), (bruno, 3_000)]
    captured(authorized(created(northwind, wish(network.card()["token"], shares=split))))
    return split


def test_a_two_share_payment_takes_this_many_statements(northwind, warm, network):
    wanted = wish(network.card()["token"], shares=warm, capture_method="automatic")
    with statement_budget(exactly=CREATE):
        payment = created(northwind, wanted)
    with statement_budget(exactly=AUTHORIZE):
        authorized(payment)
    with statement_budget(exactly=CAPTURE):
        captured(payment)


def test_paying_in_one_call_takes_this_many_statements(northwind, warm, network):
    wanted = wish(network.card()["token"], shares=warm, capture_method="automatic")
    with statement_budget(exactly=PAY):
        sold(northwind, wanted)


def test_a_repeated_request_costs_little(northwind, warm, network):
    payment = created(northwind, wish(network.card()["token"], shares=warm))
    operation_id = uuid7()
    authorized(payment, operation_id)
    with statement_budget(exactly=3):
        authorized(payment, operation_id)
