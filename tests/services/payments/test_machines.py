"""No move outside the machines of this floor: every pair of a state and an edge, in Python and in SQL.

The rows walk to each state along legal edges only, by raw statements that go round every guard in Python;
from there every state that no edge leads to is tried.
"""

from collections import deque

import pytest
from django.db import DatabaseError, connection, transaction

from ledger.states import NEW, STAY, StateConflict
from payments.models import Payment, PaymentTransaction, Refund
from payments.states import PAYMENT, PAYMENT_STATUSES, PAYMENT_TRANSACTION, REFUND, payment_status
from tests.factories import payments as factory

MODELS = {Payment: PAYMENT, PaymentTransaction: PAYMENT_TRANSACTION, Refund: REFUND}
MOVES = {
    (start, start if edge.to == STAY else edge.to) for edge in PAYMENT.edges.values() for start in edge.frm
}


def method_of(model, name):
    """The method that takes an edge, whatever it is called."""
    found = [
        attribute
        for attribute in vars(model).values()
        if getattr(attribute, "edge", None) is MODELS[model].edges[name]
    ]
    assert len(found) == 1, f"{name} is taken by {len(found)} methods"
    return found[0]


def path_to(state):
    """The states on a shortest legal way from birth."""
    ways = deque([[NEW]])
    while ways:
        way = ways.popleft()
        if way[-1] == state:
            return way[1:]
        ways.extend([*way, end] for start, end in sorted(MOVES) if start == way[-1] and end not in way)
    raise AssertionError(f"no way leads to {state}")


@pytest.mark.parametrize("model", MODELS)
def test_python_refuses_every_edge_outside_the_machine(model):
    machine, tried = MODELS[model], 0
    for edge in machine.edges.values():
        take = method_of(model, edge.name)
        for state in {NEW, *machine.states()} - edge.frm:
            row = model(state=state)
            with pytest.raises(StateConflict):
                take(row)
            assert row.state == state
            tried += 1
    assert tried > 3 * len(machine.edges)


@pytest.mark.django_db
class TestSql:
    def refused(self, statement, parameters):
        with pytest.raises(DatabaseError, match="has no edge"), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)

    @pytest.mark.parametrize("state", PAYMENT.states())
    def test_refuses_every_move_outside_the_machine(self, northwind, state):
        first, *others = path_to(state)
        edge = next(edge for edge in PAYMENT.edges.values() if edge.frm == {NEW} and edge.to == first)
        payment = factory.create_payment(northwind)
        copy = Payment.objects.get(pk=payment.pk)
        move = "UPDATE payments_payment SET state = %s WHERE id = %s"
        if edge.to != payment.state:
            payment = self.born(copy, first)
        with connection.cursor() as cursor:
            for step in others:
                cursor.execute(move, [step, payment.pk])
        tried = 0
        for target in PAYMENT.states():
            if target != state and (state, target) not in MOVES:
                self.refused(move, [target, payment.pk])
                tried += 1
        assert tried >= len(PAYMENT.states()) - 8
        assert Payment.objects.get(pk=payment.pk).state == state

    def test_refuses_to_be_born_in_any_other_state(self, northwind):
        payment = factory.create_payment(northwind)
        for state in PAYMENT.states():
            if (NEW, state) not in MOVES:
                with pytest.raises(DatabaseError), transaction.atomic():
                    self.born(Payment.objects.get(pk=payment.pk), state)

    def born(self, row, state):
        """Insert a copy of a row in a state, past every guard in Python."""
        names = [
            field.column
            for field in Payment._meta.concrete_fields
            if field.column not in ("id", "number", "state")
        ]
        listed = ", ".join(f'"{name}"' for name in names)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO payments_payment (id, number, state, {listed}) "
                f"SELECT gen_random_uuid(), left(number || %s, 24), %s, {listed} FROM payments_payment"
                " WHERE id = %s RETURNING id",
                [state[:3], state, row.pk],
            )
            return Payment.objects.get(pk=cursor.fetchone()[0])


def test_every_state_has_a_public_status():
    shown = {
        payment_status(state, is_processing=is_open, is_voiding=is_voiding)
        for state in PAYMENT.states()
        for is_open in (False, True)
        for is_voiding in (False, True)
    }
    assert shown == set(PAYMENT_STATUSES)
