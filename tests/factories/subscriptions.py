"""The smallest subscription and its invoices, made through `record` alone: nobody is charged."""

from datetime import datetime, timedelta
from typing import Any, Final

from ledger import clock, locks
from ledger.actors import SYSTEM
from ledger.money import Money
from ledger.recording import record
from subscriptions.models import Invoice, InvoiceLine, Plan, Subscription
from subscriptions.models.invoices import LineKind
from vendors.models import Merchant

AT: Final = clock.now()
MONTH: Final = timedelta(days=30)


def create_subscription(merchant: Merchant, at: datetime = AT) -> Subscription:
    """Let Carla subscribe to coffee, 9.99 USD a month."""
    plan = Plan.objects.create(
        merchant=merchant, code="coffee", name="Coffee", amount_minor=999, currency="USD", interval="month"
    )
    made = Subscription(
        merchant=merchant, plan=plan, customer_ref="carla", method_type="card", method_token="vpt_1",
        anchor_day=31, period_start=at, period_end=at + MONTH, created_at=at,
    )  # fmt: skip
    with locks.phase(), record(made, actor=SYSTEM, at=at) as entry:
        made.activate()
        entry.announce({"id": made.public_id})
    return made


def draft_invoice(subscription: Subscription, **fields: Any) -> Invoice:
    """Make a draft with one line."""
    made = Invoice(
        merchant_id=subscription.merchant_id, subscription=subscription, currency="USD", created_at=AT,
        **{"period_start": AT, "period_end": AT + MONTH, **fields},
    )  # fmt: skip
    with locks.phase(), record(made, actor=SYSTEM, at=AT) as entry:
        made.draft()
        entry.announce({"id": made.public_id})
    add_line(made)
    return made


def add_line(invoice: Invoice) -> InvoiceLine:
    """Put the coffee on an invoice."""
    return InvoiceLine.objects.create(
        merchant_id=invoice.merchant_id, invoice=invoice, kind=LineKind.PLAN, description="Coffee",
        unit_minor=999, amount_minor=999,
    )  # fmt: skip


def move_invoice(invoice: Invoice, edge: str, *arguments: object) -> Invoice:
    """Take an edge of an invoice's machine; return the row after it."""
    with locks.phase():
        row: Invoice = locks.lock_one(Invoice.objects.filter(pk=invoice.pk))
        with record(row, actor=SYSTEM, at=AT) as entry:
            getattr(row, edge)(*arguments)
            entry.announce({"id": row.public_id})
    return row


def finalize_invoice(invoice: Invoice) -> Invoice:
    """Make a draft final: from now on its amounts are fixed."""
    return move_invoice(invoice, "finalize", "INV-2026-000001", Money(999, "USD"), AT + MONTH, AT)
