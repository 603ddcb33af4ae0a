"""The only row locks of this app, in house order: idempotency key, merchant, vendor, key."""

from uuid import UUID

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
