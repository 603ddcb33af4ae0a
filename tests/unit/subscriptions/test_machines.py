"""The machines of subscriptions and invoices in Python: every edge that is not drawn is refused."""

from datetime import UTC, datetime, timedelta

import pytest

from ledger.money import Money
from ledger.states import NEW, Machine, StateConflict
from subscriptions.models import Invoice, Plan, Subscription
from subscriptions.models.invoices import InvoiceEmpty, PaidAmountDiffers
from subscriptions.models.subscriptions import PeriodBackwards
from subscriptions.states import INVOICE, SUBSCRIPTION, SUBSCRIPTION_ENDS

AT = datetime(2026, 1, 31, tzinfo=UTC)
LATER = AT + timedelta(days=28)

ARGUMENTS = {
    "start_trial": [LATER],
    "activate": [],
    "convert": [AT, LATER],
    "renew": [LATER + timedelta(days=31)],
    "change_plan": [Plan(), 2],
    "pause": [AT],
    "pause_trial": [AT],
    "resume": [AT, LATER],
    "fall_behind": [],
    "recover": [],
    "give_up": [],
    "cancel": ["asked by Carla", AT],
    "expire": [AT],
    "draft": [],
    "finalize": ["INV-2026-000001", Money(999, "USD"), LATER, AT],
    "fail_payment": [LATER],
    "pay": [Money(999, "USD"), None, AT],
    "write_off": ["not to be had"],
    "void": ["written in error", AT],
}


def made(machine: Machine, state: str) -> Subscription | Invoice:
    if machine is SUBSCRIPTION:
        return Subscription(state=state, period_start=AT, period_end=LATER)
    return Invoice(state=state, currency="USD", total_minor=999)


def every_move() -> list[tuple[Machine, str, str]]:
    return [
        (machine, state, edge)
        for machine in (SUBSCRIPTION, INVOICE)
        for state in (NEW, *machine.states())
        for edge in machine.edges
    ]


@pytest.mark.parametrize(("machine", "state", "edge"), every_move())
def test_every_move_is_an_edge_or_refused(machine, state, edge):
    row = made(machine, state)
    drawn = machine.edges[edge]
    if state in drawn.frm:
        getattr(row, edge)(*ARGUMENTS[edge])
        assert row.state == drawn.to
    else:
        with pytest.raises(StateConflict):
            getattr(row, edge)(*ARGUMENTS[edge])
        assert row.state == state


@pytest.mark.parametrize("machine", [SUBSCRIPTION, INVOICE], ids=lambda machine: machine.name)
def test_a_state_cannot_be_assigned(machine):
    with pytest.raises(AttributeError):
        made(machine, machine.states()[0]).state = machine.states()[1]


def test_nothing_leaves_an_end():
    starts = {state for edge in SUBSCRIPTION.edges.values() for state in edge.frm}
    assert not SUBSCRIPTION_ENDS & starts


class TestGuards:
    def test_renewal_begins_where_the_period_ends(self):
        subscription = made(SUBSCRIPTION, "active")
        subscription.renew(LATER + timedelta(days=31))
        assert (subscription.period_start, subscription.period_end.month) == (LATER, 3)

    def test_a_period_runs_forward(self):
        subscription = made(SUBSCRIPTION, "active")
        with pytest.raises(PeriodBackwards):
            subscription.renew(LATER)
        assert (subscription.state, subscription.period_start) == ("active", AT)

    @pytest.mark.parametrize("amount", [Money(998, "USD"), Money(1_000, "USD"), Money(999, "EUR")])
    def test_an_invoice_is_paid_in_full_and_in_its_currency(self, amount):
        invoice = made(INVOICE, "open")
        with pytest.raises(PaidAmountDiffers):
            invoice.pay(amount, None, AT)
        assert (invoice.state, invoice.paid_minor) == ("open", 0)

    def test_an_invoice_asks_for_nothing_below_zero(self):
        with pytest.raises(InvoiceEmpty):
            made(INVOICE, "draft").finalize("INV-2026-000001", Money(-1, "USD"), LATER, AT)
