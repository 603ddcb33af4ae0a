"""The smallest valid merchant, vendors and keys; the cast is merchant Northwind, vendors Ada and Bruno.

Each call makes its own rows, so no test depends on another's.
"""

from datetime import UTC, datetime
from typing import Any, Final

from ledger import clock, locks
from ledger.actors import SYSTEM
from ledger.ids import uuid7
from ledger.recording import record
from vendors.models import ApiKey, CommissionRule, Merchant, Vendor
from vendors.services import keys, onboarding
from vendors.services.onboarding import CommissionTerms, NewVendor

AT: Final = datetime(2026, 1, 15, 12, tzinfo=UTC)
DESTINATION: Final = {"holder": "Ada Lovelace", "iban": "DE89370400440532013000", "country": "DE"}


def create_merchant(name: str = "Northwind", at: datetime = AT, **fields: Any) -> Merchant:
    """Make a sandbox merchant; other fields of the row may be given."""
    merchant = onboarding.create_merchant(name=name, actor=SYSTEM, at=at)
    if fields:
        Merchant.objects.filter(pk=merchant.pk).update(**fields)
        merchant.refresh_from_db()
    return merchant


def create_vendor(
    merchant: Merchant,
    name: str = "Ada",
    *,
    external_id: str | None = None,
    category: str = "books",
    rate_bps: int | None = 1000,
    fixed_minor: int = 0,
    currency: str = "",
    at: datetime = AT,
) -> Vendor:
    """Make an active vendor with a commission rule of his own (10 % unless told; None: no rule)."""
    terms = None if rate_bps is None else CommissionTerms(rate_bps, fixed_minor, currency)
    new = NewVendor(
        external_id=external_id or f"{name.lower()}-{uuid7().hex}",
        name=name,
        category=category,
        payout_destination=DESTINATION,
        commission=terms,
    )
    return onboarding.create_vendor(merchant_id=merchant.pk, new=new, actor=SYSTEM, at=at)


def redirect(vendor: Vendor, destination: dict[str, str], at: datetime = AT) -> None:
    """Send a vendor's payouts to another account, as an event tells it: suspended, changed, reinstated."""
    with locks.phase():
        row = locks.lock_one(Vendor.objects.filter(pk=vendor.pk))
        row.payout_destination = destination
        for move in (row.suspend, row.reinstate):
            with record(row, actor=SYSTEM, at=at) as entry:
                move()
                entry.announce(row.as_event())


def create_rule(merchant: Merchant, **fields: Any) -> CommissionRule:
    """Make a commission rule of 10 % for all of a merchant's sales, unless told otherwise."""
    values: dict[str, Any] = {"rate_bps": 1000, "valid_from": AT, **fields}
    return CommissionRule.objects.create(merchant=merchant, **values)


def create_api_key(merchant: Merchant, scopes: list[str] | None = None, **options: Any) -> tuple[ApiKey, str]:
    """Make a key with all scopes unless told, marked as just used so that query counts are the hot path's."""
    key, plaintext = keys.issue(merchant, scopes, actor=SYSTEM, at=AT, label="tests", **options)
    key.last_used_at = clock.now()
    key.save(update_fields=["last_used_at"])
    return key, plaintext
