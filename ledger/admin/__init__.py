"""The ledger's pages for staff; importing the modules registers them."""

from ledger.admin import alerts, auditing, books, fx, integrity, records, retention, seals, transfers

__all__ = ["alerts", "auditing", "books", "fx", "integrity", "records", "retention", "seals", "transfers"]
