"""The payments floor's pages for staff; importing the modules registers them."""

from payments.admin import disputes, operations, payments, refunds, webhooks

__all__ = ["disputes", "operations", "payments", "refunds", "webhooks"]
