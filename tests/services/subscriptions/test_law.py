"""The law of subscriptions in SQL, attacked past the models."""

import pytest
from django.db import IntegrityError, connection, transaction

from ledger import events
from ledger.money import Money
from subscriptions.models import Invoice, Subscription
from subscriptions.models.invoices import InvoiceKind
from tests.factories import subscriptions as make
from tests.factories.subscriptions import AT
from vendors.models import Merchant


@pytest.fixture
def subscription(db) -> Subscription:
    return make.create_subscription(Merchant.objects.create(name="Northwind"))


@pytest.fixture
def invoice(subscription) -> Invoice:
    return make.draft_invoice(subscription)


@pytest.fixture
def final(invoice) -> Invoice:
    return make.finalize_invoice(invoice)


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
            make.draft_invoice(subscription)

    def test_a_void_one_frees_its_period_and_an_extra_one_does_not_take_it(self, subscription, invoice):
        make.draft_invoice(subscription, kind=InvoiceKind.EXTRA)
        make.move_invoice(invoice, "void", "written in error", AT)
        make.draft_invoice(subscription)

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
        other = make.draft_invoice(subscription, kind=InvoiceKind.EXTRA)
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
            make.add_line(final)

    def test_is_paid_in_full(self, final):
        with pytest.raises(IntegrityError, match="paid_in_full"):
            attack(
                "UPDATE subscriptions_invoice SET state = 'paid', paid_minor = 998 WHERE id = %s", final.id
            )
        make.move_invoice(final, "pay", Money(999, "USD"), None, AT)
        final.refresh_from_db()
        assert (final.state, final.paid_minor, final.is_paid_elsewhere) == ("paid", 999, True)
