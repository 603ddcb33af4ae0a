"""Money pending for a vendor, posted as a capture or refund posts it, without a payment behind it."""

from datetime import datetime
from typing import Final
from uuid import UUID

from ledger import chart, clock, locks
from ledger.chart import Code
from ledger.ids import uuid7
from ledger.journal import EntryDraft, Leg, credit, debit
from ledger.money import Money
from tests.kit import books
from vendors.models import Vendor

PROVIDER: Final = "velocitypay"


def sell(vendor: Vendor, *amounts: Money, commission_bps: int = 1000, at: datetime | None = None) -> None:
    """Post sales of a vendor, each with its commission, as captures do."""
    _post([_sale(vendor, amount, commission_bps, at or clock.now()) for amount in amounts])


def refund(vendor: Vendor, amount: Money, *, from_pending: Money, at: datetime | None = None) -> None:
    """Post a refund: what `from_pending` does not bear, the vendor owes."""
    legs = [credit(_clearing(vendor, amount.currency), amount, "refund")]
    if from_pending.is_positive:
        legs.append(debit(ref(vendor, Code.VENDOR_PENDING, amount.currency), from_pending, "refund"))
    if (amount - from_pending).is_positive:
        owed = amount - from_pending
        legs.append(debit(ref(vendor, Code.VENDOR_RECEIVABLE, amount.currency), owed, "refund"))
    _post([_draft(vendor, "refund", legs, at or clock.now())])


def ref(vendor: Vendor, code: Code, currency: str) -> chart.AccountRef:
    """Return one of a vendor's accounts."""
    return chart.account(code, vendor.merchant_id, currency, str(vendor.pk))


def _sale(vendor: Vendor, amount: Money, commission_bps: int, at: datetime) -> EntryDraft:
    pending, commission = ref(vendor, Code.VENDOR_PENDING, amount.currency), amount.bps(commission_bps)
    legs: list[Leg] = [
        debit(_clearing(vendor, amount.currency), amount, "clearing"),
        credit(pending, amount, "sale"),
    ]
    if commission.is_positive:
        income = chart.account(Code.COMMISSION, vendor.merchant_id, amount.currency)
        legs += [debit(pending, commission, "commission"), credit(income, commission, "commission")]
    return _draft(vendor, "capture", legs, at)


def _clearing(vendor: Vendor, currency: str) -> chart.AccountRef:
    return chart.account(Code.PROVIDER_CLEARING, vendor.merchant_id, currency, PROVIDER)


def _draft(vendor: Vendor, kind: str, legs: list[Leg], at: datetime) -> EntryDraft:
    return EntryDraft(
        merchant_id=vendor.merchant_id,
        kind=kind,
        source_type="test",
        source_id=uuid7(),
        step=kind,
        occurred_at=at,
        legs=legs,
    )


def _post(drafts: list[EntryDraft]) -> list[UUID]:
    with locks.phase():
        return books.post(drafts)
