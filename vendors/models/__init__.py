"""The tables of this app, named for Django."""

from vendors.models.access import ApiKey
from vendors.models.commissions import CommissionRule
from vendors.models.idempotency import IdempotencyKey
from vendors.models.merchants import CaptureMethod, Merchant, Mode
from vendors.models.vendors import Vendor

__all__ = ["ApiKey", "CaptureMethod", "CommissionRule", "IdempotencyKey", "Merchant", "Mode", "Vendor"]
