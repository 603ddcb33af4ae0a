"""The ledger's pages for staff; importing the modules registers them."""

from ledger.admin import alerts, auditing, books, fx, integrity, records, retention, transfers

__all__ = ["alerts", "auditing", "books", "fx", "integrity", "records", "retention", "transfers"]
