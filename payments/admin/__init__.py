"""The payments floor's pages for staff; importing the modules registers them."""

from payments.admin import (
    bank_files,
    disputes,
    methods,
    operation_story,
    operations,
    payments,
    refunds,
    routing,
    sagas,
    webhooks,
)

__all__ = [
    "bank_files",
    "disputes",
    "methods",
    "operation_story",
    "operations",
    "payments",
    "refunds",
    "routing",
    "sagas",
    "webhooks",
]
