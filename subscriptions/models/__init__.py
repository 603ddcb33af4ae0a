"""The tables of this app, named for Django."""

from subscriptions.models.invoices import DunningAttempt, Invoice, InvoiceLine
from subscriptions.models.plans import Plan
from subscriptions.models.subscriptions import Subscription

__all__ = ["DunningAttempt", "Invoice", "InvoiceLine", "Plan", "Subscription"]
