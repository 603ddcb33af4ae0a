"""The law of subscriptions in SQL, attacked past the models."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from ledger import clock, events, locks
from ledger.actors import SYSTEM
from ledger.money import Money
from ledger.recording import record
from subscriptions.models import Invoice, InvoiceLine, Plan, Subscription
from subscriptions.models.invoices import InvoiceKind, LineKind
from vendors.models import Merchant

AT = clock.now()
MONTH = timedelta(days=30)


@pytest.fixture
def subscription(db) -> Subscription:
    northwind = Merchant.objects.create(name="Northwind")
    plan = Plan.objects.create(
        merchant=northwind, code="coffee", name="Coffee", amount_minor=999, currency="USD", interval="month"
    )
    made = Subscription(
        merchant=northwind, plan=plan, customer_ref="carla", method_type="card", method_token="vpt_1",
        anchor_day=31, period_start=AT, period_end=AT + MONTH, created_at=AT,
    )  # fmt: skip
    with locks.phase(), record(made, actor=SYSTEM, at=AT) as entry:
        made.activate()
        entry.announce({"id": made.public_id})
    return made


@pytest.fixture
def invoice(subscription) -> Invoice:
    return drafted(subscription)


def drafted(subscription: Subscription, **fields) -> Invoice:
    made = Invoice(
        merchant_id=subscription.merchant_id, subscription=subscription, currency="USD", created_at=AT,
        **{"period_start": AT, "period_end": AT + MONTH, **fields},
    )  # fmt: skip
    with locks.phase(), record(made, actor=SYSTEM, at=AT) as entry:
        made.draft()
        entry.announce({"id": made.public_id})
    line(made)
    return made


def line(invoice: Invoice) -> InvoiceLine:
    return InvoiceLine.objects.create(
        merchant_id=invoice.merchant_id, invoice=invoice, kind=LineKind.PLAN, description="Coffee",
        unit_minor=999, amount_minor=999,
    )  # fmt: skip


def take(invoice: Invoice, edge: str, *arguments: object) -> None:
    with locks.phase():
        row = locks.lock_one(Invoice.objects.filter(pk=invoice.pk))
        with record(row, actor=SYSTEM, at=AT) as entry:
            getattr(row, edge)(*arguments)
            entry.announce({"id": row.public_id})


@pytest.fixture
def final(invoice) -> Invoice:
    take(invoice, "finalize", "INV-2026-000001", Money(999, "USD"), AT + MONTH, AT)
    return Invoice.objects.get(pk=invoice.pk)


def attack(sql: str, *parameters: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)


class TestSubscription:
    @pytest.mark.parametrize("state", ["trialing", "unpaid", "expired_", ""])
    def test_takes_no_move_that_is_not_drawn(self, subscription, state):
        with pytest.raises(IntegrityError, match="has no edge"):
            attack("UPDATE subscriptions_subscription SET state = %s WHERE id = %s", state, subscription.id)

    def test_is_not_born_in_the_middle_of_its_life(self, subscription):
        with pytest.raises(IntegrityError, match="has no edge"):
            attack(
                "INSERT INTO subscriptions_subscription SELECT (jsonb_populate_record(s, jsonb_build_object("
                "'id', gen_random_uuid(), 'state', 'past_due'))).* FROM subscriptions_subscription s"
                " WHERE id = %s",
                subscription.id,
            )

    def test_says_when_it_ended(self, subscription):
        with pytest.raises(IntegrityError, match="ended_has_a_time"):
            attack("UPDATE subscriptions_subscription SET state = 'cancelled' WHERE id = %s", subscription.id)

    def test_tells_its_moves(self, subscription):
        [event] = events.stream("subscription", subscription.id)
        assert event.type == "subscription.activated"

    def test_the_terms_of_its_plan_do_not_change(self, subscription):
        for change in ("amount_minor = 1", "currency = 'EUR'", "interval = 'year'"):
            with pytest.raises(IntegrityError, match="another plan"):
                attack(f"UPDATE subscriptions_plan SET {change} WHERE id = %s", subscription.plan_id)
        attack("UPDATE subscriptions_plan SET is_active = false WHERE id = %s", subscription.plan_id)


class TestInvoice:
    def test_a_period_is_invoiced_once(self, subscription, invoice):
        with pytest.raises(IntegrityError, match="once_per_period"):
            drafted(subscription)

    def test_a_void_one_frees_its_period_and_an_extra_one_does_not_take_it(self, subscription, invoice):
        drafted(subscription, kind=InvoiceKind.EXTRA)
        take(invoice, "void", "written in error", AT)
        drafted(subscription)

    @pytest.mark.parametrize("state", ["paid", "uncollectible", ""])
    def test_a_draft_takes_no_move_that_is_not_drawn(self, invoice, state):
        with pytest.raises(IntegrityError, match="has no edge"):
            attack("UPDATE subscriptions_invoice SET state = %s WHERE id = %s", state, invoice.id)

    @pytest.mark.parametrize(
        "change", ["total_minor = 1", "currency = 'EUR'", "number = 'INV-0'", "period_start = now()"]
    )
    def test_a_final_one_is_not_edited(self, final, change):
        with pytest.raises(IntegrityError, match="not edited"):
            attack(f"UPDATE subscriptions_invoice SET {change} WHERE id = %s", final.id)

    def test_a_final_one_is_not_deleted(self, final):
        with pytest.raises(IntegrityError):
            attack("DELETE FROM subscriptions_invoice WHERE id = %s", final.id)

    def test_the_lines_of_a_final_one_are_fixed(self, final, subscription):
        other = drafted(subscription, kind=InvoiceKind.EXTRA)
        attacks = [
            ("UPDATE subscriptions_invoice_line SET amount_minor = 1 WHERE invoice_id = %s", [final.id]),
            ("DELETE FROM subscriptions_invoice_line WHERE invoice_id = %s", [final.id]),
            (
                "UPDATE subscriptions_invoice_line SET invoice_id = %s WHERE invoice_id = %s",
                [final.id, other.id],
            ),
        ]
        for sql, parameters in attacks:
            with pytest.raises(IntegrityError, match="are fixed"):
                attack(sql, *parameters)
        with pytest.raises(IntegrityError, match="are fixed"), transaction.atomic():
            line(final)

    def test_is_paid_in_full(self, final):
        with pytest.raises(IntegrityError, match="paid_in_full"):
            attack(
                "UPDATE subscriptions_invoice SET state = 'paid', paid_minor = 998 WHERE id = %s", final.id
            )
        take(final, "pay", Money(999, "USD"), None, AT)
        final.refresh_from_db()
        assert (final.state, final.paid_minor, final.is_paid_elsewhere) == ("paid", 999, True)
