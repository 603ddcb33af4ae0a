"""Settlements' pages for staff; importing the modules registers them."""

from settlements.admin import batches, reconciliation, story

__all__ = ["batches", "reconciliation", "story"]
