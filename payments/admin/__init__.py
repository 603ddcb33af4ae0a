"""The payments floor's pages for staff; importing the modules registers them."""

from payments.admin import operations, payments, refunds, webhooks

__all__ = ["operations", "payments", "refunds", "webhooks"]
