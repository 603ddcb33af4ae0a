"""The read queries of this app; each takes the merchant whose rows it may show."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from ledger import array_literals, balances, reading
from ledger.chart import Code
from ledger.money import Money
from vendors.models import ApiKey, CommissionRule, Merchant, Vendor
from vendors.models.access import ApiKeyNotFound
from vendors.models.merchants import MerchantNotFound
from vendors.models.vendors import VendorNotFound


@dataclass(frozen=True, slots=True)
class VendorBalance:
    """What a vendor is owed in one currency, and what he owes; all three are not negative."""

    currency: str
    pending: Money
    available: Money
    receivable: Money


def merchant(merchant_id: UUID) -> Merchant:
    """Return a merchant.

    :raises MerchantNotFound: there is none.
    """
    found = Merchant.objects.filter(pk=merchant_id).first()
    if found is None:
        raise MerchantNotFound(f"there is no merchant {merchant_id}")
    return found


def vendor(merchant_id: UUID, vendor_id: UUID) -> Vendor:
    """Return a merchant's vendor.

    :raises VendorNotFound: the merchant has no such vendor.
    """
    found = Vendor.objects.filter(merchant_id=merchant_id, pk=vendor_id).first()
    if found is None:
        raise VendorNotFound("the merchant has no such vendor", param="vendor_id")
    return found


def vendors_by_id(merchant_id: UUID, vendor_ids: Iterable[UUID]) -> dict[UUID, Vendor]:
    """Return those of the vendors that belong to the merchant, by id, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_VENDORS, [merchant_id, array_literals.uuids(vendor_ids)])
        return {row[0]: reading.row(Vendor, row) for row in cursor.fetchall()}


def vendors(merchant_id: UUID) -> QuerySet[Vendor]:
    """Return all vendors of a merchant, unordered."""
    return Vendor.objects.filter(merchant_id=merchant_id)


def commission_rules(merchant_id: UUID, vendor_ids: Iterable[UUID]) -> list[CommissionRule]:
    """Return the active rules that can concern these vendors of a merchant, whenever they hold, unordered."""
    with connection.cursor() as cursor:
        cursor.execute(_RULES, [merchant_id, array_literals.uuids(set(vendor_ids))])
        return [reading.row(CommissionRule, row) for row in cursor.fetchall()]


def all_commission_rules(merchant_id: UUID) -> QuerySet[CommissionRule]:
    """Return the active rules of a merchant, whomever they concern, unordered."""
    return CommissionRule.objects.filter(merchant_id=merchant_id, is_active=True)


def api_keys(merchant_id: UUID) -> QuerySet[ApiKey]:
    """Return all API keys of a merchant, also those that no longer hold, unordered."""
    return ApiKey.objects.filter(merchant_id=merchant_id)


def api_key(merchant_id: UUID, api_key_id: UUID) -> ApiKey:
    """Return a merchant's API key with its merchant.

    :raises ApiKeyNotFound: the merchant has no such key.
    """
    found = ApiKey.objects.select_related("merchant").filter(merchant_id=merchant_id, pk=api_key_id).first()
    if found is None:
        raise ApiKeyNotFound("the merchant has no such API key")
    return found


def vendor_balances(merchant_id: UUID, vendor_id: UUID) -> list[VendorBalance]:
    """Return a vendor's balances by currency, as people count them (what he is owed is positive)."""
    found: dict[str, dict[Code, Money]] = {}
    for account in balances.balances(merchant_id, owner=str(vendor_id)):
        found.setdefault(account.ref.currency, {})[account.ref.code] = account.balance
    return [
        VendorBalance(
            currency=currency,
            pending=-by_code.get(Code.VENDOR_PENDING, Money.zero(currency)),
            available=-by_code.get(Code.VENDOR_AVAILABLE, Money.zero(currency)),
            receivable=by_code.get(Code.VENDOR_RECEIVABLE, Money.zero(currency)),
        )
        for currency, by_code in sorted(found.items())
    ]


def api_key_by_lookup(lookup: str) -> ApiKey | None:
    """Return the key with this public part and its merchant, in one query, whether it holds or not.

    Every request of the API begins with it, so it goes round the ORM's compiler: a quarter of its time.
    """
    with connection.cursor() as cursor:
        cursor.execute(_KEY_WITH_MERCHANT, [lookup])
        row = cursor.fetchone()
    if row is None:
        return None
    split = len(ApiKey._meta.concrete_fields)
    key = reading.row(ApiKey, row[:split])
    key.merchant = reading.row(Merchant, row[split:])
    return key


# The names are those of our models.
_KEY_WITH_MERCHANT: Final = (
    f"SELECT {reading.columns(ApiKey, 'k')}, {reading.columns(Merchant, 'm')} FROM vendors_apikey k "  # noqa: S608
    "JOIN vendors_merchant m ON m.id = k.merchant_id WHERE k.lookup = %s"
)
_VENDORS: Final = (
    f"SELECT {reading.columns(Vendor, 'v')} FROM vendors_vendor v "  # noqa: S608
    "WHERE v.merchant_id = %s AND v.id = ANY(%s::uuid[])"
)
_RULES: Final = (
    f"SELECT {reading.columns(CommissionRule, 'r')} FROM vendors_commissionrule r "  # noqa: S608
    "WHERE r.merchant_id = %s AND r.is_active AND (r.vendor_id IS NULL OR r.vendor_id = ANY(%s::uuid[]))"
)
