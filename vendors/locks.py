"""The only row locks of this app, in house order: idempotency key, merchant, vendor, key.

Behind the merchant lies the lock that claims of his money share, behind a key that of what is done by it.
"""

from uuid import UUID

from django.db import connection

from ledger import locks
from vendors.models import ApiKey, Merchant, Vendor
from vendors.models.access import ApiKeyNotFound
from vendors.models.merchants import MerchantNotFound
from vendors.models.vendors import VendorNotFound


def merchant(merchant_id: UUID) -> Merchant:
    """Lock and return a merchant.

    :raises MerchantNotFound: there is none.
    """
    return locks.lock_one(Merchant.objects.filter(pk=merchant_id), MerchantNotFound)


def alone(merchant_id: UUID) -> None:
    """Wait for claims of a merchant's money that have begun, and let none begin until this phase ends.

    Each claim shares this lock (payments 0020).
    """
    locks.require_phase()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('merchant|' || %s::uuid, 0))", [merchant_id]
        )


def key_alone(api_key_id: UUID) -> None:
    """Wait for phases that a key has begun without a claim, and let none begin until this phase ends.

    Each of those shares this lock (vendors 0006).
    """
    locks.require_phase()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('api_key|' || %s::uuid, 0))", [api_key_id]
        )


def vendor(merchant_id: UUID, vendor_id: UUID) -> Vendor:
    """Lock and return a merchant's vendor.

    :raises VendorNotFound: the merchant has no such vendor.
    """
    return locks.lock_one(Vendor.objects.filter(merchant_id=merchant_id, pk=vendor_id), VendorNotFound)


def api_key(merchant_id: UUID, api_key_id: UUID) -> ApiKey:
    """Lock and return a merchant's API key.

    :raises ApiKeyNotFound: the merchant has no such key.
    """
    return locks.lock_one(ApiKey.objects.filter(merchant_id=merchant_id, pk=api_key_id), ApiKeyNotFound)
