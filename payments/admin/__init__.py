"""The payments floor's pages for staff; importing the modules registers them."""

from payments.admin import disputes, methods, operations, payments, refunds, routing, sagas, webhooks

__all__ = ["disputes", "methods", "operations", "payments", "refunds", "routing", "sagas", "webhooks"]
